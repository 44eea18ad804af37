"""Tests of requests in service: who may send them, and a bounded number of them run beside the work of the gateway."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from rightsized.core.errors import BusyError, ForbiddenError, InputError, UnsupportedError
from rightsized.core.generation import Caller, Generation, GivenTests, RunResult
from rightsized.core.roles import LOCAL_ADMIN
from rightsized.core.run_tests import RunTestsConfig
from rightsized.engines.testrun.runner import Runner

log = logging.getLogger("rightsized.tests")
KIBIBYTE = 1024
FIELD = "rightsized"  # of a request's body: what is for this server alone
PARAM = f"{FIELD}.tests"


def admit(config: RunTestsConfig, generation: Generation, caller: Caller) -> None:
    """Whether a request may carry the tests that it carries.

    Raises:
        UnsupportedError: none are run here, or not with such a request. ForbiddenError: not by this caller.
        InputError: they are too long.
    """
    tests = generation.tests
    if tests is None:
        return
    if not config.run:
        raise UnsupportedError("Tests of answers are not run here.", fix="Set run = true under [tests].", param=PARAM)
    if generation.operation != "chat":
        raise UnsupportedError(
            "Tests are run of the answers to chats only.", fix="Ask /v1/chat/completions.", param=PARAM
        )
    roles = caller.roles if caller.key else caller.roles or LOCAL_ADMIN.roles
    if not set(roles) & set(config.roles):
        raise ForbiddenError(
            f"Tests may be sent by {', '.join(config.roles) or 'nobody'}; this key is {', '.join(roles) or 'none'}.",
            fix="Leave the tests out, or let the role send them: tests.roles.",
        )
    if len(tests.code.encode("utf-8", "surrogatepass")) > config.max_kb * KIBIBYTE:
        raise InputError(
            f"The tests are longer than {config.max_kb} KiB.", fix="Shorten them, or raise tests.max_kb.", param=PARAM
        )


def as_sent(generation: Generation) -> dict[str, Any]:
    """The body as it came and is kept on record: with the tests, which no model is shown."""
    tests = generation.tests
    return generation.body if tests is None else generation.body | {FIELD: {"tests": tests}}


def taken_apart(body: dict[str, Any]) -> tuple[dict[str, Any], GivenTests | None]:
    """The inverse of `as_sent`: what a model may be shown of a body on record, and the tests."""
    ours = body.get(FIELD)
    if ours is None:
        return body, None
    return {name: value for name, value in body.items() if name != FIELD}, msgspec.convert(ours["tests"], GivenTests)


class RunsInService:
    """Runs tests of answers in threads of its own, each of which waits for two processes."""

    def __init__(self, config: RunTestsConfig) -> None:
        self._config = config
        self._runner = Runner(config)
        self._pool = ThreadPoolExecutor(config.at_once, "tests")
        self._under_way = 0

    async def __call__(self, tests: GivenTests, answer: str) -> RunResult:
        """What they came to. Whoever no longer waits ends the run. Raises BusyError."""
        if self._under_way >= self._config.at_once + self._config.queue:
            raise BusyError("Too many answers wait for their tests to be run.", fix="Raise tests.at_once.")
        self._under_way += 1
        stop = threading.Event()
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._runner.run, tests, answer, stop)
        finally:
            stop.set()
            self._under_way -= 1

    def missing(self) -> str:
        """Why no tests can be run on this machine, in words; empty where they can. Logged once here."""
        why = self._runner.missing()
        if why:
            log.warning("Tests of answers cannot be run here; requests get no result of theirs", extra={"reason": why})
        return why

    def close(self) -> None:
        """Let go of the threads; a run under way ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
