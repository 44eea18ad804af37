"""Bounds of the remote engine: retries and their budget, the breaker, places and the queue, deadlines."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from upstream import ANSWER, Behaviour, Upstream, Writer, ask, engine, reset, serving, verbatim, whole

from rightsized.core.errors import BusyError, UpstreamError, UpstreamTimeoutError
from rightsized.engines.remote import retries
from rightsized.engines.remote.breaker import FAILURES, FIRST_REST_S, LONGEST_REST_S, WINDOW, Breaker
from rightsized.engines.remote.failures import retry_after
from rightsized.engines.remote.places import Places
from rightsized.engines.remote.retries import RESERVE, RetryBudget, pause


class Hand:
    """A clock that is moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


FAILING = whole({"error": {"message": "no"}}, status="500 X")


def asks_to_wait(value: str) -> Behaviour:
    return whole({"error": "slow down"}, status="429 X", headers=f"Retry-After: {value}\r\n")


async def test_retry_after_is_kept() -> None:
    async with serving(asks_to_wait("1"), whole()) as up, engine(up.url, retries=1) as tier:
        began = time.monotonic()
        await tier.generate(ask())
        assert time.monotonic() - began >= 1.0  # a bound from below holds on a slow machine too
    assert len(up.seen) == 2


async def test_retry_after_beyond_the_deadline_is_handed_on() -> None:
    async with serving(asks_to_wait("30"), whole()) as up, engine(up.url, retries=2) as tier:
        with pytest.raises(UpstreamError) as caught:
            await tier.generate(ask(deadline=time.monotonic() + 5))
    assert (caught.value.retry_after, caught.value.upstream_status, len(up.seen)) == (30.0, 429, 1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
        ({}, None),
    ],
)
def test_ways_to_write_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


async def test_tries_are_counted() -> None:
    async with serving(FAILING) as up, engine(up.url, retries=2) as tier:
        with pytest.raises(UpstreamError):
            await tier.generate(ask())
    assert len(up.seen) == 3


async def test_what_is_stored_there_is_not_sent_twice() -> None:
    body = {"messages": [], "store": True}
    async with serving(FAILING) as up, engine(up.url, retries=2) as tier:
        with pytest.raises(UpstreamError):
            await tier.generate(ask(body))
        assert len(up.seen) == 1
    async with serving(asks_to_wait("0"), whole()) as up, engine(up.url, retries=2) as tier:
        await tier.generate(ask(body))  # the server says that it did nothing
        assert len(up.seen) == 2


async def test_the_budget_bounds_what_is_sent_again() -> None:
    """A server that fails every other time and a hundred requests: the reserve, and a tenth of the requests."""
    async with serving(*([FAILING, whole()] * 200)) as up, engine(up.url, retries=3, concurrent=1) as tier:
        for _ in range(100):
            try:
                await tier.generate(ask())
            except UpstreamError:
                continue
    assert len(up.seen) - 100 <= RESERVE + 0.1 * 100 + 5


def test_budget() -> None:
    hand = Hand()
    budget = RetryBudget(hand)
    assert [budget.spend() for _ in range(int(RESERVE) + 1)] == [True] * int(RESERVE) + [False]
    for _ in range(9):
        budget.earn()
    assert not budget.spend()
    budget.earn()
    budget.earn()
    assert budget.spend()
    hand.now += 10 / retries.TRICKLE * 2
    budget.earn()
    assert sum(budget.spend() for _ in range(50)) == RESERVE


def test_pauses_are_random_and_bounded() -> None:
    first = [pause(1, None) for _ in range(200)]
    assert 0 <= min(first) < 0.05 < 0.2 < max(first) <= 0.25
    assert max(pause(50, None) for _ in range(200)) <= retries.LONGEST_PAUSE_S
    assert all(3.0 <= pause(1, 3.0) <= 3.25 for _ in range(50))


def test_breaker_opens_after_failures_in_a_row() -> None:
    hand = Hand()
    breaker = Breaker(hand)
    for _ in range(FAILURES - 1):
        assert breaker.wait() == 0
        breaker.failed("down")
    breaker.succeeded()
    for _ in range(FAILURES):
        assert breaker.wait() == 0
        breaker.failed("down")
    assert breaker.open
    assert breaker.wait() == FIRST_REST_S
    hand.now += FIRST_REST_S
    assert breaker.wait() == 0, "one may try"
    assert breaker.wait() > 0, "and only one"
    breaker.failed("still down")
    assert breaker.wait() == FIRST_REST_S * 2
    hand.now += FIRST_REST_S * 2
    assert breaker.wait() == 0
    breaker.left()
    assert breaker.wait() == 0, "the place of one who left is free"
    breaker.succeeded()
    assert not breaker.open
    assert [breaker.wait() for _ in range(3)] == [0, 0, 0]


def test_breaker_opens_when_half_fail() -> None:
    breaker = Breaker(Hand())
    for number in range(WINDOW):
        assert not breaker.open
        if number % 2:
            breaker.succeeded()
        else:
            breaker.failed("flaky")
    breaker.failed("flaky")
    assert breaker.open


def test_rests_are_bounded() -> None:
    hand = Hand()
    breaker = Breaker(hand)
    for _ in range(FAILURES + 20):
        hand.now += breaker.wait()
        assert breaker.wait() == 0
        breaker.failed("down")
    assert breaker.wait() == LONGEST_REST_S


