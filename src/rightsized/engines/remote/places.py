"""A bounded number of requests at a time, and a bounded number that wait for their turn, first come first served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rightsized.core.errors import BusyError


class Places:
    """Places at one server.

    Args:
        name: of the tier, for messages.
        concurrent: requests at a time.
        queue: requests that may wait.
    """

    def __init__(self, name: str, concurrent: int, queue: int) -> None:
        self._name, self._concurrent, self._queue = name, concurrent, queue
        self._free = asyncio.Semaphore(concurrent)
        self.taken = 0
        self.waiting = 0

    @asynccontextmanager
    async def one(self, patience: float) -> AsyncIterator[None]:
        """Hold a place. Raises BusyError where too many wait already, or none is free within `patience` seconds."""
        if self._free.locked() and self.waiting >= self._queue:
            raise BusyError(
                f"{self._concurrent} requests are with the tier {self._name!r} and {self.waiting} wait.",
                fix="Try again soon; concurrent and queue of the tier set these limits.",
            )
        if self._free.locked():
            await self._wait(patience)
        else:
            await self._free.acquire()  # does not wait
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._free.release()

    async def _wait(self, patience: float) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout(patience):
                await self._free.acquire()
        except TimeoutError:
            raise BusyError(f"No place at the tier {self._name!r} became free within {patience:.3g} s.") from None
        finally:
            self.waiting -= 1
