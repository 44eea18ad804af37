"""Who is to read what: batches of documents, each lent to one reviewer for a time. Kept like all else of a set.

A document is lent while its batch lasts and nobody has decided on it; two reviewers never have the same one at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from rightsized.apps.search.discovery.records import Asker, ReviewSet
from rightsized.apps.search.discovery.store import ReviewStore

Why = Literal["likely", "random", "sample"]


class Pick(NamedTuple):
    """A document to read: the model's log-odds (None without a model), and why it was picked.

    Reviewers are shown neither: whoever knows what is expected finds it.
    """

    document: str
    why: Why
    score: float | None = None


class Lent(NamedTuple):
    """Documents out for reading, by document: who has them, and until when (seconds since 1970)."""

    by: str
    until: float


class Batches:
    """The batches of one set."""

    def __init__(self, store: ReviewStore, one: ReviewSet) -> None:
        self._store, self._set = store, one

    def lent(self, now: float) -> dict[str, Lent]:
        """What is out now, read or not: batches that have not run out."""
        sql = """SELECT p.document, b."by", b.until FROM batches b JOIN picks p ON p.batch = b.number
                 WHERE b."set" = ? AND b.until > ? ORDER BY b.number"""
        return {document: Lent(by, until) for document, by, until in self._store.rows(sql, (self._set.number, now))}

    def count(self) -> int:
        """Batches so far."""
        return int(self._store.rows('SELECT count(*) FROM batches WHERE "set" = ?', (self._set.number,))[0][0])

    def picked(self) -> list[Pick]:
        """Every pick, in the order in which they were lent."""
        sql = """SELECT p.document, p.why, p.score FROM batches b JOIN picks p ON p.batch = b.number
                 WHERE b."set" = ? ORDER BY b.number, p.place"""
        return [Pick(*row) for row in self._store.rows(sql, (self._set.number,))]

    def lend(
        self,
        asker: Asker,
        choose: Callable[[Mapping[str, Lent]], Sequence[Pick]],
        *,
        seconds: float,
        seed: int,
        tagged: int,
    ) -> list[Pick]:
        """Lend what `choose` picks, given what is out, in one transaction: nobody else can pick between.

        Args:
            tagged: number of the last tagging that the scores depend on.
        """
        now = time.time()
        with self._store.writing():
            picks = list(choose(self.lent(now)))
            if not picks:
                return []
            number = self._store.execute(
                'INSERT INTO batches ("set", at, "by", until, seed, tagged) VALUES (?, ?, ?, ?, ?, ?)',
                (self._set.number, now, asker.reviewer, now + seconds, seed, tagged),
            )
            for place, pick in enumerate(picks):
                self._store.execute(
                    "INSERT INTO picks (batch, place, document, why, score) VALUES (?, ?, ?, ?, ?)",
                    (number, place, pick.document, pick.why, pick.score),
                )
            self._store.add_log(self._set.number, asker, "batch", "", f"batch {number}, {len(picks)} documents")
        return picks
