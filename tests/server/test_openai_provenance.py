"""Marks of untrusted content reach the gateway by every way in, and none is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from fake_service import FakeService
from live_server import Client, running
from scripted_gateway import ScriptedGateway

MARK = {"provenance": "untrusted"}
JSON = {"content-type": "application/json"}
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture(scope="module")
def openai(gateway: ScriptedGateway) -> Iterator[Client]:
    service = FakeService()
    service.gateway = gateway
    with running(service) as made:
        yield made


def test_the_header_field(openai: Client, gateway: ScriptedGateway) -> None:
    body = json.dumps({"model": "small", "messages": [{"role": "user", "content": "a"}]})
    for value, untrusted in (("untrusted", True), ("Trusted", False)):
        answer = openai.send("POST", CHAT, body, {**JSON, "X-Rightsized-Provenance": value})
        assert answer.status == 200
        assert gateway.seen[-1][0].untrusted is untrusted
    answer = openai.send("POST", CHAT, body, {**JSON, "X-Rightsized-Provenance": "maybe"})
    assert (answer.status, answer.json["error"]["param"]) == (400, "X-Rightsized-Provenance")


def test_messages_and_parts(openai: Client, gateway: ScriptedGateway) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", **MARK}]
    messages = [{"role": "user", "content": "x", **MARK}, {"role": "user", "content": parts}]
    assert openai.post(CHAT, {"model": "small", "messages": messages}).status == 200
    assert gateway.seen[-1][0].body["messages"] == messages


def test_items_of_responses(openai: Client, gateway: ScriptedGateway) -> None:
    call = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "1"}
    items = [
        {"role": "user", "content": "x", **MARK},
        {"role": "user", "content": [{"type": "input_text", "text": "y", **MARK}]},
        call,
        {"type": "function_call_output", "call_id": "1", "output": "z", **MARK},
        {"role": "user", "content": [{"type": "input_text", "text": "plain"}]},
    ]
    assert openai.post("/v1/responses", {"model": "small", "input": items}).status == 200
    first, second, _, brought, plain = gateway.seen[-1][0].body["messages"]
    assert first["provenance"] == brought["provenance"] == "untrusted"
    assert second["content"] == [{"type": "text", "text": "y", **MARK}]
    assert plain == {"role": "user", "content": "plain"}
