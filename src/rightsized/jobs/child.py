"""The child process of a job: reads its arguments from standard input, calls the function, writes how it ended.

Started as `python -P -m rightsized.jobs.child FOLDER DESCRIPTOR` in a process group of its own. It holds the job's lock
by the inherited descriptor for as long as it lives. It asks nothing of its parent and outlives it.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from rightsized.core.egress import Egress
from rightsized.core.errors import JobError, RightsizedError
from rightsized.jobs.table import Ending, Job, JobFolder, Process, Step
from rightsized.store import atomic

STEP_SECONDS = 0.05  # steps of one stage are written at most this often
BACKSTOP = 2  # times the memory limit at which allocation itself fails, should the watching parent be gone


class JobCancelledError(JobError):
    """Raised by `JobContext.progress` once the job was asked to stop."""


class JobContext:
    """What a job's function may use.

    `checkpoint` is a folder that survives a failure; it is removed after success. `cancelled` turns True when the job
    is asked to stop: end soon, or be killed.
    """

    def __init__(self, folder: JobFolder) -> None:
        self.checkpoint: Path = folder.checkpoint
        self._file = os.open(folder.progress, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._cancel = threading.Event()
        self._last = ("", 0.0)

    @property
    def cancelled(self) -> bool:
        """Whether the job was asked to stop."""
        return self._cancel.is_set()

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far the work is; `total` 0 means unknown. Raises JobCancelledError once the job was asked to stop."""
        self.raise_if_cancelled()
        now = time.monotonic()
        if (stage, done) != (self._last[0], total) and stage == self._last[0] and now - self._last[1] < STEP_SECONDS:
            return
        self._last = (stage, now)
        os.write(self._file, msgspec.json.encode(Step(stage, done, total)) + b"\n")

    def raise_if_cancelled(self) -> None:
        """Raise JobCancelledError once the job was asked to stop."""
        if self._cancel.is_set():
            raise JobCancelledError("The job was cancelled.")

    def cancel(self, *_: object) -> None:
        """Ask the function to stop (the handler of SIGTERM)."""
        self._cancel.set()


def run(folder: JobFolder) -> Ending:
    """Do the work of the job in `folder`; returns how it ended, after writing that down."""
    job = folder.read("job.json", Job)
    assert job is not None
    context = JobContext(folder)
    signal.signal(signal.SIGTERM, context.cancel)
    folder.write("process.json", Process(os.getpid(), time.time()))
    if folder.read("verdict.json", Ending) is not None:  # cancelled before there was a process to signal
        context.cancel()
    _limit(job.memory_mb)
    arguments: dict[str, Any] = msgspec.json.decode(sys.stdin.buffer.read())
    ending = _call(job, arguments, context, folder)
    if ending.state == "done":
        shutil.rmtree(folder.checkpoint, ignore_errors=True)
    folder.write("outcome.json", ending)
    return ending


def _call(job: Job, arguments: dict[str, Any], context: JobContext, folder: JobFolder) -> Ending:
    try:
        context.raise_if_cancelled()
        result = entry(job.entry)(arguments, context)
        atomic.write(folder.path / "result.json", msgspec.json.encode(result), mode=atomic.PRIVATE)
    except JobCancelledError as error:
        return Ending("cancelled", time.time(), error.message)
    except RightsizedError as error:
        return Ending("failed", time.time(), error.message, type(error).__name__, error.fix)
    except MemoryError:
        return Ending("failed", time.time(), *over_limit(job))
    except Exception as error:  # noqa: BLE001 - the boundary of the process: whatever it was, the table must say so
        traceback.print_exc()
        fix = f"The full account is in {folder.output}."
        return Ending("failed", time.time(), f"The {job.kind} job broke: {type(error).__name__}: {error}", fix=fix)
    return Ending("done", time.time())


def over_limit(job: Job) -> tuple[str, str, str]:
    """Message, error class and fix for a job that took more memory than it may."""
    limit = "what this machine could give" if job.memory_mb is None else f"its limit of {job.memory_mb:g} MB"
    fix = "Raise the memory limit, or give it less data."
    return f"The {job.kind} job needed more memory than {limit} and was stopped.", "JobError", fix


def entry(name: str) -> Callable[[dict[str, Any], JobContext], object]:
    """The function named `module:function`. Raises JobError."""
    module, _, function = name.partition(":")
    try:
        found: Callable[[dict[str, Any], JobContext], object] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise JobError(f"A job cannot run {name!r}: {error}.", fix="Name it as module:function.") from None
    return found


def _limit(memory_mb: float | None) -> None:
    if memory_mb is not None and sys.platform == "linux":
        most = int(memory_mb * 1e6 * BACKSTOP)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def main() -> int:
    """Entry of the process; exit status 0 only for a job that is done."""
    Egress().watch()  # a job fetches nothing
    folder, descriptor = JobFolder(Path(sys.argv[1])), int(sys.argv[2])
    os.set_inheritable(descriptor, False)
    return 0 if run(folder).state == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
