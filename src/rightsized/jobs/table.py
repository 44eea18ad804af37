"""What the disk says about jobs: one folder each, written by the job and by who started it, read by anyone.

    <home>/jobs/<id>/job.json         what it is; written first
                     alive            locked by the starter, then by the child, as long as the job may still act
                     process.json     the child's process id, once it runs
                     progress.jsonl   one line a step: stage, done, total
                     output.txt       what the child printed
                     checkpoint/      the function's own folder
                     result.json      what the function returned
                     verdict.json     why it was stopped, or how its process died; written by the starter
                     outcome.json     how it ended by its own account; the child's last act

A job is over when nobody holds `alive`. Its own outcome then counts most, the verdict next; with neither, its process
vanished and the job failed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from rightsized.core import errors
from rightsized.core.errors import JobError, NotFoundError, RightsizedError
from rightsized.core.types import Frozen
from rightsized.store import atomic
from rightsized.tasks.records import JobStatus

T = TypeVar("T", bound=Frozen)

KEPT_JOBS = 200  # ended jobs whose folders stay
LAST_WORDS_LINES = 5
TAIL_BYTES = 8192
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")


class Job(Frozen, frozen=True):
    """What was asked. `memory_mb` is the limit in megabytes of 10^6 bytes; arguments are not kept."""

    id: str
    kind: str
    entry: str
    created: float
    memory_mb: float | None = None


class Process(Frozen, frozen=True):
    """The child; it leads its own process group."""

    pid: int
    started: float


class Step(Frozen, frozen=True):
    """One line of progress. Steps done of `total` (0: unknown)."""

    stage: str
    done: int
    total: int


class Ending(Frozen, frozen=True):
    """How a job ended: with `error` of class `type` and its `fix` where it did not succeed."""

    state: Literal["done", "failed", "cancelled"]
    ended: float
    error: str = ""
    type: str = "JobError"
    fix: str = ""

    def exception(self) -> RightsizedError:
        """The error to raise for it, of the class the job raised."""
        kind = getattr(errors, self.type, JobError)
        if not (isinstance(kind, type) and issubclass(kind, RightsizedError)):
            kind = JobError
        return kind(self.error, fix=self.fix)


class JobFolder:
    """The files of one job."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"

    @property
    def output(self) -> Path:
        return self.path / "output.txt"

    @property
    def progress(self) -> Path:
        return self.path / "progress.jsonl"

    def write(self, name: str, record: Frozen) -> None:
        """Write a record durably."""
        atomic.write(self.path / name, msgspec.json.encode(record), mode=atomic.PRIVATE)

    def read(self, name: str, kind: type[T]) -> T | None:
        """Read a record; None where it has not been written."""
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None

    def hold(self) -> int:
        """Lock `alive`; a descriptor that keeps it locked until every copy of it is closed."""
        descriptor = os.open(self.path / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def alive(self) -> bool:
        """Whether the job may still act."""
        try:
            descriptor = os.open(self.path / "alive", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def ending(self) -> Ending | None:
        """How it ended; None while it lives."""
        if self.alive():
            return None
        if (found := self.account()) is not None:
            return found
        words = self.last_words()
        said = f" Its last words: {words}" if words else ""
        return Ending("failed", self._last_change(), f"The job's process ended without a result.{said}")

    def account(self) -> Ending | None:
        """How it ended by what is written: the child's own account, else the starter's verdict."""
        return self.read("outcome.json", Ending) or self.read("verdict.json", Ending)

    def last_words(self) -> str:
        """The last lines that the child printed."""
        lines = _tail(self.output).decode("utf-8", "replace").split("\n")
        return "\n".join([line for line in lines if line.strip()][-LAST_WORDS_LINES:])

    def step(self) -> Step:
        """The newest step."""
        for line in reversed(_tail(self.progress).split(b"\n")):
            try:
                return msgspec.json.decode(line, type=Step)
            except msgspec.DecodeError:  # an empty or half-written line
                continue
        return Step("", 0, 0)

    def _last_change(self) -> float:
        return max((file.stat().st_mtime for file in self.path.iterdir()), default=0.0)


class JobTable:
    """The jobs of one home, read from the disk.

    Args:
        root: the folder of all jobs.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._over: dict[str, JobStatus] = {}  # an ended job changes no more

    def folder(self, job_id: str) -> JobFolder:
        """A job's folder. Raises NotFoundError."""
        folder = JobFolder(self.root / job_id)
        if not _ID.fullmatch(job_id) or not (folder.path / "job.json").exists():
            raise NotFoundError(f"There is no job {job_id!r}.", fix="Its folder may have been cleared away.")
        return folder

    def status(self, job_id: str) -> JobStatus:
        """How a job stands. Raises NotFoundError."""
        if job_id in self._over:
            return self._over[job_id]
        folder = self.folder(job_id)
        job = folder.read("job.json", Job)
        assert job is not None
        ending = folder.ending()  # before the step: the newest step of an ended job is its last
        step = folder.step()
        if ending is None:
            running = (folder.path / "process.json").exists()
            return JobStatus(
                job.id, job.kind, "running" if running else "waiting", step.stage, step.done, step.total, job.created
            )
        status = JobStatus(
            job.id,
            job.kind,
            ending.state,
            step.stage,
            step.done,
            step.total,
            job.created,
            ended=ending.ended,
            error=str(ending.exception()) if ending.state == "failed" else ending.error,
            result=str(folder.path / "result.json") if ending.state == "done" else "",
        )
        if folder.account() == ending:  # a process just found dead may still get a verdict that says more
            self._over[job_id] = status
        return status

    def all(self) -> list[JobStatus]:
        """Every job, newest first."""
        if not self.root.exists():
            return []
        names = [path.parent.name for path in self.root.glob("*/job.json")]
        return sorted((self.status(name) for name in names if _ID.fullmatch(name)), key=lambda s: s.created)[::-1]

    def prune(self, keep: int = KEPT_JOBS) -> None:
        """Remove the folders of the oldest ended jobs beyond `keep`."""
        ended = [status for status in self.all() if status.ended is not None]
        for status in ended[keep:]:
            shutil.rmtree(self.root / status.id, ignore_errors=True)
            self._over.pop(status.id, None)


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read()
    except FileNotFoundError:
        return b""
