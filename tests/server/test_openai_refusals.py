"""Requests that the OpenAI-compatible API turns away: each with a right status and the field at fault."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from fake_service import FakeService
from live_server import Client, running
from scripted_gateway import ScriptedGateway

from rightsized.core.errors import (
    ContextLengthError,
    InputError,
    NotFoundError,
    RightsizedError,
    UnsupportedError,
    UpstreamError,
)
from rightsized.core.generation import Generation
from rightsized.engines.llamacpp.requests import Abilities, calls
from rightsized.server.openai.errors import from_exception

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
USER = {"role": "user", "content": "hello"}
TOOL = {"type": "function", "function": {"name": "weather"}}


@pytest.fixture(scope="module")
def openai() -> Iterator[Client]:
    service = FakeService()
    service.gateway = ScriptedGateway()
    with running(service, max_body_mb=0.05) as made:
        yield made


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "small", "messages": [USER], **fields}


def parts(*given: Any) -> dict[str, Any]:
    return chat(messages=[{"role": "user", "content": list(given)}])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "small"}, "messages"),
        (chat(messages=[]), "messages"),
        (chat(messages=[{"role": "robot", "content": "x"}]), "messages[0].role"),
        (chat(messages=[USER, {"role": "user"}]), "messages[1].content"),
        (chat(messages=[{"role": "tool", "content": "x"}]), "messages[0].tool_call_id"),
        (chat(messages=[{**USER, "tool_calls": [{"id": "1"}]}]), "messages[0].tool_calls"),
        (chat(messages=[{"role": "assistant", "tool_calls": [{"id": "1"}]}]), "messages[0].tool_calls[0]"),
        (parts({"type": "text"}), "messages[0].content[0].text"),
        (parts({"type": "image_url"}), "messages[0].content[0].image_url"),
        (
            parts({"type": "image_url", "image_url": {"url": "file:///etc/hosts"}}),
            "messages[0].content[0].image_url.url",
        ),
        (parts("text"), "messages[0].content[0]"),
        (chat(model=""), "model"),
        (chat(model=None), "model"),
        (chat(n=0), "n"),
        (chat(n=1.5), "n"),
        (chat(n=True), "n"),
        (chat(temperature=2.1), "temperature"),
        (chat(top_p="high"), "top_p"),
        (chat(seed=2**70), "seed"),
        (chat(stream="yes"), "stream"),
        (chat(stop=[""]), "stop[0]"),
        (chat(max_tokens=0), "max_tokens"),
        (chat(max_tokens=5, max_completion_tokens=6), "max_tokens"),
        (chat(top_logprobs=2), "top_logprobs"),
        (chat(logprobs=True, top_logprobs=21), "top_logprobs"),
        (chat(logit_bias={"50": 101}), "logit_bias[...]"),
        (chat(stream_options={"include_usage": True}), "stream_options"),
        (chat(response_format={"type": "xml"}), "response_format.type"),
        (chat(response_format={"type": "json_schema"}), "response_format.json_schema"),
        (
            chat(response_format={"type": "json_schema", "json_schema": {"name": "a"}}),
            "response_format.json_schema.schema",
        ),
        (chat(tools=[{"type": "function"}]), "tools[0].function"),
        (chat(tools=[TOOL, TOOL]), "tools[1].function.name"),
        (chat(tools=[{"type": "function", "function": {"name": "a b"}}]), "tools[0].function.name"),
        (chat(tools=[TOOL], tool_choice="always"), "tool_choice"),
        (chat(tool_choice="required"), "tool_choice"),
        (chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "x"}}), "tool_choice.function.name"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else str(value),
)
def test_fields_of_a_conversation(openai: Client, body: dict[str, Any], param: str) -> None:
    answer = openai.post(CHAT, body)
    error = answer.json["error"]
    assert (answer.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert set(error) == {"message", "type", "param", "code", "decision"}
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": ["a", "b"], "suffix": "c"}, "suffix"),
        ({"prompt": "a", "n": 3, "best_of": 2}, "best_of"),
        ({"prompt": "a", "best_of": 2, "stream": True}, "best_of"),
        ({"prompt": "a", "logprobs": True}, "logprobs"),
    ],
)
def test_fields_of_a_completion(openai: Client, fields: dict[str, Any], param: str) -> None:
    answer = openai.post(COMPLETIONS, {"model": "small", **fields})
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Rightsized-Data-Class", "private"),
        ("X-Rightsized-Region", "eu, us"),
        ("X-Rightsized-Dataclass", "secret"),
        ("X-Rightsized-Conversation", "c" * 201),
        ("X-Rightsized-Conversation", " "),
        ("X-Rightsized-Conversation", "caf\xe9"),
        ("X-Rightsized-Timeout", "soon"),
        ("X-Rightsized-Timeout", "0"),
        ("X-Rightsized-Timeout", "inf"),
        ("X-Rightsized-Timeout", "nan"),
    ],
)
def test_header_fields(openai: Client, header: str, value: str) -> None:
    answer = openai.send("POST", CHAT, json.dumps(chat()), {"content-type": "application/json", header: value})
    assert (answer.status, answer.json["error"]["param"]) == (400, header)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[1]", b"null", b"{", b'{"messages": "\xff"}', b'{"messages": "\\ud800"}', b'{"a": NaN}', b'{"a": 1e999}',
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"messages": [{"role": "user", "content": "a"}], "a":' + b"[" * 120 + b"]" * 120 + b"}",
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=range(11),
)  # fmt: skip
def test_bodies_that_are_no_json_object(openai: Client, body: bytes) -> None:
    answer = openai.send("POST", CHAT, body, {"content-type": "application/json"})
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_json")


def test_depth_that_is_no_danger(openai: Client) -> None:
    wide = {"model": "small", "messages": [USER], "a": [{"b": [number]} for number in range(200)]}
    assert openai.post(CHAT, wide).status == 200


def test_what_http_forbids(openai: Client) -> None:
    big = openai.post(CHAT, chat(user="x" * 60_000))
    assert (big.status, big.json["error"]["code"]) == (413, "payload_too_large")
    form = openai.send("POST", CHAT, b"a=1", {"content-type": "application/x-www-form-urlencoded"})
    assert (form.status, form.json["error"]["code"]) == (415, "unsupported_media_type")
    got = openai.get(CHAT)
    assert (got.status, got.headers["allow"], got.json["error"]["code"]) == (405, "POST", "method_not_allowed")
    foreign = openai.post(CHAT, chat(), origin="https://elsewhere.example")
    assert (foreign.status, foreign.json["error"]["type"]) == (403, "permission_error")
    renamed = openai.post(CHAT, chat(), host="elsewhere.example")
    assert (renamed.status, renamed.json["error"]["code"]) == (421, "wrong_host")


def test_a_header_field_may_not_come_twice(openai: Client) -> None:
    """Two data classes would leave open which of them holds."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", openai.listening.port, timeout=20)
    body = json.dumps(chat()).encode()
    connection.putrequest("POST", CHAT)
    for name, value in (("content-type", "application/json"), ("content-length", str(len(body)))):
        connection.putheader(name, value)
    for value in ("secret", "public"):
        connection.putheader("X-Rightsized-Data-Class", value)
    connection.endheaders(body)
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["error"]["param"]) == (400, "X-Rightsized-Data-Class")
    connection.close()


