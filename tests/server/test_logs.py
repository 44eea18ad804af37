"""The server's log: one line an event, fields that are known, and no way for prompts or keys to get in."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from fake_service import FakeService
from live_server import Client, running
from scripted_gateway import ScriptedGateway

from gateway_samples import settings
from rightsized.cascade.promise import Promise
from rightsized.core.config import LogConfig, load
from rightsized.core.errors import ConfigError, UpstreamError
from rightsized.core.generation import Caller, Generation
from rightsized.engines.remote.failures import Speaker, from_status
from rightsized.server.logs import Writer, as_json, as_text, logging_to
from rightsized.tasks.background import Background
from rightsized.tasks.service import LocalService

SECRET = "patient 4711 has measles"
log = logging.getLogger("rightsized.tests")


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def written(work: Any, level: Any = "info") -> list[dict[str, Any]]:
    stream = io.StringIO()
    with logging_to(LogConfig(level, "json"), stream):
        work()
    return lines(stream)


def test_an_event_is_one_line_of_json_with_the_fields_that_are_known() -> None:
    about = {
        "decision": "d1",
        "tier": "small",
        "reason": "away",
        "prompt": SECRET,
        "status": 0,
        "upstream_status": None,
    }
    (line,) = written(lambda: log.warning("A tier failed", extra=about))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning", "logger": "rightsized.tests", "event": "A tier failed", "decision": "d1", "tier": "small",
        "status": 0, "reason": "away",
    }  # fmt: skip


def test_the_same_as_text_for_people() -> None:
    record = log.makeRecord(log.name, logging.WARNING, "", 0, "A tier failed", (), None, extra={"reason": 'no "room"'})
    when, _, rest = as_text(record).partition(" ")
    assert when.endswith("Z")
    assert rest == 'WARNING A tier failed reason="no \\"room\\""'
    assert "\n" not in as_text(record)


def test_the_level_is_a_setting(tmp_path: Path) -> None:
    assert written(lambda: (log.info("quiet"), log.error("loud")), "warning")[0]["event"] == "loud"
    assert load(None, environment={"RIGHTSIZED_LOG_LEVEL": "error"}).log.level == "error"
    with pytest.raises(ConfigError, match="debug, info, warning, error"):
        load(None, environment={"RIGHTSIZED_LOG_LEVEL": "loud"})
    assert not logging.getLogger().handlers or all(not isinstance(h, Writer) for h in logging.getLogger().handlers)


def test_an_exception_leaves_its_class_and_its_place_and_none_of_its_words() -> None:
    def fails() -> None:
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            log.error("Unforeseen", exc_info=error)

    (line,) = written(fails)
    assert (line["exception"], line["event"]) == ("ValueError", "Unforeseen")
    assert "test_logs.py" in line["frames"][-1]
    assert SECRET not in json.dumps(line)


def test_what_other_libraries_say_is_not_repeated() -> None:
    (line,) = written(lambda: logging.getLogger("asyncio").error("Task failed: %r", SECRET))
    assert (line["logger"], line["event"]) == ("asyncio", "asyncio reports an error")


class Stuck(io.StringIO):
    """A stream that takes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.free, self.asked = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        self.free.wait(20)
        return super().write(text)


def test_a_terminal_that_takes_nothing_holds_nobody_up_and_what_was_lost_is_counted() -> None:
    stream = Stuck()
    writer = Writer(stream, as_json, waiting=2)
    log.addHandler(writer)
    try:
        log.error("first")
        assert stream.asked.wait(20)
        for _ in range(5):
            log.error("more")  # two find room
    finally:
        log.removeHandler(writer)
    stream.free.set()
    writer.close()
    events = [(line["event"], line.get("count")) for line in lines(stream)]
    assert events == [
        ("first", None), ("Lines of this log were dropped", 3), ("more", None), ("more", None),
    ]  # fmt: skip


