"""Starts long work in a child process of this machine, watches its memory, and cancels it.

Jobs go on when their starter ends; any process with the same home sees them in the table. One starter runs so many
at a time, the others wait. What a job does is the function's business, named as `module:function`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import psutil

from rightsized.core.errors import JobError
from rightsized.core.protocols import Progress, no_progress
from rightsized.jobs.child import over_limit
from rightsized.jobs.table import Ending, Job, JobFolder, JobTable, Process, Step
from rightsized.ledger.ids import new_id
from rightsized.store import atomic
from rightsized.store.home import Home
from rightsized.tasks.records import JobStatus

T = TypeVar("T")

GRACE_SECONDS = 5.0  # from the request to stop until the process group is killed
LOOK_SECONDS = 0.1  # between looks at a child's memory and progress
BACKGROUND_NICE = 5  # serving goes first


class LocalJobs:
    """The jobs of one home.

    Args:
        home: the home folder.
        at_once: jobs that this starter runs at the same time.
        nice: how far the children stand back for other processes.
    """

    def __init__(self, home: Home, *, at_once: int = 1, nice: int = BACKGROUND_NICE) -> None:
        self._home = home
        self._table = JobTable(home.jobs)
        self._slots = threading.Semaphore(at_once)
        self._nice = nice
        self._threads: dict[str, threading.Thread] = {}

    def start(
        self,
        kind: str,
        *,
        entry: str,
        arguments: dict[str, Any],
        memory_mb: float | None = None,
        resume: str = "",
    ) -> str:
        """Start a job; returns its id at once.

        Args:
            kind: a word such as `fit`, part of the id.
            entry: `module:function`, called as `function(arguments, context)`; what it returns is kept as JSON.
            arguments: anything JSON can hold. Handed over by pipe, never written to disk.
            memory_mb: the child and its children are killed above this (megabytes of 10^6 bytes, resident).
            resume: id of an ended job whose checkpoint folder the new one takes over.
        Raises:
            NotFoundError: no such job to resume. JobError: it has not ended. DiskFullError, StoreError.
        """
        data = msgspec.json.encode(arguments)
        job = Job(f"{kind}-{new_id()}", kind, entry, time.time(), memory_mb)
        earlier = self._ended(resume) if resume else None
        self._home.ensure()
        folder = JobFolder(self._home.jobs / job.id)
        with contextlib.ExitStack() as undo, atomic.disk_errors(folder.path):
            undo.callback(shutil.rmtree, folder.path, ignore_errors=True)
            folder.path.mkdir(parents=True)
            lock = folder.hold()  # before the job can be seen
            undo.callback(os.close, lock)
            folder.write("job.json", job)
            if earlier is not None and earlier.checkpoint.exists():
                earlier.checkpoint.rename(folder.checkpoint)  # last: what fails before it loses no checkpoint
            folder.checkpoint.mkdir(exist_ok=True)
            undo.pop_all()
        self._table.prune()
        watch = _Watch(job, folder, lock, self._nice)
        thread = threading.Thread(target=self._work, args=(watch, data), name=f"job-{job.id}", daemon=True)
        self._threads[job.id] = thread
        thread.start()
        return job.id

    def _work(self, watch: _Watch, data: bytes) -> None:
        with self._slots:
            watch.run(data)

    def all(self) -> list[JobStatus]:
        """Every job of this home, newest first."""
        return self._table.all()

    def status(self, job_id: str) -> JobStatus:
        """How a job stands. Raises NotFoundError."""
        return self._table.status(job_id)

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop, started here or elsewhere; its processes are killed if it does not within seconds.

        Raises NotFoundError (no such job), JobError (it had already ended).
        """
        folder = self._table.folder(job_id)
        if not folder.alive():
            raise JobError(f"Job {job_id} had already ended; there is nothing to cancel.")
        folder.write("verdict.json", Ending("cancelled", time.time(), "The job was cancelled."))
        process = folder.read("process.json", Process)
        if process is not None and folder.alive():
            _signal(process.pid, signal.SIGTERM)
            threading.Thread(target=_kill_later, args=(folder, process.pid), daemon=True).start()

    def wait(self, job_id: str, timeout: float | None = None) -> JobStatus:
        """Wait until a job has ended, at most `timeout` seconds; returns how it stands then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if job_id in self._threads:
            self._threads[job_id].join(timeout)
        while (status := self.status(job_id)).ended is None and (deadline is None or time.monotonic() < deadline):
            time.sleep(LOOK_SECONDS)
        return status

    def result(self, job_id: str, kind: type[T]) -> T:
        """What a job's function returned. Raises the error that ended it, JobError while it runs, NotFoundError."""
        folder = self._ended(job_id)
        ending = folder.ending()
        assert ending is not None
        if ending.state != "done":
            raise ending.exception()
        return msgspec.json.decode((folder.path / "result.json").read_bytes(), type=kind)

    def steps(self, job_id: str) -> Iterator[Step]:
        """Steps of progress as they come, until the job has ended."""
        folder = self._table.folder(job_id)
        position, over = 0, False
        while not over:
            over = not folder.alive()  # before reading: what was written last is read once more
            if folder.progress.exists():
                with folder.progress.open("rb") as file:
                    file.seek(position)
                    for line in iter(file.readline, b""):
                        if line.endswith(b"\n"):
                            position += len(line)
                            yield msgspec.json.decode(line, type=Step)
            if not over:
                time.sleep(LOOK_SECONDS)

    def _ended(self, job_id: str) -> JobFolder:
        folder = self._table.folder(job_id)
        if folder.alive():
            raise JobError(f"Job {job_id} has not ended yet.")
        return folder