@pytest.mark.parametrize(
    ("error", "path", "param"),
    [
        (ContextLengthError("too long"), CHAT, "messages"),
        (ContextLengthError("too long"), COMPLETIONS, "prompt"),
        (ContextLengthError("too long"), "/v1/responses", "input"),
        (ContextLengthError("too long"), "/v1/rerank", "documents"),
        (UnsupportedError("no schema", param="response_format"), "/v1/responses", "text.format"),
        (UnsupportedError("no such field", param="top_k"), CHAT, "top_k"),
        (InputError("something"), CHAT, None),
        (NotFoundError("no model"), CHAT, "model"),
        (UpstreamError("down"), CHAT, None),
    ],
)
def test_an_engine_s_refusal_names_the_field_too(error: RightsizedError, path: str, param: str | None) -> None:
    assert from_exception(error, path).body.error.param == param
    if isinstance(error, InputError):
        assert pickle.loads(pickle.dumps(error)).param == error.param


def test_engines_say_which_field_they_do_not_take() -> None:
    abilities = Abilities(("law",), "", {}, reuse_prompt=True, fixed_seed=False, tools=False)
    for more, param in (({"fancy": 1}, "fancy"), ({"echo": True}, "echo"), ({"adapter": "poems"}, "adapter")):
        with pytest.raises(InputError) as refused:
            calls(Generation("completions", {"prompt": "a", **more}), abilities, ["a"])
        assert refused.value.param == param
