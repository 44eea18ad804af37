"""Reading in pieces: every step fits, failures are told and not swallowed, halves, tries, cancelling, going on."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import pytest

from rightsized.cascade import mapreduce
from rightsized.cascade.mapreduce import JOINED, JOINING, READING, MapReduce, Note, Outcome, Piece, Room, Told, grouped
from rightsized.core.errors import (
    BusyError,
    ConfigError,
    ContextLengthError,
    ForbiddenError,
    InputError,
    UpstreamError,
)

ROOM = Room(material=30, note=10)


def pieces(*sizes: int) -> list[Piece]:
    return [Piece(at, f"p{at}", size) for at, size in enumerate(sizes)]


class Scripted:
    """Tells which pieces it was given; fails where a rule says so."""

    def __init__(self, fails: Callable[[str], Exception | None] = lambda asked: None, note: int = 5) -> None:
        self.asked: list[str] = []
        self.running = self.most = 0
        self._fails, self._note = fails, note

    async def map(self, pieces: Sequence[Piece]) -> Told:
        return await self._tell(f"map {pieces[0].number}-{pieces[-1].number}", sum(one.tokens for one in pieces))

    async def reduce(self, notes: Sequence[Note], *, last: bool) -> Told:
        name = "last" if last else "reduce"
        return await self._tell(
            f"{name} {notes[0].first}-{notes[-1].last - 1}", sum(len(one.text.split()) for one in notes)
        )

    async def _tell(self, asked: str, size: int) -> Told:
        self.asked.append(asked)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        error = self._fails(asked)
        if error is not None:
            raise error
        assert size <= ROOM.material
        return Told(" ".join([asked.replace(" ", ":")] * self._note), tier="small", cost=0.01)


def words(text: str) -> int:
    return len(text.split())


def run(teller: Scripted, some: list[Piece], room: Room = ROOM) -> Outcome:
    return asyncio.run(MapReduce(teller, room, words).run(some))


def test_every_piece_is_read_once_and_the_notes_become_one() -> None:
    teller = Scripted()
    outcome = run(teller, pieces(*[10] * 20))
    maps = [one for one in outcome.steps if one.kind == "map"]
    assert [(one.first, one.last) for one in maps] == [(0, 3), (3, 6), (6, 9), (9, 12), (12, 15), (15, 18), (18, 20)]
    assert len(outcome.notes) == 1 and (outcome.notes[0].first, outcome.notes[0].last) == (0, 20)
    assert outcome.notes[0].text.startswith("last:0-19") and not outcome.unread
    assert outcome.cost == pytest.approx(0.01 * len(outcome.steps))


def test_one_step_is_enough_where_everything_fits() -> None:
    outcome = run(Scripted(), pieces(10, 10))
    assert [one.kind for one in outcome.steps] == ["map"] and len(outcome.notes) == 1


@pytest.mark.parametrize("seed", range(20))
def test_steps_fit_and_join_whatever_the_sizes(seed: int) -> None:
    drawn = random.Random(seed)
    some = pieces(*(drawn.randint(1, 30) for _ in range(drawn.randint(1, 200))))
    outcome = run(Scripted(note=drawn.randint(1, 10)), some)
    assert len(outcome.notes) == 1
    assert [place for one in outcome.steps if one.kind == "map" for place in range(one.first, one.last)] == list(
        range(len(some))
    )


def test_a_step_that_fails_is_told_and_the_others_go_on() -> None:
    teller = Scripted(lambda asked: UpstreamError("It broke.", retryable=False) if asked == "map 3-5" else None)
    outcome = run(teller, pieces(*[10] * 9))
    assert outcome.unread == [(3, 6)] and len(outcome.notes) == 1
    (failed,) = (one for one in outcome.steps if not one.done)
    assert failed.reason == "upstream: It broke." and teller.asked.count("map 3-5") == 1


def test_where_every_step_fails_there_is_no_note() -> None:
    outcome = run(Scripted(lambda asked: UpstreamError("It broke.", retryable=False)), pieces(*[10] * 9))
    assert outcome.notes == [] and len(outcome.unread) == 3


def test_notes_that_cannot_be_joined_are_left_as_they_are() -> None:
    teller = Scripted(lambda asked: UpstreamError("It broke.", retryable=False) if "map" not in asked else None)
    outcome = run(teller, pieces(*[10] * 9))
    assert [(one.first, one.last) for one in outcome.notes] == [(0, 3), (3, 6), (6, 9)]
    assert [one.done for one in outcome.steps if one.kind == "reduce"] == [False]


def test_a_failure_that_may_pass_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapreduce, "PAUSES_S", (0.0, 0.0))
    left = [BusyError("Full."), UpstreamError("Later.")]
    outcome = run(Scripted(lambda asked: left.pop() if left else None), pieces(10))
    assert outcome.notes and [one.done for one in outcome.steps] == [True]
    endless = Scripted(lambda asked: BusyError("Full."))
    assert not run(endless, pieces(10)).notes and len(endless.asked) == 3


def test_what_turns_out_too_long_is_asked_in_halves() -> None:
    def fails(asked: str) -> Exception | None:
        first, last = map(int, asked.partition(" ")[2].split("-"))
        return ContextLengthError("Too long.") if asked.startswith("map") and last > first else None

    outcome = run(Scripted(fails), pieces(*[5] * 6))
    assert [(one.first, one.last) for one in outcome.steps if one.kind == "map"] == [(at, at + 1) for at in range(6)]
    assert not outcome.unread
    single = run(Scripted(lambda asked: ContextLengthError("Too long.")), pieces(5))
    assert single.unread == [(0, 1)]


def test_what_no_step_would_escape_ends_it_at_once() -> None:
    teller = Scripted(lambda asked: ForbiddenError("Secret data may not be sent there."))
    with pytest.raises(ForbiddenError):
        run(teller, pieces(*[30] * 50))
    assert len(teller.asked) <= 2 * ROOM.lanes  # those under way, and what took their place


def test_no_more_steps_run_at_a_time_than_lanes() -> None:
    teller = Scripted()
    run(teller, pieces(*[30] * 20), ROOM._replace(lanes=3))
    assert teller.most == 3


def test_too_many_steps_are_refused_before_anything_is_asked() -> None:
    teller = Scripted()
    with pytest.raises(InputError, match="would take 11 steps"):
        run(teller, pieces(*[30] * 11), ROOM._replace(steps=10))
    assert not teller.asked


def test_no_step_begins_after_the_time_is_over() -> None:
    outcome = run(Scripted(), pieces(10), ROOM._replace(until=time.monotonic() - 1))
    assert not outcome.notes and "no time left" in outcome.steps[0].reason


def test_a_step_must_have_room_for_notes() -> None:
    with pytest.raises(ConfigError, match="do not fit"):
        MapReduce(Scripted(), Room(material=JOINED * 10 - 1, note=10), words)


def test_what_was_done_before_it_was_cancelled_is_not_asked_again() -> None:
    async def cancelled_half_way() -> tuple[Scripted, Outcome]:
        going_on, held = asyncio.Event(), asyncio.Event()

        class Slow(Scripted):
            async def map(self, pieces: Sequence[Piece]) -> Told:
                if pieces[0].number >= 6 and not going_on.is_set():
                    held.set()
                    await going_on.wait()
                return await super().map(pieces)

        teller = Slow()
        reader = MapReduce(teller, ROOM, words)
        task = asyncio.create_task(reader.run(pieces(*[10] * 12)))
        await held.wait()
        await asyncio.sleep(0.01)  # the first two are done by now
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(teller.asked) == 2
        going_on.set()
        return teller, await reader.run(pieces(*[10] * 12))

    teller, outcome = asyncio.run(cancelled_half_way())
    assert len(outcome.notes) == 1
    assert sorted(set(teller.asked)) == sorted(teller.asked)


def test_progress_counts_the_steps() -> None:
    seen: list[tuple[str, int, int]] = []
    reader = MapReduce(Scripted(), ROOM, words, lambda *step: seen.append(step))
    asyncio.run(reader.run(pieces(*[10] * 9)))
    assert [done for stage, done, total in seen if stage == READING] == [0, 1, 2, 3]
    assert any(stage == JOINING for stage, _, _ in seen)


def test_an_empty_note_is_left_out() -> None:
    class Silent(Scripted):
        async def map(self, pieces: Sequence[Piece]) -> Told:
            told = await super().map(pieces)
            return told._replace(text="") if pieces[0].number == 3 else told

    outcome = run(Silent(), pieces(*[10] * 9))
    assert len(outcome.notes) == 1 and not outcome.unread


def test_pieces_larger_than_a_step_stand_alone() -> None:
    assert grouped([40, 1, 1, 40, 1], 30) == [(0, 1), (1, 3), (3, 4), (4, 5)]
