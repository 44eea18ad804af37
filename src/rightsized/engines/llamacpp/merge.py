"""Several streams as one, in the order in which their pieces come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar, cast

T = TypeVar("T")
AHEAD = 16  # pieces taken from the streams before the reader has read them: a slow reader holds them all up
_END = object()


async def merged(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """All pieces of all streams. The first error ends them all; closing this closes them all."""
    if len(streams) == 1:
        async with aclosing(streams[0]) as only:
            async for own in only:
                yield own
        return
    pieces: asyncio.Queue[object] = asyncio.Queue(AHEAD)
    tasks = [asyncio.create_task(_pump(stream, pieces)) for stream in streams]
    try:
        left = len(tasks)
        while left:
            piece = await pieces.get()
            if piece is _END:
                left -= 1
            elif isinstance(piece, BaseException):
                raise piece
            else:
                yield cast("T", piece)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(stream: AsyncGenerator[T, None], pieces: asyncio.Queue[object]) -> None:
    try:
        async with aclosing(stream) as all_of_it:
            async for piece in all_of_it:
                await pieces.put(piece)
    except Exception as error:  # noqa: BLE001 - handed over whole: the reader raises it
        await pieces.put(error)
    else:
        await pieces.put(_END)
