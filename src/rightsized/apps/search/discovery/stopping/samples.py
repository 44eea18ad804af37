"""Random samples of what nobody has read: drawn once, kept before anybody sees them, each paid for.

A sample is drawn without replacement from all documents of the set that its drawer sees and nobody has decided on.
"""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Sequence
from functools import cached_property

import msgspec
import numpy as np

from rightsized.apps.search.discovery.records import DECIDING, RESPONSIVE, Asker, Tagging, current
from rightsized.apps.search.discovery.review import Review
from rightsized.apps.search.discovery.stopping.bounds import Seen
from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.frozen import Frozen

FEWEST = 20  # documents of a sample: fewer tell nothing that anybody should rely on
SEED_BITS = 128


class Frame(Frozen, frozen=True):
    """What a sample was drawn from, ids with their contents: `reviewed` by then, the `pile` that nobody had read."""

    reviewed: dict[str, str]
    pile: dict[str, str]


class Sample(Frozen, frozen=True):
    """One sample.

    Args:
        attempt: how many samples were drawn on these documents, in whatever set, this one included.
        delta: how often its statements may be wrong before that is divided among the attempts.
        target: the recall that it was drawn for.
        seed: of the draw, from the system's source of randomness: nobody can choose it.
        tagged: number of the last tagging when it was drawn.
        drawn: the documents, in the order in which they were drawn.
    """

    number: int
    at: float
    by: str
    attempt: int
    delta: float
    target: float
    seed: str
    tagged: int
    frame: Frame
    drawn: tuple[str, ...]


class Samples:
    """The samples of one set, as one asker sees it."""

    def __init__(self, review: Review) -> None:
        self._review, self._store = review, review.store

    def draw(self, size: int, *, target: float, delta: float, seed: str = "") -> Sample:
        """Draw documents and keep them. `seed` is for simulations only.

        Raises InputError where the numbers make no sense, or a sample is still being read.
        """
        check(target, delta)
        decided = self._review.decided()
        contents = self._review.documents.contents
        pile = sorted(one for one in contents if one not in decided)
        if not FEWEST <= size <= len(pile) and size != len(pile):
            raise InputError(f"A sample has {FEWEST} to {len(pile):,} documents here, not {size:,}.")
        if left := self.waiting():
            raise InputError(
                f"{len(left):,} documents of the last sample have not been decided on.",
                fix="Read them first: rightsized search set next. Each sample makes the next one dearer.",
            )
        seed = seed or f"{secrets.randbits(SEED_BITS):x}"
        order = np.random.default_rng(int(seed, 16)).permutation(len(pile))[:size]
        frame = Frame({one: contents[one] for one in sorted(decided)}, {one: contents[one] for one in pile})
        last = self._store.last_tagging(self._review.set)
        drawn = tuple(pile[at] for at in order)
        sample = Sample(0, time.time(), self._review.asker.reviewer, 0, delta, target, seed, last, frame, drawn)
        return self._keep(sample, self._review.asker)

    def all(self) -> list[Sample]:
        """Every sample of the set, oldest first."""
        sql = """SELECT number, at, "by", attempt, delta, target, seed, tagged, frame FROM samples WHERE "set" = ?
                 ORDER BY number"""
        rows = self._store.rows(sql, (self._review.set.number,))
        return [
            Sample(number, at, by, attempt, delta, target, seed, tagged, unpacked(frame), self._drawn(number))
            for number, at, by, attempt, delta, target, seed, tagged, frame in rows
        ]

    @cached_property
    def last(self) -> Sample:
        """The newest sample. Raises NotFoundError where there is none."""
        found = self.all()
        if not found:
            raise NotFoundError("No sample has been drawn.", fix="Draw one: rightsized search set sample")
        return found[-1]

    def waiting(self) -> list[str]:
        """Documents of the newest sample that the asker sees and nobody has decided on, in the order of drawing."""
        rows = self._store.rows('SELECT max(number) FROM samples WHERE "set" = ?', (self._review.set.number,))
        if rows[0][0] is None:
            return []
        decided = self._review.decided()
        return [one for one in self._drawn(rows[0][0]) if one in self._review.documents and one not in decided]

    def _drawn(self, sample: int) -> tuple[str, ...]:
        rows = self._store.rows("SELECT document FROM drawn WHERE sample = ? ORDER BY place", (sample,))
        return tuple(row[0] for row in rows)

    def _keep(self, sample: Sample, asker: Asker) -> Sample:
        """Write a sample; number and attempt are given here, since each one counts."""
        sql = """INSERT INTO samples ("set", at, "by", attempt, delta, target, seed, tagged, frame)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
        with self._store.writing():
            attempt = 1 + self._earlier(sample.frame)
            values = (sample.at, sample.by, attempt, sample.delta, sample.target, sample.seed, sample.tagged)
            number = self._store.execute(sql, (self._review.set.number, *values, packed(sample.frame)))
            for place, document in enumerate(sample.drawn):
                self._store.execute("INSERT INTO drawn VALUES (?, ?, ?)", (number, place, document))
            detail = f"sample {number}, attempt {attempt}, {len(sample.drawn)} of {len(sample.frame.pile)} documents"
            self._store.add_log(self._review.set.number, asker, "sampled", "", detail)
        return msgspec.structs.replace(sample, number=number, attempt=attempt)

    def _earlier(self, frame: Frame) -> int:
        """Samples that were drawn from a document of this frame, in whatever set."""
        own = {*frame.reviewed, *frame.pile}
        frames = (unpacked(row[0]) for row in self._store.rows("SELECT frame FROM samples"))
        return sum(not own.isdisjoint({*one.reviewed, *one.pile}) for one in frames)


def seen(sample: Sample, taggings: Sequence[Tagging]) -> Seen:
    """What a sample has shown by now, by the taggings of its set in order.

    A document of the sample that anybody has called responsive since counts as responsive, whatever it was called
    later: taking it back would move the result that was already seen.
    """
    tags, frame, drawn = current(taggings), sample.frame, set(sample.drawn)
    responsive = {document for document, held in tags.items() if RESPONSIVE in held}
    decided = decided_on(tags)
    called = {
        one.document for one in taggings if one.number > sample.tagged and one.on and one.tag == RESPONSIVE
    } & drawn
    return Seen(
        reviewed=len(responsive & frame.reviewed.keys()),
        undecided=len(frame.reviewed.keys() - decided),
        pile=len(frame.pile),
        drawn=len(drawn),
        responsive=len(called),
        unlabelled=len(drawn - decided - called),
        found=len(responsive & frame.pile.keys()),
    )


def decided_on(tags: dict[str, dict[str, Tagging]]) -> set[str]:
    """The documents that bear a decision."""
    return {document for document, held in tags.items() if not held.keys().isdisjoint(DECIDING)}


def check(target: float, delta: float) -> None:
    """Raises InputError for a recall or a confidence that nobody can mean."""
    if not 0 < target < 1:
        raise InputError(f"A recall lies between 0 and 1, not at {target:g}.")
    if not 0 < delta <= 0.5:
        raise InputError(f"A confidence lies between 0.5 and 1, not at {1 - delta:g}.")


def packed(frame: Frame) -> bytes:
    return zlib.compress(msgspec.json.encode(frame))


def unpacked(data: bytes) -> Frame:
    return msgspec.json.decode(zlib.decompress(data), type=Frame)
