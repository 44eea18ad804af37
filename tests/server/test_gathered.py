"""Writes of one turn go out together, in order; nothing is held beyond it, and a close loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps

from rightsized.server.gathered import MOST_HELD, Gathered


def in_a_loop(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


class Wire(asyncio.Transport):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        assert not self.closed, "written after its end"
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed


@in_a_loop
async def test_one_turn_is_one_write() -> None:
    wire = Wire()
    gathered = Gathered(wire, asyncio.get_running_loop())
    gathered.write(b"head ")
    gathered.write(bytearray(b"body"))
    assert wire.written == []
    await asyncio.sleep(0)
    assert wire.written == [b"head body"]
    gathered.write(b"next")
    await asyncio.sleep(0)
    assert wire.written == [b"head body", b"next"]


@in_a_loop
async def test_much_goes_out_at_once() -> None:
    wire = Wire()
    gathered = Gathered(wire, asyncio.get_running_loop())
    gathered.write(b"a")
    gathered.write(b"b" * MOST_HELD)
    assert wire.written == [b"a" + b"b" * MOST_HELD]
    await asyncio.sleep(0)
    assert len(wire.written) == 1


@in_a_loop
async def test_a_close_loses_nothing_and_an_abort_writes_nothing() -> None:
    ended, broken = Wire(), Wire()
    for wire, end in ((ended, Gathered.close), (broken, Gathered.abort)):
        gathered = Gathered(wire, asyncio.get_running_loop())
        gathered.write(b"last words")
        end(gathered)
        await asyncio.sleep(0)
        assert gathered.is_closing()
    assert (ended.written, broken.written) == ([b"last words"], [])


@in_a_loop
async def test_nothing_is_written_to_a_connection_that_is_gone() -> None:
    wire = Wire()
    gathered = Gathered(wire, asyncio.get_running_loop())
    gathered.write(b"too late")
    wire.close()
    await asyncio.sleep(0)
    assert wire.written == []
