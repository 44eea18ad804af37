"""A text that is too long for a model, read in pieces: each is told alone (map), and what was told is joined (reduce).

It plans steps that fit, asks them, and keeps count: which step read which pieces, which failed and why. What is asked
in a step, and of whom, is the `Teller`'s. Nothing here promises that what was told is right.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from rightsized.core.errors import (
    BusyError,
    ConfigError,
    ContextLengthError,
    InputError,
    RightsizedError,
    UpstreamError,
    UpstreamTimeoutError,
)
from rightsized.core.frozen import Frozen
from rightsized.core.generation import Usage
from rightsized.core.protocols import Progress, no_progress

JOINED = 3  # notes that always fit into one step, so that joining comes to an end
PAUSES_S = (0.5, 2.0)  # before a step that failed for a while is asked again
READING, JOINING = "Reading", "Joining"
STEP_ERRORS = (UpstreamError, BusyError, ContextLengthError)  # of one step; all others end the reading
Kind = Literal["map", "reduce"]
T = TypeVar("T")


class Piece(NamedTuple):
    """A piece of the text: the caller's `number` for it, and its `tokens` as a step shows it."""

    number: int
    text: str
    tokens: int


class Told(NamedTuple):
    """What a model said in one step; `cut` where it ended for want of tokens."""

    text: str
    cut: bool = False
    tier: str = ""
    decision: str = ""
    usage: Usage = Usage()
    cost: float = 0.0


class Note(NamedTuple):
    """What was told of the pieces `first` to `last` (places, `last` excluded)."""

    text: str
    first: int
    last: int


class Step(Frozen, frozen=True):
    """One step: what it read, how it ended, and what it cost. `first` and `last` are places of pieces, `last` excluded.

    A map step reads pieces at level 0; a reduce step joins `notes` notes of the level below. `reason` says why a step
    failed, in words; `decision` is its entry of the log. `cost` is in US dollars.
    """

    kind: Kind
    level: int
    first: int
    last: int
    done: bool
    notes: int = 0
    cut: bool = False
    tier: str = ""
    decision: str = ""
    reason: str = ""
    usage: Usage = Usage()
    cost: float = 0.0
    seconds: float = 0.0


class Outcome(NamedTuple):
    """`notes`: one where everything could be joined, else those that are left, in the order of the text.

    None where no step found anything to tell.
    """

    notes: list[Note]
    steps: list[Step]

    @property
    def unread(self) -> list[tuple[int, int]]:
        """Places of pieces that no note tells of, because their step failed."""
        return [(one.first, one.last) for one in self.steps if one.kind == "map" and not one.done]

    @property
    def cost(self) -> float:
        """US dollars."""
        return sum(one.cost for one in self.steps)


class Teller(Protocol):
    """Asks a model. Both raise what the model raises; a ContextLengthError of `map` has its pieces asked in halves."""

    async def map(self, pieces: Sequence[Piece]) -> Told:
        """Tell what matters of some pieces; an empty text where nothing does."""
        ...

    async def reduce(self, notes: Sequence[Note], *, last: bool) -> Told:
        """Join notes into one; `last` where nothing is left beside it."""
        ...


class Room(NamedTuple):
    """What a step has room for.

    Args:
        material: tokens of the pieces, or notes, that one step reads.
        note: the most tokens that a step writes.
        steps: the most map steps; more are refused before anything is asked.
        lanes: steps asked at a time.
        until: `time.monotonic()` after which no step is begun.
        enough: tokens of notes that need not be joined any further; 0 joins them into one.
    """

    material: int
    note: int
    steps: int = 200
    lanes: int = 2
    until: float = float("inf")
    enough: int = 0


