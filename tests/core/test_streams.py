"""Streams with one deadline over all pieces, closed whatever ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from rightsized.core.streams import closing, until


class Counted:
    """Numbers, each after a pause; notes that it was closed."""

    def __init__(self, *pauses: float) -> None:
        self._pauses, self.closed = pauses, False

    async def stream(self) -> AsyncIterator[int]:
        try:
            for number, pause in enumerate(self._pauses):
                await asyncio.sleep(pause)
                yield number
        finally:
            self.closed = True


def in_time(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def test_pieces_that_come_in_time_all_come() -> None:
    async def main() -> None:
        source = Counted(0, 0, 0)
        assert [n async for n in until(in_time(10), source.stream())] == [0, 1, 2]
        assert [n async for n in until(float("inf"), source.stream())] == [0, 1, 2]
        assert source.closed

    asyncio.run(main())


def test_waiting_past_the_deadline_ends_the_stream_and_the_work_behind_it() -> None:
    async def main() -> None:
        source, seen = Counted(0, 60), []
        with pytest.raises(TimeoutError):
            async for number in until(in_time(0.05), source.stream()):
                seen.append(number)
        assert seen == [0]
        assert source.closed
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0  # nothing of the timer's cancellation is left behind

    asyncio.run(main())


def test_a_slow_reader_is_not_cut_off_in_its_own_work() -> None:
    async def main() -> None:
        finished = False
        with pytest.raises(TimeoutError):
            async for _ in until(in_time(0.02), Counted(0, 0).stream()):
                await asyncio.sleep(0.1)
                finished = True
        assert finished

    asyncio.run(main())


def test_a_cancellation_from_outside_stays_one() -> None:
    async def main() -> None:
        source = Counted(0, 60)

        async def read() -> None:
            async for _ in until(in_time(30), source.stream()):
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.closed

    asyncio.run(main())


def test_leaving_early_closes_the_source() -> None:
    async def main() -> None:
        source = Counted(0, 60)
        async with closing(until(in_time(30), source.stream())) as pieces:
            async for _ in pieces:
                break
        assert source.closed

    asyncio.run(main())