async def test_a_server_that_is_down_is_left_alone_and_found_again() -> None:
    async with serving(*([reset()] * FAILURES), whole()) as up, engine(up.url) as tier:
        for _ in range(FAILURES):
            with pytest.raises(UpstreamError, match="closed the connection"):
                await tier.generate(ask())
        status = tier.status()
        assert not status.ready
        assert "closed the connection" in status.detail
        with pytest.raises(UpstreamError, match="left alone") as caught:
            await tier.generate(ask())
        assert caught.value.retryable
        assert 0 < (caught.value.retry_after or 0) <= FIRST_REST_S
        assert len(up.seen) == FAILURES, "nothing is sent while it rests"
        await asyncio.sleep(FIRST_REST_S)
        together = await asyncio.gather(*(tier.generate(ask()) for _ in range(4)), return_exceptions=True)
        assert sum(not isinstance(answer, BaseException) for answer in together) >= 1
        assert tier.status().ready


@pytest.mark.parametrize("status", ["400 X", "401 X", "404 X", "429 X"])
async def test_refusals_do_not_open_the_breaker(status: str) -> None:
    async with serving(whole({"error": "no"}, status=status)) as up, engine(up.url) as tier:
        for _ in range(FAILURES * 2):
            with pytest.raises(UpstreamError):
                await tier.generate(ask())
        assert tier.status().ready
    assert len(up.seen) == FAILURES * 2


async def test_short_deadlines_of_callers_do_not_open_the_breaker() -> None:
    async with serving(verbatim(30.0)) as up, engine(up.url) as tier:
        for _ in range(FAILURES + 1):
            with pytest.raises(UpstreamTimeoutError, match="the time that the request was given"):
                await tier.generate(ask(deadline=time.monotonic() + 0.05))
        assert tier.status().ready
    assert len(up.seen) == FAILURES + 1


async def test_a_deadline_that_has_passed() -> None:
    async with serving(whole()) as up, engine(up.url) as tier:
        with pytest.raises(UpstreamTimeoutError):
            await tier.generate(ask(deadline=time.monotonic() - 1))
    assert up.seen == []


def held(gate: asyncio.Event, most: list[int], both: asyncio.Event) -> Behaviour:
    """Answers when the gate opens; counts how many wait there at once, and tells when there are two."""
    now = 0

    async def answer(upstream: Upstream, writer: Writer) -> None:
        nonlocal now
        now += 1
        most.append(now)
        if now == 2:
            both.set()
        await gate.wait()
        now -= 1
        await whole(ANSWER)(upstream, writer)

    return answer


async def test_places_and_queue() -> None:
    gate, both, most = asyncio.Event(), asyncio.Event(), [0]
    async with serving(held(gate, most, both)) as up, engine(up.url, concurrent=2, queue=3) as tier:
        tasks = [asyncio.ensure_future(tier.generate(ask())) for _ in range(8)]
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        refused = [task.exception() for task in done]
        assert len(refused) == 3
        assert all(isinstance(error, BusyError) for error in refused)
        await both.wait()
        gate.set()
        answers = await asyncio.gather(*waiting)
        assert len(answers) == 5
        assert max(most) == 2
        assert tier.status().in_flight == 0
    assert len(up.seen) == 5


async def test_those_who_leave_the_queue_leave_no_hole() -> None:
    gate, both, most = asyncio.Event(), asyncio.Event(), [0]
    async with serving(held(gate, most, both)) as up, engine(up.url, concurrent=1, queue=8) as tier:
        tasks = [asyncio.ensure_future(tier.generate(ask())) for _ in range(5)]
        await up.arrived.wait()
        for task in tasks[1:4]:
            task.cancel()
        gate.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in ended] == [False, True, True, True, False]
        await tier.generate(ask())
    assert len(up.seen) == 3


async def test_waiting_for_a_place_ends_with_the_deadline() -> None:
    places = Places("small", 1, 4)
    async with places.one(1.0):
        with pytest.raises(BusyError, match="became free"):
            async with places.one(0.02):
                pytest.fail("there was no place")
        assert (places.taken, places.waiting) == (1, 0)
    assert places.taken == 0


async def test_a_closed_tier_refuses() -> None:
    async with serving(whole()) as up:
        async with engine(up.url) as tier:
            await tier.generate(ask())
        with pytest.raises(BusyError, match="closed"):
            await tier.generate(ask())


async def test_an_upstream_that_is_down_is_no_error_at_the_start() -> None:
    async with engine("http://127.0.0.1:9/v1") as tier:
        assert tier.status().ready


async def test_memory_of_a_hundred_streams_stays_bounded() -> None:
    """Each stream is read to its end by its own task; none disturbs another."""
    from upstream import chunk, collect, events, streamed

    def words(number: int) -> list[dict[str, Any]]:
        return [chunk(f"{number}-{i} ") for i in range(20)] + [chunk(finish="stop")]

    turns = [streamed(*[events(w, done=False) for w in words(n)], events()) for n in range(100)]
    async with serving(*turns) as up, engine(up.url, concurrent=16, queue=100) as tier:
        ended = await asyncio.gather(*(collect(tier, ask(stream=True)) for _ in range(100)))
        assert tier.status().in_flight == 0
    texts = {answer.text for _, answer in ended}
    assert texts == {"".join(f"{n}-{i} " for i in range(20)) for n in range(100)}
    assert len(up.seen) == 100