def run_in_child(
    home: Home,
    kind: str,
    *,
    entry: str,
    arguments: dict[str, Any],
    result_type: type[T],
    progress: Progress = no_progress,
    memory_mb: float | None = None,
) -> T:
    """Run one job and wait for what it returns; shows progress meanwhile, and stops the job if interrupted.

    Raises the error that the job raised, with its class and its fix; JobError where its process died.
    """
    jobs = LocalJobs(home, nice=0)
    job_id = jobs.start(kind, entry=entry, arguments=arguments, memory_mb=memory_mb)
    try:
        for step in jobs.steps(job_id):
            progress(step.stage, step.done, step.total)
    except BaseException:
        if jobs.status(job_id).ended is None:
            jobs.cancel(job_id)
            jobs.wait(job_id, GRACE_SECONDS + 1)
        raise
    jobs.wait(job_id)
    return jobs.result(job_id, result_type)


class _Watch:
    """One child from start to end, in a thread of the starter."""

    def __init__(self, job: Job, folder: JobFolder, lock: int, nice: int) -> None:
        self._job = job
        self._folder = folder
        self._lock = lock
        self._nice = nice

    def run(self, data: bytes) -> None:
        if self._folder.read("verdict.json", Ending) is not None:  # cancelled while it waited
            os.close(self._lock)
            return
        try:
            child = self._spawn()
        finally:
            os.close(self._lock)  # the child holds its own copy
        if child.stdin is not None:
            try:
                child.stdin.write(data)
                child.stdin.close()
            except BrokenPipeError:
                pass  # it died; the wait below says how
        self._watch(child)

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "rightsized.jobs.child", str(self._folder.path), str(self._lock)]
        with self._folder.output.open("wb") as output:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=(self._lock,),
            )
        if self._nice:
            os.setpriority(os.PRIO_PROCESS, child.pid, self._nice)
        return child

    def _watch(self, child: subprocess.Popen[bytes]) -> None:
        while True:
            try:
                status = child.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                self._check_memory(child.pid)
                continue
            if status < 0 and self._folder.read("verdict.json", Ending) is None:
                self._folder.write("verdict.json", self._killed(-status))
            return

    def _check_memory(self, pid: int) -> None:
        limit = self._job.memory_mb
        if limit is None or resident_mb(pid) <= limit:
            return
        message, kind, fix = over_limit(self._job)
        self._folder.write("verdict.json", Ending("failed", time.time(), message, kind, fix))
        _signal(pid, signal.SIGKILL)

    def _killed(self, number: int) -> Ending:
        name = signal.Signals(number).name
        hint = " (the machine may be out of memory)" if number == signal.SIGKILL else ""
        words = self._folder.last_words()
        said = f" Its last words: {words}" if words else ""
        message = f"The {self._job.kind} job's process was ended by {name}{hint}.{said}"
        return Ending("failed", time.time(), message, fix=f"What it printed is in {self._folder.output}.")


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, megabytes of 10^6 bytes; 0 once it is gone."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return  # gone already


def _kill_later(folder: JobFolder, group: int) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    while folder.alive():
        if time.monotonic() > deadline:
            _signal(group, signal.SIGKILL)
            return
        time.sleep(LOOK_SECONDS)
