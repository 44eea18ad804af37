"""Starts both enclosed processes, tells them what to run once they are enclosed, waits, kills, and reads the verdict.

Nothing is ever run outside an enclosure: where the machine does not offer one, the outcome is `not-run`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from rightsized.core.generation import GivenTests, RunResult
from rightsized.core.run_tests import RunTestsConfig
from rightsized.engines.signals.form import python_code
from rightsized.engines.testrun.enclosed import ENTRY, READY
from rightsized.engines.testrun.judge import REASONS

ROOT = str(Path(__file__).parents[3])  # the folder that holds this package
START_SECONDS = 20.0  # until both must be enclosed, on a busy machine
END_SECONDS = 5.0  # that a process which was told to end may take
MOST_SAID = 2000  # bytes that a verdict has at most
KILLED = (128 + 9, 128 + 24)  # exit codes of a process that the kernel ended for its processor time
DISK_BYTES = 16 << 20  # of the writable place
MEBIBYTE = 1 << 20
HARNESS = "1"  # raised where the same tests may come to something else of the same answer
BY_KERNEL = "ended by the kernel, for its processor time or memory"
Outcome = Literal["passed", "failed", "timeout", "not-run"]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Verdict = tuple[Outcome, str, Count, Count]  # as the process that judges says it: reason, tests that ended, line


class Runner:
    """Runs tests. May be used by several threads; how many at a time is up to whoever uses it."""

    def __init__(self, config: RunTestsConfig) -> None:
        self._config = config

    def run(self, tests: GivenTests, answer: str, stop: threading.Event | None = None) -> RunResult:
        """What the tests come to against the code of an answer. Set `stop` to end the run early."""
        return self.run_code(tests, python_code(answer), stop)

    def run_code(self, tests: GivenTests, code: str, stop: threading.Event | None = None) -> RunResult:
        """As `run`, of code that stands by itself."""
        found = RunResult("failed", "the answer holds no code", tests=digest(tests.code))
        if not code.strip():
            return found
        began = time.monotonic()
        outcome, reason, ran, line = self._run(tests.code, code, stop or threading.Event())
        seconds = round(time.monotonic() - began, 3)
        return RunResult(outcome, reason, ran, line, digest(tests.code), digest(code), seconds)

    def missing(self) -> str:
        """Why no tests can be run on this machine, in words; empty where they can."""
        found = self.run(GivenTests("assert one() == 1"), "def one():\n    return 1\n")
        return "" if found.outcome == "passed" else found.reason or found.outcome

    def _run(self, tests: str, code: str, stop: threading.Event) -> Verdict:
        to_judge, from_answer = os.pipe()
        to_answer, from_judge = os.pipe()
        started: list[Enclosed] = []
        try:
            started.append(Enclosed("judge", self._config, (to_judge, from_judge)))
            started.append(Enclosed("answering", self._config, (to_answer, from_answer)))
        except OSError as error:
            _end(started)
            return "not-run", f"no process can be started ({error.strerror})", 0, 0
        finally:
            for descriptor in (to_judge, from_answer, to_answer, from_judge):
                os.close(descriptor)
        try:
            return self._told(started, (tests, code), stop)
        finally:
            _end(started)

    def _told(self, started: list[Enclosed], told: tuple[str, str], stop: threading.Event) -> Verdict:
        judge, answering = started
        for one in started:
            line = one.until_line(time.monotonic() + START_SECONDS, stop)
            if line != READY:
                why = line.decode("utf-8", "replace").strip().removeprefix("refused ")
                return "not-run", f"it cannot be isolated: {why or 'a process did not start'}", 0, 0
        for one, text in zip(started, told, strict=True):
            one.tell(text)
        verdict = judge.until_end(time.monotonic() + self._config.seconds, stop)
        if verdict is None:
            return "timeout", f"not done in {self._config.seconds:g} s", 0, 0
        try:
            outcome, reason, ran, line = msgspec.json.decode(verdict, type=Verdict)
            said = reason if reason in REASONS else "the tests said something else"  # their words are nobody's of ours
        except msgspec.DecodeError:
            if len(verdict) < MOST_SAID and judge.exit_code() in KILLED:
                return "timeout", BY_KERNEL, 0, 0
            return "failed", "the tests ended their process", 0, 0
        if outcome == "failed" and answering.exit_code() in KILLED:
            return "timeout", BY_KERNEL, ran, 0
        return outcome, said, ran, line


class Enclosed:
    """One process that encloses itself. Raises OSError where none can be started."""

    def __init__(self, role: str, config: RunTestsConfig, line: tuple[int, ...]) -> None:
        bounds = [str(int(config.seconds) + 1), str(int(config.memory_mb * MEBIBYTE)), str(DISK_BYTES)]
        self._child = subprocess.Popen(  # noqa: S603 - no shell; the arguments are this program's own
            [sys.executable, "-I", "-S", "-B", "-c", ENTRY, ROOT, role, str(os.getpid()), *bounds, *map(str, line)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=line,
            start_new_session=True,
            bufsize=0,
            env={},
        )

    def tell(self, text: str) -> None:
        """Hand over what is to be run, and nothing more."""
        stdin = self._child.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):
            view = memoryview(text.encode("utf-8", "surrogatepass"))
            while view:
                view = view[stdin.write(view) or 0 :]
        with contextlib.suppress(BrokenPipeError):
            stdin.close()

    def until_line(self, deadline: float, stop: threading.Event) -> bytes:
        """What it says first; empty where it ends or is late."""
        data = b""
        while not data.endswith(b"\n") and len(data) < MOST_SAID:
            chunk = self._read(1, deadline, stop)
            if not chunk:
                return data
            data += chunk
        return data

    def until_end(self, deadline: float, stop: threading.Event) -> bytes | None:
        """All that it says; None where it is late."""
        data = b""
        while len(data) < MOST_SAID:
            chunk = self._read(MOST_SAID - len(data), deadline, stop)
            if chunk is None:
                return None
            if not chunk:
                break
            data += chunk
        return data

    def exit_code(self) -> int:
        """Of a process that has ended or is about to."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._child.wait(END_SECONDS)
        return 0

    def end(self) -> None:
        """End it and all that it started; it waits for its child, so that no dead process is left behind."""
        self._child.terminate()
        try:
            self._child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _read(self, most: int, deadline: float, stop: threading.Event) -> bytes | None:
        assert self._child.stdout is not None
        poll = select.poll()
        poll.register(self._child.stdout, select.POLLIN)
        while not poll.poll(_LOOK_MS):
            if time.monotonic() > deadline or stop.is_set():
                return None
        return os.read(self._child.stdout.fileno(), most)


_LOOK_MS = 50  # between looks at the clock


def identity(config: RunTestsConfig) -> tuple[object, ...]:
    """What the outcome of tests depends on beside them and the answer."""
    return (HARNESS, platform.python_version(), config.rule, config.seconds, config.memory_mb)


def _end(started: list[Enclosed]) -> None:
    for one in started:
        one.end()


def digest(text: str) -> str:
    """`sha256:...` of a text."""
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
