"""Keeps one worker running: starts it, notices its end, waits a little longer each time, starts it again.

Requests ask `address()` and are told at once, in words, when there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from typing import NamedTuple

import msgspec
import psutil

from rightsized.core.errors import UpstreamError
from rightsized.core.generation import LOADING
from rightsized.engines.llamacpp.process import WorkerProcess
from rightsized.engines.llamacpp.wire import WorkerSettings

log = logging.getLogger("rightsized.tiers")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds between the end of one life and the next; doubles in between
HEALTHY_SECONDS = 60.0  # a life this long starts the pauses over
LOOK_SECONDS = 0.5  # between looks at its memory


class Address(NamedTuple):
    """Where a ready worker is: its socket and the key that it asks for."""

    socket: str
    key: str
    pid: int


class Supervisor:
    """The lives of one model's worker.

    Args:
        memory_mb: resident megabytes (10^6 bytes) above which it is killed; None sets no limit.
        first_pause: seconds before the second life.
    """

    def __init__(
        self, name: str, settings: WorkerSettings, *, memory_mb: float | None = None, first_pause: float = FIRST_PAUSE
    ) -> None:
        self._name = name
        self._settings = settings
        self._memory_mb = memory_mb
        self._first_pause = first_pause
        self._task: asyncio.Task[None] | None = None
        self._worker: WorkerProcess | None = None
        self._address: Address | None = None
        self._changed = asyncio.Event()
        self._resting = False  # between two lives
        self.detail = "not started"
        self.lives = 0

    @property
    def ready(self) -> bool:
        return self._address is not None

    @property
    def process_id(self) -> int:
        """Of the life that is ready now; 0 where there is none."""
        return self._address.pid if self._address else 0

    async def start(self) -> None:
        """Begin the first life; returns at once, while the model loads."""
        if self._task is None:
            self.detail = LOADING
            self._task = asyncio.create_task(self._live(), name=f"llamacpp-{self._name}")

    async def close(self) -> None:
        """End the worker and stay ended."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._down("closed", resting=True)

    async def address(self) -> Address:
        """The worker's address, waiting while the model loads. Raises UpstreamError where the last life has failed."""
        if self._task is None:
            raise UpstreamError(f"The model of tier {self._name!r} is not running: {self.detail}.")
        while self._address is None:
            if self._resting:
                raise self.failure()
            self._changed.clear()
            await self._changed.wait()
        return self._address

    def failure(self) -> UpstreamError:
        """What to tell a request that the worker could not answer."""
        return UpstreamError(f"The model of tier {self._name!r} is not running: {self.detail}.")

    def restart(self, why: str) -> None:
        """End a life that no longer answers; the next begins after a pause."""
        if self._worker is not None:
            self._worker.kill(why)

    async def ended(self, life: Address) -> None:
        """Wait until that life is known to be over, so that `failure()` says why."""
        while self._address == life:
            self._changed.clear()
            await self._changed.wait()

    async def _live(self) -> None:
        pause = self._first_pause
        while True:
            began = time.monotonic()
            self._resting, self.detail = False, LOADING
            try:
                why = await self._one_life()
            except UpstreamError as error:
                why = error.message.rstrip(".")
            pause = self._first_pause if time.monotonic() - began > HEALTHY_SECONDS else pause
            log.warning("A model's process ended", extra={"tier": self._name, "reason": why, "seconds": pause})
            self._down(f"{why}; it starts again in {pause:.3g} s", resting=True)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _one_life(self) -> str:
        self.lives += 1
        settings = msgspec.structs.replace(self._settings, key=secrets.token_urlsafe(24))
        self._worker = worker = await WorkerProcess.spawn(settings)
        watch = asyncio.create_task(self._watch_memory(worker))
        try:
            await worker.ready()
            self._address = Address(worker.socket, settings.key, worker.pid)
            self.detail = ""
            log.info("A model is loaded", extra={"tier": self._name, "count": self.lives})
            self._changed.set()
            return await worker.wait()
        finally:
            watch.cancel()
            self._worker = None
            await worker.close()

    async def _watch_memory(self, worker: WorkerProcess) -> None:
        while self._memory_mb is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                used = psutil.Process(worker.pid).memory_info().rss / 1e6
                if used > self._memory_mb:
                    worker.kill(f"it took {used:.0f} MB of memory, its limit is {self._memory_mb:g} MB")
                    return
            await asyncio.sleep(LOOK_SECONDS)

    def _down(self, detail: str, *, resting: bool) -> None:
        self._address, self._resting, self.detail = None, resting, detail
        self._changed.set()
