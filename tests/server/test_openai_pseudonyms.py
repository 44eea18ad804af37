"""A pseudonymised tier and a safety rule behind the real API: clients read the values, the upstream reads none."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fake_service import FakeService
from live_server import Client, running

from privacy_gateway import MAIL, NAME, TIER, Detector, echoing, settings
from rightsized.tasks import pseudonyms
from rightsized.tasks.service import LocalService
from tests.engines.upstream import Upstream

HEADERS = {"x-rightsized-data-class": "personal"}
ASKED = f'Write to {NAME} at {MAIL}, "please".'
CLAIM = """
[[flows]]
id = "hidden"
effect = "allow"
data_classes = ["personal"]
tiers = ["cloud"]

[[outputs]]
id = "no-cures"
check = "forbidden-claims"
claims = ["cures cancer"]
on_fail = "escalate"
"""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server in a thread of its own that says the last message again."""
    made, loop, ready = Upstream([echoing]), asyncio.new_event_loop(), threading.Event()
    servers: list[asyncio.Server] = []

    async def open_it() -> None:
        servers.append(await asyncio.start_server(made.serve, "127.0.0.1", 0))
        made.port = servers[0].sockets[0].getsockname()[1]
        ready.set()

    async def close_it() -> None:
        servers[0].close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:  # connections that are kept open
            task.cancel()
        await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(open_it(), loop)
    assert ready.wait(10)
    yield made
    asyncio.run_coroutine_threadsafe(close_it(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def client(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    pseudonyms._shared.cache_clear()
    monkeypatch.setattr(pseudonyms, "open_detector", lambda store, config: Detector())
    config = settings(tmp_path, TIER.format(port=upstream.port), CLAIM)
    service = LocalService(config, purpose="serve", record=True, gateway=True)
    with running(cast(FakeService, service)) as made:
        yield made


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **more}


def test_chats_and_responses_whole_and_streamed(client: Client, upstream: Upstream) -> None:
    whole = client.post("/v1/chat/completions", chat(ASKED), **HEADERS)
    assert whole.json["choices"][0]["message"]["content"] == ASKED
    call = whole.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(call) == {"text": ASKED}
    streamed = client.post("/v1/chat/completions", chat(ASKED, stream=True), **HEADERS)
    chunks = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]) == ASKED
    response = client.post("/v1/responses", {"model": "auto", "input": ASKED}, **HEADERS)
    (message, *_) = [item for item in response.json["output"] if item["type"] == "message"]
    assert message["content"][0]["text"] == ASKED
    (called,) = [item for item in response.json["output"] if item["type"] == "function_call"]
    assert json.loads(called["arguments"]) == {"text": ASKED}
    events = client.post("/v1/responses", {"model": "auto", "input": ASKED, "stream": True}, **HEADERS)
    said = [json.loads(line[6:]) for line in events.text.splitlines() if line.startswith("data: ")]
    assert "".join(e["delta"] for e in said if e["type"] == "response.output_text.delta") == ASKED
    assert len(upstream.seen) == 4
    for one in upstream.seen:
        assert NAME not in json.dumps(one.body, ensure_ascii=False)
        assert MAIL not in one.raw.decode()


def test_what_a_rule_withholds_waits_for_a_person(client: Client) -> None:
    for stream in (False, True):
        answer = client.post("/v1/chat/completions", chat("This cures cancer.", stream=stream), **HEADERS)
        assert (answer.status, answer.json["error"]["code"]) == (422, "needs_person")
        assert "cures cancer" not in answer.text
    waiting = answer.json["error"]["decision"]
    decision = client.get(f"/v1/decisions/{waiting}").json["decision"]
    assert ("no-cures", "deny") in [(verdict["rule"], verdict["effect"]) for verdict in decision["verdicts"]]


def test_an_image_is_refused_with_the_reason(client: Client, upstream: Upstream) -> None:
    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]
    answer = client.post(
        "/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": image}]}, **HEADERS
    )
    assert answer.status == 400
    assert "pseudonymised" in answer.json["error"]["message"]
    assert upstream.seen == []
