"""The connection beneath the OpenAI-compatible API: clients that stall or leave, and a server that ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from typing import Any

import pytest
from fake_service import FakeService
from live_server import WAIT
from scripted_gateway import ScriptedGateway

from rightsized.core.config import Config
from rightsized.server.app import create_app
from rightsized.server.openai.exchange import Exchange, Watched
from rightsized.server.reading import DisconnectedError
from rightsized.server.run import Listening, serve

SCOPE: dict[str, Any] = {"type": "http", "headers": []}


class Connection:
    """An ASGI connection. `stall` makes writes wait for good; `leave` is the client going away."""

    def __init__(self) -> None:
        self.gone, self.stalled, self.sent = asyncio.Event(), False, list[dict[str, Any]]()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.stalled:
            await asyncio.Event().wait()
        self.sent.append(message)

    def exchange(self) -> Exchange:
        return Exchange(SCOPE, self.receive, self.send)


async def watched(exchange: Exchange, work: Any, keep_alive: float | None = 0.01, stalled: float = 0.05) -> Any:
    async with Watched(exchange, keep_alive, stalled):
        return await work


def test_work_ends_when_the_client_leaves() -> None:
    async def scenario() -> None:
        connection = Connection()
        asyncio.get_running_loop().call_later(0.02, connection.gone.set)
        with pytest.raises(DisconnectedError):
            await watched(connection.exchange(), asyncio.sleep(3600), None)
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0  # whoever comes after is not cancelled

    asyncio.run(scenario())


def test_work_that_swallows_its_end_is_over_all_the_same() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return "nobody reads this"
        return ""

    async def scenario() -> None:
        connection = Connection()
        asyncio.get_running_loop().call_later(0.02, connection.gone.set)
        with pytest.raises(DisconnectedError):
            await watched(connection.exchange(), stubborn(), None)

    asyncio.run(scenario())


def test_cancellation_from_outside_stays_one() -> None:
    async def scenario() -> None:
        task = asyncio.create_task(watched(Connection().exchange(), asyncio.sleep(3600)))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def test_a_client_that_takes_nothing_is_given_up() -> None:
    async def scenario() -> None:
        connection = Connection()
        exchange = connection.exchange()
        exchange.prepare_events([])
        connection.stalled = True
        with pytest.raises(DisconnectedError):
            await watched(exchange, exchange.event(b"data: 1\n\n"))

    asyncio.run(scenario())


def test_a_client_that_stops_reading_during_silence_is_given_up() -> None:
    async def scenario() -> None:
        connection = Connection()
        exchange = connection.exchange()
        exchange.prepare_events([])
        await exchange.event(b"data: 1\n\n")
        connection.stalled = True
        with pytest.raises(DisconnectedError):
            await watched(exchange, asyncio.sleep(3600))

    asyncio.run(scenario())


def test_silence_is_filled_before_somebody_is_known_to_answer_and_who_it_was_follows() -> None:
    async def scenario() -> None:
        connection = Connection()
        exchange = connection.exchange()

        async def work() -> None:
            await asyncio.sleep(0.05)
            exchange.prepare_events([(b"x-rightsized-decision", b"d-1"), (b"x-rightsized-tier", b"2")])
            await exchange.event(b"data: 1\n\n")
            await exchange.finish(b"data: [DONE]\n\n")

        await watched(exchange, work())
        start, first, *rest = connection.sent
        assert (start["status"], (b"x-rightsized-decision", b"d-1") in start["headers"]) == (200, False)
        assert first["body"] == b": still working\n\n"
        told = b": x-rightsized-decision: d-1\n\n: x-rightsized-tier: 2\n\ndata: 1\n\n"
        assert [m["body"] for m in rest if m["body"] != first["body"]] == [told, b"data: [DONE]\n\n"]
        assert [m["more_body"] for m in connection.sent[1:]] == [*[True] * (len(rest)), False]

    asyncio.run(scenario())


def test_nothing_is_written_where_no_stream_was_asked_for_or_keep_alives_are_off() -> None:
    async def scenario() -> None:
        connection = Connection()
        await watched(connection.exchange(), asyncio.sleep(0.05), None)
        assert connection.sent == []

    asyncio.run(scenario())


def test_a_failure_before_the_first_keep_alive_keeps_its_status() -> None:
    async def scenario() -> None:
        connection = Connection()
        exchange = connection.exchange()
        await watched(exchange, asyncio.sleep(0), 10.0)
        await exchange.json(502, b"{}")
        assert [m.get("status") for m in connection.sent] == [502, None]

    asyncio.run(scenario())


def test_a_keep_alive_that_comes_too_late_is_not_written() -> None:
    async def scenario() -> None:
        connection = Connection()
        exchange = connection.exchange()
        await exchange.finish(b"data: [DONE]\n\n")
        await exchange.keep_alive()
        assert [m.get("body") for m in connection.sent] == [None, b"data: [DONE]\n\n"]

    asyncio.run(scenario())


@pytest.mark.parametrize(("model", "streamed"), [("endless", True), ("hangs", True), ("hangs", False)])
def test_a_server_that_ends_says_so(model: str, streamed: bool) -> None:
    """After the time for draining, what is not done yet gets an error, not half an answer without a word."""
    service, gateway, found = FakeService(), ScriptedGateway(), list[Listening]()
    service.gateway, ready = gateway, threading.Event()
    app = create_app(service, Config())
    note = lambda listening: (found.append(listening), ready.set())  # noqa: E731
    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0, 0.5, note))
    thread.start()
    assert ready.wait(WAIT)
    connection = http.client.HTTPConnection("127.0.0.1", found[0].port, timeout=WAIT)
    body = {"model": model, "stream": streamed, "messages": [{"role": "user", "content": "a"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    assert gateway.began.wait(WAIT)
    response = connection.getresponse() if model == "endless" else None
    stopped = threading.Timer(0.1, found[0].stop)
    stopped.start()
    response = response or connection.getresponse()
    last = response.read().split(b"data: ")[-1]
    assert response.status == (200 if model == "endless" else 503)
    assert json.loads(last)["error"]["code"] == "shutting_down"
    thread.join(WAIT)
    assert not thread.is_alive()
    assert gateway.closed.is_set()
    connection.close()
