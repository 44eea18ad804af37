"""The pool of threads: everyone is answered, a few at a time while more texts wait, and nobody is kept for long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from rightsized.core.errors import BusyError
from rightsized.engines import pool as pools
from rightsized.engines.pool import HELD_CHARS, KEPT_CHARS, Pool

SECONDS = 20.0  # far more than any of this takes


def open_pool(function: Callable[[str], str], threads: int = 1, queue: int = 1000) -> Pool[str]:
    return Pool(function, threads=threads, queue=queue, name="test")


async def test_results_are_handed_back_several_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[int] = []
    real = pools._hand_back

    def counted(done: list[pools._Work[str]]) -> None:
        if done:
            handed.append(len(done))
        real(done)

    monkeypatch.setattr(pools, "_hand_back", counted)
    monkeypatch.setattr(pools, "HELD_SECONDS", SECONDS)
    first = threading.Event()
    pool = open_pool(lambda text: text.upper() if first.wait(SECONDS) else "")
    waiting = [asyncio.ensure_future(pool.submit(f"text {i}")) for i in range(10)]
    await asyncio.sleep(0)
    first.set()
    assert await asyncio.wait_for(asyncio.gather(*waiting), SECONDS) == [f"TEXT {i}" for i in range(10)]
    assert handed == [4, 4, 2]
    pool.close()


async def test_no_result_waits_for_a_long_text() -> None:
    known = threading.Event()
    pool = open_pool(lambda text: text if len(text) < HELD_CHARS or known.wait(SECONDS) else "")
    short = asyncio.ensure_future(pool.submit("short"))
    long = asyncio.ensure_future(pool.submit("long" * HELD_CHARS))
    assert await asyncio.wait_for(short, SECONDS / 2) == "short"
    assert not long.done()
    known.set()
    await asyncio.wait_for(long, SECONDS)
    pool.close()


async def test_a_result_held_for_its_time_is_handed_back_before_the_next_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "HELD_SECONDS", 0.0)
    known = threading.Event()
    pool = open_pool(lambda text: text if text == "first" or known.wait(SECONDS) else "")
    first, second = (asyncio.ensure_future(pool.submit(text)) for text in ("first", "second"))
    assert await asyncio.wait_for(first, SECONDS / 2) == "first"
    known.set()
    assert await asyncio.wait_for(second, SECONDS) == "second"
    pool.close()


@pytest.mark.parametrize("threads", [1, 4])
async def test_every_one_of_many_is_answered(threads: int) -> None:
    pool = open_pool(lambda text: text[::-1], threads=threads)
    for round_of in range(20):
        texts = [f"{round_of} {i}" for i in range(50)]
        found = await asyncio.wait_for(asyncio.gather(*(pool.submit(text) for text in texts)), SECONDS)
        assert found == [text[::-1] for text in texts]
    assert (pool.waiting, pool.in_flight) == (0, 0)
    pool.close()
    with pytest.raises(BusyError, match="shutting down"):
        await pool.submit("late")


async def test_an_error_belongs_to_its_own_text() -> None:
    pool = open_pool(lambda text: str(1 // len(text)))
    found = await asyncio.wait_for(
        asyncio.gather(*(pool.submit(text) for text in ("a", "", "bb")), return_exceptions=True), SECONDS
    )
    assert [type(value) for value in found] == [str, ZeroDivisionError, str]
    pool.close()


async def test_who_asks_just_after_the_call_needs_none_of_their_own() -> None:
    asked: list[str] = []

    def upper(text: str) -> str:
        asked.append(text)
        return text.upper()

    pool = Pool(upper, threads=1, queue=10, name="test", kept=2)
    assert [await pool.submit(text) for text in ("a", "a", "b", "c", "a")] == ["A", "A", "B", "C", "A"]
    assert asked == ["a", "b", "c", "a"]
    pool.close()
    with pytest.raises(BusyError, match="shutting down"):
        await pool.submit("a")


async def test_only_the_latest_results_are_known_and_only_of_texts_that_are_not_long() -> None:
    pool = Pool(str.upper, threads=1, queue=10, name="test", kept=2)
    long = "x" * (KEPT_CHARS + 1)
    for text in ("a", "b", "c", long):
        await pool.submit(text)
    assert [pool.lately(text) for text in ("a", "b", "c", long, "never")] == [None, "B", "C", None, None]
    pool.close()
