"""What engines say in the log: a server that is left alone and comes back, a process of a model that ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest
from upstream import ask, engine, serving, verbatim, whole

from rightsized.core.errors import UpstreamError
from rightsized.engines.llamacpp.supervisor import Supervisor
from rightsized.engines.llamacpp.wire import WorkerSettings
from rightsized.engines.remote.breaker import FAILURES

DOWN = verbatim(b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello 4711!")


async def test_a_breaker_that_opens_and_closes_is_said_without_the_servers_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "rightsized.tiers")
    async with serving(*[DOWN] * FAILURES, whole()) as up, engine(up.url, retries=0) as tier:
        for _ in range(FAILURES + 1):  # the last one is not sent
            with pytest.raises(UpstreamError):
                await tier.generate(ask())
        tier._breaker._until = 0.0  # its rest is over
        await tier.generate(ask())
    events = [(record.getMessage(), record.__dict__["tier"]) for record in caplog.records]
    assert events == [
        ("A tier fails again and again and is left alone for a while", tier.name),
        ("A tier that was left alone answers again", tier.name),
    ]
    assert caplog.records[0].__dict__["reason"].endswith("failed (HTTP 500).")


async def test_a_model_whose_process_ends_is_said_each_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "rightsized.tiers")
    lives = asyncio.Semaphore(0)

    async def one_life(self: Supervisor) -> str:
        self.lives += 1
        lives.release()
        if self.lives == 2:
            raise UpstreamError("It was killed.")
        return "it ended with status 1"

    monkeypatch.setattr(Supervisor, "_one_life", one_life)
    supervisor = Supervisor("small", WorkerSettings("absent.gguf", "absent.sock", ""), first_pause=0.001)
    await supervisor.start()
    for _ in range(3):
        await lives.acquire()
    with contextlib.suppress(asyncio.CancelledError):
        await supervisor.close()
    first, second = caplog.records[:2]
    assert first.getMessage() == second.getMessage() == "A model's process ended"
    assert (first.__dict__["tier"], first.__dict__["reason"]) == ("small", "it ended with status 1")
    assert second.__dict__["reason"] == "It was killed"
    assert second.__dict__["seconds"] == 0.002
