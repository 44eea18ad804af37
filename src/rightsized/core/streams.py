"""Care for asynchronous streams: closing them for certain, and one deadline over all their pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class closing(Generic[T]):  # noqa: N801 - reads as a statement, like contextlib.aclosing
    """Closes a stream at the end of the block, whatever ends it, so that the work behind it stops."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: AsyncIterator[T]) -> None:
        self._pieces = pieces

    async def __aenter__(self) -> AsyncIterator[T]:
        return self._pieces

    async def __aexit__(self, *error: object) -> None:
        if isinstance(self._pieces, AsyncGenerator):
            await self._pieces.aclose()


class _Timer:
    """Cancels a task that waits past a deadline; one that does something else is let be."""

    def __init__(self, deadline: float) -> None:
        self._task = asyncio.current_task()
        self.late = self.waiting = False
        loop = asyncio.get_running_loop()
        self._handle = loop.call_at(deadline, self._expire) if deadline < float("inf") else None

    def _expire(self) -> None:
        self.late = True
        if self.waiting and self._task is not None:
            self._task.cancel()

    def ours(self) -> bool:
        """Whether a cancellation just caught was this timer's alone; it is taken back then."""
        return self.late and self._task is not None and self._task.uncancel() == 0

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


async def until(
    deadline: float, pieces: AsyncIterator[T], late: Callable[[], Exception] = TimeoutError
) -> AsyncGenerator[T, None]:
    """The pieces, as long as they come before `deadline`, on the clock of the event loop (`time.monotonic()`).

    One timer for the whole stream; what the reader does between two pieces is never cut off.
    Raises what `late` makes.
    """
    timer = _Timer(deadline)
    try:
        async with closing(pieces):
            while not timer.late:
                timer.waiting = True
                try:
                    piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                except asyncio.CancelledError:
                    if timer.ours():
                        break
                    raise
                finally:
                    timer.waiting = False
                yield piece
        raise late()
    finally:
        timer.stop()
