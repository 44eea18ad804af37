"""`/v1/responses`: items, events, and what is refused because nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fake_service import FakeService
from live_server import Answer, Client, running
from scripted_gateway import ScriptedGateway

from rightsized.core.tiers import GatewayConfig

ROUTE = "/v1/responses"
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}


@pytest.fixture(scope="module")
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture(scope="module")
def openai(gateway: ScriptedGateway) -> Iterator[Client]:
    service = FakeService()
    service.gateway = gateway
    with running(service) as made:
        yield made


def events(answer: Answer) -> list[dict[str, Any]]:
    """The events; checks that names, types and numbers agree."""
    found = []
    for block in [block for block in answer.text.split("\n\n")[:-1] if not block.startswith(":")]:
        name, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def test_a_whole_response(openai: Client) -> None:
    answer = openai.post(ROUTE, {"model": "small", "input": "Is it raining?", "metadata": {"a": "b"}})
    decision = answer.headers["x-rightsized-decision"]
    body = answer.json
    assert (answer.status, body["id"], body["object"], body["status"]) == (
        200,
        f"resp_{decision}",
        "response",
        "completed",
    )
    (message,) = body["output"]
    assert message["content"] == [{"type": "output_text", "text": "It is raining.", "annotations": [], "logprobs": []}]
    assert body["usage"]["total_tokens"] == body["usage"]["input_tokens"] + body["usage"]["output_tokens"] == 14
    assert (body["usage"]["cost_usd"], body["metadata"], body["store"]) == (0.000042, {"a": "b"}, False)


def test_items_become_a_conversation(openai: Client, gateway: ScriptedGateway) -> None:
    shown = {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Look."}, shown]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "sun"}]},
    ]  # fmt: skip
    asked = {
        "model": "small", "instructions": "Be brief.", "input": items, "tools": [WEATHER], "max_output_tokens": 9,
        "tool_choice": {"type": "function", "name": "weather"}, "reasoning": {"effort": "low"}, "top_k": 3,
        "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}}, "temperature": 0.5,
        "include": ["message.output_text.logprobs"], "store": True, "truncation": "disabled",
    }  # fmt: skip
    assert openai.post(ROUTE, asked).status == 200
    calls = [{"id": c, "type": "function", "function": {"name": "weather", "arguments": "{}"}} for c in ("c1", "c2")]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}}
    assert gateway.seen[-1][0].body == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Look."}, image]},
            {"role": "assistant", "content": "I look.", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "tool", "tool_call_id": "c2", "content": "sun"},
        ],
        "tools": [{"type": "function", "function": {k: v for k, v in WEATHER.items() if k != "type"}}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        "max_completion_tokens": 9, "temperature": 0.5, "reasoning_effort": "low", "top_k": 3,
        "logprobs": True, "top_logprobs": 0,
    }  # fmt: skip


def test_events_of_text(openai: Client) -> None:
    answer = openai.post(ROUTE, {"model": "small", "input": "Is it raining?", "stream": True})
    found = events(answer)
    kinds = [event["type"].removeprefix("response.") for event in found]
    assert kinds == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert "".join(event["delta"] for event in found if "delta" in event) == "It is raining."
    last = found[-1]["response"]
    assert last["output"][0]["content"][0]["text"] == "It is raining."
    assert (last["status"], last["usage"]["cost_usd"]) == ("completed", 0.000042)
    assert last["id"] == found[0]["response"]["id"] == f"resp_{answer.headers['x-rightsized-decision']}"


def test_events_of_calls(openai: Client) -> None:
    found = events(
        openai.post(ROUTE, {"model": "tools", "input": "Is it raining?", "tools": [WEATHER], "stream": True})
    )
    arguments = [e["delta"] for e in found if e["type"] == "response.function_call_arguments.delta"]
    assert "".join(arguments) == '{"city": "Oslo"}'
    (item,) = found[-1]["response"]["output"]
    assert (item["type"], item["call_id"], item["arguments"]) == ("function_call", "call_1", '{"city": "Oslo"}')
    whole = openai.post(ROUTE, {"model": "tools", "input": "Is it raining?"}).json["output"]
    assert [entry["call_id"] for entry in whole] == ["call_1"]


@pytest.mark.parametrize("model", ["whole", "task:support"])
def test_an_answer_without_pieces_has_the_same_events(openai: Client, model: str) -> None:
    found = events(openai.post(ROUTE, {"model": model, "input": "refund my invoice", "stream": True}))
    assert found[-1]["type"] == "response.completed"
    assert found[-1]["response"]["output"][0]["content"][0]["text"]


def test_death_in_the_middle_is_a_failed_response(openai: Client) -> None:
    found = events(openai.post(ROUTE, {"model": "breaks", "input": "Is it raining?", "stream": True}))
    assert found[-1]["type"] == "response.failed"
    response = found[-1]["response"]
    assert (response["status"], response["error"]["message"]) == ("failed", "The model server died.")
    before = openai.post(ROUTE, {"model": "breaks before", "input": "Is it raining?", "stream": True})
    assert (before.status, before.json["error"]["type"]) == (502, "upstream_error")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "robot", "content": "a"}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": ["a"]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
         "input[0].content[0].image_url"),
        ({"input": [{"type": "function_call", "name": "a"}]}, "input[0].arguments"),
        ({"input": [{"type": "function_call_output", "call_id": "a"}]}, "input[0].output"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.name"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
    ],
)  # fmt: skip
def test_what_is_refused(openai: Client, fields: dict[str, Any], param: str) -> None:
    answer = openai.post(ROUTE, {"model": "small", "input": "hello", **fields})
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


def test_nothing_is_stored(openai: Client) -> None:
    assert openai.get(f"{ROUTE}/resp_1").json["error"]["message"] == "Responses are not stored here."


def test_a_failure_after_a_keep_alive_is_a_whole_stream_of_its_own() -> None:
    service = FakeService()
    service.gateway = ScriptedGateway()
    with running(service, GatewayConfig(keep_alive_s=0.05)) as client:
        answer = client.post(ROUTE, {"model": "abstains late", "input": "Is it raining?", "stream": True})
    assert answer.status == 200
    assert answer.text.startswith(": still working")
    found = events(answer)
    assert [event["type"] for event in found] == ["response.created", "response.in_progress", "response.failed"]
    assert [event["sequence_number"] for event in found] == [0, 1, 2]
    failed = found[-1]["response"]
    assert failed["id"] == f"resp_{failed['error']['decision']}" != "resp_"
