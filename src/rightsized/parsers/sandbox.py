"""Reads documents in processes that can be killed: a pool of warm workers, one document at a time each.

What a document does to its worker is that document's failure and nobody else's: the worker is replaced. The process
that asks imports no parser.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rightsized.core.errors import DocumentError
from rightsized.parsers.limits import Limits
from rightsized.parsers.process import WorkerGoneError, WorkerProcess
from rightsized.parsers.types import Parsed
from rightsized.parsers.wire import Answer, Failure, Page, PageImage, Success

WORN = 500  # documents after which a worker is replaced: libraries leak
FULL = 0.5  # of the memory limit that a worker may still hold between two documents
MOST_WORKERS = 4


class Pool:
    """Up to `size` workers, started when they are first needed. May be used by several threads.

    Args:
        size: documents read at the same time; more callers wait.
    """

    def __init__(self, size: int = 0, start: Callable[[], WorkerProcess] = WorkerProcess) -> None:
        self._places = threading.BoundedSemaphore(size or max(1, min(MOST_WORKERS, os.cpu_count() or 1)))
        self._start = start
        self._idle: list[WorkerProcess] = []
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, path: Path, name: str, *, limits: Limits | None = None) -> Success:
        """What a document holds and which media type it is.

        Raises:
            DocumentError: with the reason. StoreError: no worker can be started.
        """
        answer = self._ask(path, name, limits or Limits(), None)
        if not isinstance(answer, Success):
            raise _failed(answer, name)
        return answer

    def draw(self, path: Path, name: str, page: Page, *, limits: Limits | None = None) -> PageImage:
        """A page of a PDF as a picture. Raises as `read` does."""
        answer = self._ask(path, name, limits or Limits(), page)
        if not isinstance(answer, PageImage):
            raise _failed(answer, name)
        return answer

    def parse(self, path: Path, name: str, *, limits: Limits | None = None) -> Parsed:
        """What a document holds. Raises as `read` does."""
        return self.read(path, name, limits=limits).parsed

    def close(self) -> None:
        """End all workers; those at work end with their document."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for worker in idle:
            worker.close()

    def _ask(self, path: Path, name: str, limits: Limits, page: Page | None) -> Answer:
        with self._places:
            try:
                return self._asked(self._take(), path, name, limits, page)
            except WorkerGoneError:
                return self._asked(self._start(), path, name, limits, page)

    def _asked(self, worker: WorkerProcess, path: Path, name: str, limits: Limits, page: Page | None) -> Answer:
        try:
            answer = worker.ask(path, name, limits, page)
        except BaseException:
            worker.close()
            raise
        self._give_back(worker, limits)
        return answer

    def _take(self) -> WorkerProcess:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    return worker
                worker.close()
            self._closed = False
        return self._start()

    def _give_back(self, worker: WorkerProcess, limits: Limits) -> None:
        worn = worker.documents >= WORN or worker.resident > FULL * limits.memory_mb * 1e6
        with self._lock:
            if worker.alive and not worn and not self._closed:
                self._idle.append(worker)
                return
        worker.close()


def _failed(answer: Answer, name: str) -> DocumentError:
    if isinstance(answer, Failure):
        return DocumentError(answer.message, reason=answer.reason, fix=answer.fix)
    return DocumentError(f"Reading {name} gave no answer.", reason="crash")


_shared = Pool()
atexit.register(_shared.close)


def parse(path: Path, name: str, *, limits: Limits | None = None) -> Parsed:
    """Read one document in the pool that this process shares.

    Args:
        path: the file. name: what it was called; its ending counts only where the content does not tell.
    Raises:
        DocumentError: with a reason code. StoreError: no process can be started.
    """
    return _shared.parse(path, name, limits=limits)


def draw(path: Path, name: str, page: Page) -> PageImage:
    """A page of a PDF as a picture, made in the pool that this process shares. Raises as `parse` does."""
    return _shared.draw(path, name, page)