def test_nobody_reading_any_more_is_no_error() -> None:
    stream = io.StringIO()
    stream.close()
    writer = Writer(stream, as_json)
    writer.handle(log.makeRecord(log.name, logging.ERROR, "", 0, "lost", (), None))
    writer.close()


def test_a_server_that_repeats_the_prompt_in_its_refusal_does_not_get_it_into_the_log() -> None:
    body = json.dumps({"error": {"message": f"I do not like {SECRET!r}"}}).encode()
    error = from_status(Speaker("small", lambda words: words), 400, {}, body).error
    assert SECRET in str(error)  # the client wrote it, and may read it
    assert SECRET not in error.own_words
    assert "refused the request (HTTP 400)" in error.own_words


BOTH_DOWN = """
[[tiers]]
name = "small"
engine = "fake"
options = {fail = "out of memory"}
fallback = ["large"]

[[tiers]]
name = "large"
engine = "fake"
tier = 1
options = {fail = "away"}
"""


def test_tiers_that_fail_are_logged_with_the_decision(tmp_path: Path) -> None:
    generation = Generation("chat", {"messages": [{"role": "user", "content": SECRET}]}, "small")
    caught: list[UpstreamError] = []

    async def main() -> None:
        config = settings(tmp_path, BOTH_DOWN)
        async with LocalService(config, purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            with pytest.raises(UpstreamError) as error:
                await service.gateway.generate(generation, Caller(key="k-secret"), "")
            caught.append(error.value)

    found = [line for line in written(lambda: asyncio.run(main())) if line["event"] == "A tier failed"]
    assert [(line["tier"], line["reason"], line["error"]) for line in found] == [
        ("small", "out of memory", "upstream"), ("large", "away", "upstream"),
    ]  # fmt: skip
    assert {line["decision"] for line in found} == {caught[0].decision}
    assert SECRET not in json.dumps(found)
    assert "k-secret" not in json.dumps(found)


def test_a_request_that_fails_is_logged_by_its_route_and_what_clients_mend_is_not() -> None:
    def work() -> None:
        service = FakeService()
        service.gateway = ScriptedGateway()
        with running(service) as client:
            for model in ("fails", "crashes", "nowhere"):
                ask(client, model)

    found = [line for line in written(work) if line["event"] == "A request failed"]
    assert [(line["route"], line["status"], line["error"]) for line in found] == [
        ("/v1/chat/completions", 502, "upstream"), ("/v1/chat/completions", 500, "internal"),
    ]  # fmt: skip


def ask(client: Client, model: str) -> None:
    client.post("/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": SECRET}]})


def test_a_promise_that_ends_is_logged_once() -> None:
    def work() -> None:
        promise = Promise("certified", "sha256:1")
        promise.suspend("too many were wrong")
        promise.suspend("too many were wrong")
        expired = Promise("certified", "sha256:2", expires=1.0, clock=lambda: 2.0)
        expired.count()
        expired.count()

    found = written(work)
    assert [(line["event"], line["certificate"]) for line in found] == [
        ("A promise is suspended", "sha256:1"), ("A promise has ended", "sha256:2"),
    ]  # fmt: skip
    assert found[0]["reason"] == "too many were wrong"


def test_work_in_the_background_that_fails_is_said_once_and_goes_on() -> None:
    async def works() -> None:
        pass

    async def fails(error: Exception) -> None:
        raise error

    async def main() -> None:
        aside = Background()
        for error in (UpstreamError("away"), UpstreamError("away"), ZeroDivisionError(SECRET)):
            await aside.attempt("Looking", fails(error))
        await aside.attempt("Looking", works())
        await aside.attempt("Looking", works())

    found = written(lambda: asyncio.run(main()))
    assert [(line["event"], line.get("reason")) for line in found] == [
        ("Looking failed", "away"), ("Looking failed", "ZeroDivisionError"), ("Looking works again", None),
    ]  # fmt: skip
    assert SECRET not in json.dumps(found)