class MapReduce:
    """Reads one text. `run` may be called again after it was cancelled or failed: steps that are done are kept.

    Args:
        count: tokens of a note as a step shows it.
    Raises:
        ConfigError: a step has no room for JOINED notes.
    """

    def __init__(
        self, teller: Teller, room: Room, count: Callable[[str], int], progress: Progress = no_progress
    ) -> None:
        if room.material < JOINED * room.note:
            raise ConfigError(
                f"A step reads {room.material:,} tokens, and {JOINED} notes of {room.note:,} do not fit into them.",
                fix="Use a tier with a longer context, or shorter notes.",
            )
        self._teller, self._room, self._count, self._progress = teller, room, count, progress
        self._lanes = asyncio.Semaphore(room.lanes)
        self._kept: dict[tuple[int, int, int], _Read] = {}  # by level and places

    def plan(self, pieces: Sequence[Piece]) -> list[tuple[int, int]]:
        """The pieces of each map step, as places; each as many as fit. Raises InputError where there are too many."""
        found = self.groups(pieces)
        if len(found) > self._room.steps:
            raise InputError(
                f"The text would take {len(found):,} steps; {self._room.steps:,} is the most.",
                fix="Ask about a part of it, or use a tier with a longer context.",
            )
        return found

    def groups(self, pieces: Sequence[Piece]) -> list[tuple[int, int]]:
        """The same, however many there are."""
        return grouped([one.tokens for one in pieces], self._room.material)

    async def run(self, pieces: Sequence[Piece]) -> Outcome:
        """Read all pieces, join what was told. A step that fails is in `Outcome.steps`; the others go on.

        Cancelling it cancels what is under way. Raises InputError (too many steps), and at once what no further step
        would escape, such as ForbiddenError.
        """
        plan = self.plan(pieces)
        read = await self._all(READING, [self._mapped(pieces, first, last) for first, last in plan])
        results = [one for some in read for one in some]
        steps = [one.step for one in results]
        notes = [one.note for one in results if one.note is not None and one.note.text]
        level = 0
        while len(notes) > 1 and sum(self._count(one.text) for one in notes) > self._room.enough:
            level += 1
            joined = await self._level(notes, level)
            steps += [one.step for one in joined if one.step is not None]
            kept = [note for one in joined for note in one.notes]
            if len(kept) == len(notes):  # every step of this level failed
                break
            notes = kept
        return Outcome(notes, steps)

    async def _mapped(self, pieces: Sequence[Piece], first: int, last: int) -> list[_Read]:
        """One map step, or its halves where the model says that it is too long after all."""
        kept = self._kept.get((0, first, last))
        if kept is not None:
            return [kept]
        try:
            told, seconds = await self._asked(lambda: self._teller.map(pieces[first:last]))
        except ContextLengthError as error:
            if last - first == 1:
                return [_Read(None, _failed("map", 0, first, last, error))]
            middle = (first + last) // 2
            halves = [await self._mapped(pieces, first, middle), await self._mapped(pieces, middle, last)]
            return [one for half in halves for one in half]
        except STEP_ERRORS as error:
            return [_Read(None, _failed("map", 0, first, last, error))]
        read = _Read(_note(told, first, last), _done("map", 0, first, last, told, seconds))
        self._kept[0, first, last] = read
        return [read]

    async def _level(self, notes: Sequence[Note], level: int) -> list[_Joined]:
        """Neighbouring notes joined as far as they fit; a note alone goes up as it is."""
        groups = grouped([self._count(one.text) for one in notes], self._room.material)
        whole = len(groups) == 1
        return await self._all(JOINING, [self._joined(notes[a:b], level, last=whole) for a, b in groups])

    async def _joined(self, notes: Sequence[Note], level: int, *, last: bool) -> _Joined:
        """One reduce step. Where it fails its notes stay as they are."""
        if len(notes) == 1:
            return _Joined(list(notes), None)
        place = level, notes[0].first, notes[-1].last
        kept = self._kept.get(place)
        if kept is not None and kept.note is not None:
            return _Joined([kept.note], kept.step)
        try:
            told, seconds = await self._asked(lambda: self._teller.reduce(notes, last=last))
        except STEP_ERRORS as error:
            return _Joined(list(notes), _failed("reduce", *place, error, notes=len(notes)))
        note, step = _note(told, *place[1:]), _done("reduce", *place, told, seconds, notes=len(notes))
        self._kept[place] = _Read(note, step)
        return _Joined([note], step)

    async def _asked(self, ask: Callable[[], Awaitable[Told]]) -> tuple[Told, float]:
        """What was told, and the seconds it took; asked again after PAUSES_S where the failure may pass."""
        async with self._lanes:
            for pause in (*PAUSES_S, None):
                began = time.monotonic()
                if began >= self._room.until:
                    raise UpstreamTimeoutError("There was no time left for this step.")
                try:
                    return await ask(), time.monotonic() - began
                except ContextLengthError:
                    raise
                except RightsizedError as error:
                    if pause is None or not error.retryable:
                        raise
                    await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def _all(self, stage: str, work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """The results in order; `progress` sees each as it comes."""
        done = 0
        self._progress(stage, done, len(work))

        async def counted(one: Coroutine[Any, Any, T]) -> T:
            nonlocal done
            found = await one
            done += 1
            self._progress(stage, done, len(work))
            return found

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(counted(one)) for one in work]
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        return [task.result() for task in tasks]


class _Read(NamedTuple):
    """A step and its note; None where it failed."""

    note: Note | None
    step: Step


class _Joined(NamedTuple):
    """What goes up to the next level, and the step it came from; None where a note went up as it was."""

    notes: list[Note]
    step: Step | None


def grouped(sizes: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Neighbours together as far as they fit into `most`, as (first, last); one that is larger stands alone.

    >>> grouped([3, 3, 3, 9, 2, 2], 6)
    [(0, 2), (2, 3), (3, 4), (4, 6)]
    """
    groups: list[tuple[int, int]] = []
    held = 0
    for at, size in enumerate(sizes):
        if groups and held + size <= most:
            groups[-1] = groups[-1][0], at + 1
            held += size
        else:
            groups.append((at, at + 1))
            held = size
    return groups


def _note(told: Told, first: int, last: int) -> Note:
    return Note(told.text.strip(), first, last)


def _done(kind: Kind, level: int, first: int, last: int, told: Told, seconds: float, *, notes: int = 0) -> Step:
    return Step(
        kind, level, first, last, True, notes, told.cut, told.tier, told.decision, "", told.usage, told.cost, seconds
    )


def _failed(kind: Kind, level: int, first: int, last: int, error: RightsizedError, *, notes: int = 0) -> Step:
    return Step(kind, level, first, last, False, notes, reason=f"{error.code}: {error.message}")
