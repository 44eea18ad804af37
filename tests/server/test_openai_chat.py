"""`/v1/chat/completions` and `/v1/completions`: answers, streams, failures, and clients that leave."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_service import FakeService
from live_server import WAIT, Answer, Client, running
from scripted_gateway import FAILURES, TOOL_CALL, ScriptedGateway

from rightsized.core.roles import LOCAL_ADMIN
from rightsized.core.tiers import GatewayConfig

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
ASKED = {"messages": [{"role": "user", "content": "Is it raining in Oslo?"}], "model": "small"}


@pytest.fixture(scope="module")
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture(scope="module")
def openai(gateway: ScriptedGateway) -> Iterator[Client]:
    service = FakeService()
    service.gateway = gateway
    with running(service, max_body_mb=0.05) as made:
        yield made


@pytest.fixture
def own() -> Iterator[tuple[Client, ScriptedGateway]]:
    """A server and a gateway of the test's own."""
    service, gateway = FakeService(), ScriptedGateway()
    service.gateway = gateway
    with running(service) as client:
        yield client, gateway


def events(answer: Answer) -> list[Any]:
    """The events of a stream; checks its framing."""
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.text.endswith("\n\n")
    found = []
    for block in answer.text.split("\n\n")[:-1]:
        if not block.startswith(":"):
            assert block.startswith("data: ")
            assert "\n" not in block
            found.append("[DONE]" if block == "data: [DONE]" else json.loads(block[6:]))
    return found


def stream(client: Client, path: str = CHAT, **fields: Any) -> Answer:
    return client.post(path, {**ASKED, "stream": True, **fields})


def said(chunks: list[Any]) -> str:
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c != "[DONE]" and c["choices"])


def test_a_whole_answer_says_who_gave_it_and_what_it_cost(openai: Client) -> None:
    answer = openai.post(CHAT, ASKED)
    assert answer.status == 200
    decision = answer.headers["x-rightsized-decision"]
    assert answer.json["id"] == f"chatcmpl-{decision}"
    assert [answer.headers[f"x-rightsized-{name}"] for name in ("tier", "rung", "state")] == ["2", "small", "certified"]
    assert answer.json["choices"][0]["message"] == {"role": "assistant", "content": "It is raining."}
    assert (answer.json["object"], answer.json["model"]) == ("chat.completion", "small-1b")
    expected = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14, "cached": 2, "cost_usd": 0.000042}
    assert answer.json["usage"] == expected


def test_what_a_client_sends_reaches_the_gateway(openai: Client, gateway: ScriptedGateway) -> None:
    fields = {
        "n": 2, "stop": ["\n"], "seed": 7, "logprobs": True, "top_logprobs": 5, "temperature": 0, "top_k": 40,
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}}, "parallel_tool_calls": True,
        "a_field_of_tomorrow": {"deep": [1, 2.5, None]},
    }  # fmt: skip
    answer = openai.post(
        CHAT, {**ASKED, **fields},
        x_rightsized_data_class="Personal", x_rightsized_region="eu", x_rightsized_conversation="c-9",
        x_rightsized_timeout="5",
    )  # fmt: skip
    assert answer.status == 200
    generation, caller, conversation = gateway.seen[-1]
    assert generation.body == {"messages": ASKED["messages"], **fields}
    assert (generation.model, generation.stream, generation.operation) == ("small", False, "chat")
    assert (generation.data_class, generation.region, conversation) == ("personal", "eu", "c-9")
    assert caller == LOCAL_ADMIN.caller


def test_without_a_header_the_most_restrictive_class_holds(openai: Client, gateway: ScriptedGateway) -> None:
    openai.post(CHAT, {**ASKED, "stream": True, "stream_options": {"include_usage": True}})
    generation = gateway.seen[-1][0]
    assert (generation.data_class, generation.region, generation.stream) == ("secret", "", True)
    assert set(generation.body) == {"messages"}


