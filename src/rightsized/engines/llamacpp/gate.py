"""Who may ask the model now, and who waits: as many as it has slots, and a bounded queue behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rightsized.core.errors import BusyError, UpstreamTimeoutError


class Gate:
    """Lets `slots` through at a time, keeps up to `queue` waiting, refuses more."""

    def __init__(self, name: str, slots: int, queue: int) -> None:
        self._name = name
        self._slots, self._queue = slots, queue
        self._free = asyncio.Semaphore(slots)
        self.inside = 0
        self.waiting = 0

    def check(self, count: int) -> None:
        """Raise BusyError unless a request of so many parts can be taken on now. One of many parts may fill it all."""
        taken = self.inside + self.waiting
        if taken and taken + count > self._slots + self._queue:
            raise BusyError(
                f"Tier {self._name!r} works on {self.inside} requests and {self.waiting} wait.",
                fix="Try again later, or raise `queue` of the tier.",
            )

    @asynccontextmanager
    async def enter(self, seconds: float) -> AsyncIterator[None]:
        """A place among those who ask. Raises UpstreamTimeoutError where none came free in time."""
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise UpstreamTimeoutError(f"Tier {self._name!r} had no place free in time.") from None
        finally:
            self.waiting -= 1
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._free.release()
