"""A bounded pool of threads for model calls, with one result for identical texts in flight or just done.

Knows nothing of models: it runs one function of one text. Each thread does a text from end to end, so an event
loop pays for one hand-over there and one back. While more texts wait, results are handed back a few at a time: waking
the loop, and what it does then, costs several times as much right after a model call has emptied the caches.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from rightsized.core.errors import BusyError

T = TypeVar("T")

HELD = 4  # results handed back together at most
HELD_SECONDS = 0.005  # the longest that a result is held before the next text is begun
KEPT_CHARS = 20_000  # the result of a longer text is not kept
HELD_CHARS = 1_000  # a longer text is not begun while results are held


class _Work(Generic[T]):
    """One text, and everyone who waits for it."""

    __slots__ = ("error", "result", "text", "waiters")

    def __init__(self, text: str) -> None:
        self.text = text
        self.waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[T]]] = []
        self.result: T | None = None
        self.error: BaseException | None = None


class Pool(Generic[T]):
    """Runs `function(text)` in `threads` threads; at most `queue` texts wait for one. `kept`: so many of the
    latest results are at hand, so that tasks of one message share a call also where one of them asks later."""

    def __init__(self, function: Callable[[str], T], *, threads: int, queue: int, name: str, kept: int = 0) -> None:
        self._function = function
        self._threads = threads
        self._limit = queue
        self._name = name
        self._waiting: deque[_Work[T]] = deque()
        self._in_flight: dict[str, _Work[T]] = {}
        self._lock = threading.Lock()
        self._ready = threading.Semaphore(0)
        self._workers: list[threading.Thread] = []
        self._closed = False
        self._kept, self._done = kept, OrderedDict[str, T]()

    @property
    def waiting(self) -> int:
        """Texts that wait for a thread now."""
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Texts taken and not answered yet, those that wait included."""
        return len(self._in_flight)

    async def submit(self, text: str) -> T:
        """The function's value for `text`: of the call that is under way for it, or just made, where there is one.

        Raises:
            BusyError: too many texts wait, or the pool is closed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._lock:
            kept = self._done.get(text)
            if kept is not None and not self._closed:
                return kept
            work = self._in_flight.get(text)
            if work is None:
                work = self._enqueue(text)
            work.waiters.append((loop, future))
        return await future

    def lately(self, text: str) -> T | None:
        """The function's value for `text` where it is among the latest results; None else. Computes nothing."""
        with self._lock:
            return self._done.get(text)

    def close(self) -> None:
        """Take no more texts, finish those taken, and end the threads."""
        with self._lock:
            self._closed = True
            workers, self._workers = self._workers, []
        for _ in workers:
            self._ready.release()
        for worker in workers:
            worker.join()

    def _enqueue(self, text: str) -> _Work[T]:
        if self._closed:
            raise BusyError("This model is shutting down and takes no more texts.")
        if len(self._waiting) >= self._limit:
            raise BusyError(
                f"{len(self._waiting)} texts already wait for {self._name}, the most allowed.",
                fix="Try again shortly, or raise [engine] queue.",
            )
        work = self._in_flight[text] = _Work[T](text)
        self._waiting.append(work)
        if len(self._workers) < self._threads:
            worker = threading.Thread(target=self._serve, name=f"{self._name}-{len(self._workers)}", daemon=True)
            self._workers.append(worker)
            worker.start()
        self._ready.release()
        return work

    def _serve(self) -> None:
        done: list[_Work[T]] = []
        since = 0.0
        while True:
            if not (self._may_hold(done, since) and self._ready.acquire(blocking=False)):
                _hand_back(done)  # before this thread may have to wait
                done = []
                self._ready.acquire()
            with self._lock:
                if not self._waiting:
                    break  # woken to end: `close` releases once a worker
                work = self._waiting.popleft()
                if all(future.cancelled() for _, future in work.waiters):
                    del self._in_flight[work.text]  # everyone left; the model is spared
                    continue
            self._run(work)
            since = since if done else time.monotonic()
            done.append(work)
        _hand_back(done)

    def _may_hold(self, done: list[_Work[T]], since: float) -> bool:
        """Whether these results may wait for the next one: soon, and surely to come."""
        if not 0 < len(done) < HELD or time.monotonic() - since > HELD_SECONDS:
            return False
        with self._lock:
            return bool(self._waiting) and len(self._waiting[0].text) <= HELD_CHARS

    def _run(self, work: _Work[T]) -> None:
        try:
            work.result = self._function(work.text)
        except BaseException as error:  # noqa: BLE001 - a thread's boundary: the error belongs to those who wait
            work.error = error
        with self._lock:
            del self._in_flight[work.text]  # from here on nobody joins
            if self._kept and work.result is not None and len(work.text) <= KEPT_CHARS:
                self._done[work.text] = work.result
                while len(self._done) > self._kept:
                    self._done.popitem(last=False)


def _hand_back(done: list[_Work[T]]) -> None:
    """Tell everyone who waits for these, each event loop once."""
    for loop in {id(loop): loop for work in done for loop, _ in work.waiters}.values():
        try:
            loop.call_soon_threadsafe(_deliver, done, loop)
        except RuntimeError:
            continue  # that loop is closed: nobody is left to tell


def _deliver(done: list[_Work[T]], loop: asyncio.AbstractEventLoop) -> None:
    for work in done:
        for owner, future in work.waiters:
            if owner is not loop or future.done():
                continue
            if work.error is not None:
                future.set_exception(work.error)
            else:
                future.set_result(work.result)  # type: ignore[arg-type]  # set: there is no error