def test_a_stream_ends_with_usage_and_cost(openai: Client) -> None:
    answer = stream(openai)
    chunks = events(answer)
    assert answer.status == 200
    assert said(chunks) == "It is raining."
    assert chunks[-1] == "[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "It "}
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert (chunks[-2]["usage"]["cost_usd"], chunks[-2]["usage"]["total_tokens"]) == (0.000042, 14)
    assert all("usage" not in chunk for chunk in chunks[:-2])
    assert {chunk["id"] for chunk in chunks[:-1]} == {f"chatcmpl-{answer.headers['x-rightsized-decision']}"}
    assert answer.headers["x-rightsized-rung"] == "small"


def test_pieces_that_came_together_are_the_same_events(openai: Client) -> None:
    """Also those written into the frame of the one before."""
    alone, together = events(stream(openai)), events(stream(openai, model="bursts"))
    assert together[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert said(together) == said(alone)
    for one, other in zip(alone[1:-1], together[2:-1], strict=True):
        assert {**one, "id": "", "model": ""} == {**other, "id": "", "model": ""}


def test_usage_in_an_event_of_its_own(openai: Client) -> None:
    chunks = events(stream(openai, stream_options={"include_usage": True}))
    assert chunks[-2]["choices"] == []
    assert chunks[-2]["usage"]["cost_usd"] == 0.000042
    assert all("usage" not in chunk for chunk in chunks[:-2])
    assert chunks[-3]["choices"][0]["finish_reason"] == "stop"


def test_tool_calls_whole_and_in_pieces(openai: Client) -> None:
    assert openai.post(CHAT, {**ASKED, "model": "tools"}).json["choices"][0]["message"]["tool_calls"] == [TOOL_CALL]
    chunks = events(stream(openai, model="tools"))
    calls = [c["choices"][0]["delta"]["tool_calls"][0] for c in chunks[:-2]]
    assert calls[0]["id"] == "call_1"
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city": "Oslo"}'
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_an_answer_that_came_whole_is_streamed_all_the_same(openai: Client) -> None:
    answer = stream(openai, model="whole")
    chunks = events(answer)
    assert said(chunks) == "It is raining."
    assert (chunks[-2]["choices"][0]["finish_reason"], chunks[-2]["usage"]["cost_usd"]) == ("stop", 0.000042)
    assert answer.headers["x-rightsized-decision"] == chunks[0]["id"].removeprefix("chatcmpl-")


def test_completions(openai: Client, gateway: ScriptedGateway) -> None:
    answer = openai.post(COMPLETIONS, {"model": "small", "prompt": "def f(", "suffix": "return x", "max_tokens": 5})
    assert answer.json["choices"][0]["text"] == "It is raining."
    assert answer.json["id"] == f"cmpl-{answer.headers['x-rightsized-decision']}"
    generation = gateway.seen[-1][0]
    assert generation.operation == "completions"
    assert generation.body == {"prompt": "def f(", "suffix": "return x", "max_tokens": 5}


@pytest.mark.parametrize(
    ("model", "status", "kind", "code"),
    [
        ("fails", 502, "upstream_error", "upstream"),
        ("late", 504, "timeout_error", "upstream_timeout"),
        ("busy", 429, "rate_limit_error", "busy"),
        ("limited", 429, "rate_limit_error", "rate_limit_exceeded"),
        ("long", 400, "invalid_request_error", "context_length_exceeded"),
        ("forbidden", 403, "permission_error", "forbidden"),
        ("nowhere", 404, "invalid_request_error", "model_not_found"),
        ("abstains", 422, "needs_person", "needs_person"),
        ("crashes", 500, "server_error", "internal"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_failures(openai: Client, model: str, status: int, kind: str, code: str, streamed: bool) -> None:
    """Before the first piece a stream fails like any other request: with its own status."""
    answer = openai.post(CHAT, {**ASKED, "model": model, "stream": streamed})
    error = answer.json["error"]
    assert (answer.status, error["type"], error["code"]) == (status, kind, code)
    assert error["message"]
    assert "secret internals" not in answer.text
    if model in FAILURES:
        assert FAILURES[model].message in error["message"]


def test_retry_after_and_the_decision_that_waits(openai: Client) -> None:
    assert openai.post(CHAT, {**ASKED, "model": "limited"}).headers["retry-after"] == "8"
    assert openai.post(CHAT, {**ASKED, "model": "busy"}).headers["retry-after"] == "1"
    answer = openai.post(CHAT, {**ASKED, "model": "abstains"})
    assert answer.json["error"]["decision"] == answer.headers["x-rightsized-decision"]
    assert "did not pass the check" in answer.json["error"]["message"]
    assert "retry-after" not in answer.headers


def test_a_stream_that_fails_before_its_first_piece_has_a_status(openai: Client) -> None:
    assert stream(openai, model="breaks before").status == 502


def test_death_in_the_middle_of_a_stream_is_an_error_event(openai: Client) -> None:
    answer = stream(openai, model="breaks")
    found = events(answer)
    assert answer.status == 200
    assert said(found[:2]) == "It is "
    assert found[-1]["error"]["message"] == "The model server died."
    assert found[-1]["error"]["type"] == "upstream_error"
    assert "[DONE]" not in found  # the answer is not whole, and nothing says that it were


def _connection(client: Client, body: dict[str, Any]) -> socket.socket:
    data = json.dumps(body).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n"
    )
    made = socket.create_connection(("127.0.0.1", client.listening.port), timeout=WAIT)
    made.sendall(head.encode() + b"\r\n" + data)
    return made


@pytest.mark.parametrize(
    "fields", [{"model": "hangs"}, {"model": "hangs", "stream": True}, {"model": "endless", "stream": True}]
)
def test_a_client_that_leaves_ends_the_work(own: tuple[Client, ScriptedGateway], fields: dict[str, Any]) -> None:
    client, gateway = own
    connection = _connection(client, {**ASKED, **fields})
    assert gateway.began.wait(WAIT)
    connection.close()
    assert gateway.closed.wait(WAIT), "the work went on for nobody"
    assert client.post(CHAT, ASKED).status == 200
    gone = f'rightsized_clients_gone_total{{route="{CHAT}"}} 1.0'
    assert gone in client.get("/metrics").text


def test_a_client_that_does_not_read_holds_the_model_back(own: tuple[Client, ScriptedGateway]) -> None:
    client, gateway = own
    connection = _connection(client, {**ASKED, "model": "endless", "stream": True})
    assert gateway.began.wait(WAIT)
    before = -1
    while gateway.pieces != before:  # until nothing more is made: what the kernel and the transport hold is bounded
        before = gateway.pieces
        client.post(CHAT, ASKED)
        gateway.closed.wait(0.2)
    assert gateway.pieces * 1000 < 50e6
    assert not gateway.closed.is_set()
    connection.close()
    assert gateway.closed.wait(WAIT)


@pytest.mark.parametrize("model", ["quiet", "held back"])
def test_silence_is_filled_with_comments(model: str) -> None:
    service = FakeService()
    service.gateway = ScriptedGateway()
    with running(service, GatewayConfig(keep_alive_s=0.05)) as client:
        answer = stream(client, model=model)
    assert ": still working\n\n" in answer.text
    assert answer.text.index(": still working\n\n") < answer.text.index("data: ")
    assert said(events(answer)) == "It is raining."
    decision = answer.headers.get("x-rightsized-decision")
    if model == "held back":  # the header fields were sent before anybody was known to answer
        assert decision is None
        (decision,) = re.findall(r"^: x-rightsized-decision: (.*)$", answer.text, re.MULTILINE)
    assert events(answer)[0]["id"] == f"chatcmpl-{decision}"


@pytest.mark.parametrize(("model", "code"), [("fails late", "upstream"), ("abstains late", "needs_person")])
def test_after_a_comment_a_failure_is_an_event(model: str, code: str) -> None:
    service = FakeService()
    service.gateway = ScriptedGateway()
    with running(service, GatewayConfig(keep_alive_s=0.05)) as client:
        answer = stream(client, model=model)
    assert answer.status == 200
    (failure,) = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert failure["error"]["code"] == code
    assert bool(failure["error"]["decision"]) == (code == "needs_person")


def test_connections_are_kept(openai: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", openai.listening.port, timeout=WAIT)
    for number in range(6):
        body = json.dumps({**ASKED, "stream": number % 2 == 1, "model": "breaks" if number == 3 else "small"})
        connection.request("POST", CHAT, body, {"content-type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200
        assert response.read()
    connection.close()


def test_without_tiers_the_answer_names_the_setting(start: Callable[..., Client]) -> None:
    answer = start(FakeService()).post(CHAT, ASKED)
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
    assert "[[tiers]]" in answer.json["error"]["message"]


def test_a_task_is_a_model(openai: Client) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "refund my invoice payment"}]
    answer = openai.post(CHAT, {"model": "task:support", "messages": messages})
    said = json.loads(answer.json["choices"][0]["message"]["content"])
    assert (said["label"], said["status"], said["state"], said["certified"]) == (
        "billing",
        "answered",
        "certified",
        True,
    )
    assert said["decision"] == answer.headers["x-rightsized-decision"]
    assert answer.headers["x-rightsized-tier"] == "3"
    chunks = events(openai.post(CHAT, {"model": "task:support", "messages": messages, "stream": True}))
    assert json.loads(chunks[0]["choices"][0]["delta"]["content"])["label"] == "billing"


def test_a_task_that_abstains_says_so(openai: Client) -> None:
    answer = openai.post(COMPLETIONS, {"model": "task:support", "prompt": "good morning to all of you"})
    said = json.loads(answer.json["choices"][0]["text"])
    assert (said["label"], said["status"], answer.headers["x-rightsized-tier"]) == (None, "abstained", "0")
    assert said["suggestion"]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "task:nowhere"}, 404, "model"),
        ({"n": 2}, 400, "n"),
        ({"logprobs": True}, 400, "logprobs"),
        ({"messages": [{"role": "assistant", "content": "hello"}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, 400, None),
    ],
)
def test_what_a_task_cannot_do(openai: Client, fields: dict[str, Any], status: int, param: str | None) -> None:
    answer = openai.post(CHAT, {**ASKED, "model": "task:support", **fields})
    assert (answer.status, answer.json["error"]["param"]) == (status, param)


def test_metrics_count_tokens_and_cost(own: tuple[Client, ScriptedGateway]) -> None:
    client, _ = own
    client.post(CHAT, ASKED)
    stream(client)
    client.post(CHAT, {**ASKED, "model": "abstains"})
    stream(client, model="breaks")
    found = client.get("/metrics").text
    for line in (
        'rightsized_generations_total{operation="chat",rung="small",state="certified",tier="2"} 2.0',
        'rightsized_tokens_total{kind="prompt",rung="small"} 22.0',
        'rightsized_tokens_total{kind="completion",rung="small"} 6.0',
        'rightsized_cost_usd_total{rung="small"} 8.4e-05',
        'rightsized_generations_to_person_total{operation="chat"} 1.0',
        f'rightsized_streams_broken_total{{route="{CHAT}"}} 1.0',
        f'rightsized_first_byte_seconds_count{{route="{CHAT}"}} 2.0',
        'rightsized_tier_ready{rung="small"} 1.0',
        'rightsized_tier_ready{rung="fails"} 0.0',
        'rightsized_tier_breaker{rung="fails",state="open"} 1.0',
        'rightsized_tier_breaker{rung="fails",state="closed"} 0.0',
        'rightsized_tier_starts_total{rung="fails"} 2.0',
        'rightsized_tier_failures_total{error="upstream",rung="fails"} 3.0',
        'rightsized_tier_failures_total{error="busy",rung="fails"} 1.0',
    ):
        assert line in found
