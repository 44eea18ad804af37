"""What is written to a connection in one turn of the event loop goes out together.

uvicorn writes the head of a response and its body one after the other; each write is a call of the system and wakes the
client. Nothing is held beyond the turn, nor once there is much of it.
"""

from __future__ import annotations

import asyncio
from typing import Any

MOST_HELD = 2**16  # bytes; more goes out at once, so that a slow client's connection is felt


class Gathered(asyncio.Transport):
    """A transport that hands what was written on to `inner`, in order, at the end of the turn."""

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._inner, self._loop = inner, loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(bytes(data))
        self._size += len(data)
        if self._size > MOST_HELD:
            self._flush()

    def _flush(self) -> None:
        held, self._held, self._size = self._held, [], 0
        if held and not self._inner.is_closing():
            self._inner.write(held[0] if len(held) == 1 else b"".join(held))

    def close(self) -> None:
        self._flush()
        self._inner.close()

    def abort(self) -> None:
        self._held = []
        self._inner.abort()

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._inner.get_extra_info(name, default)
