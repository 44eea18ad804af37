"""From a prepared question to candidates in order: both rankings, fusion, what the first ones say, titles, age."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.candidates import gather, merged, titled
from rightsized.apps.search.query.preparing import Prepared
from rightsized.apps.search.query.recency import aged
from rightsized.apps.search.query.results import Ranking, Settings
from rightsized.apps.search.rank.fusion import Candidates
from rightsized.apps.search.rank.ordering import Asked
from rightsized.apps.search.types import Filters

HALF = np.float32(0.5)


class Ordered(NamedTuple):
    """Candidates, best first, with their scores float32 (n,) in [0, 1]; `reranked` float32 (n,), NaN where not read.

    `full`: there may be more than was looked at.
    """

    candidates: Candidates
    scores: NDArray[np.float32]
    reranked: NDArray[np.float32]
    full: bool

    def parts(self, at: int) -> dict[str, float]:
        """What made the score of one candidate; a ranking that did not score it is left out."""
        columns = {"lexical": self.candidates.lexical, "dense": self.candidates.dense, "reranker": self.reranked}
        return {name: float(column[at]) for name, column in columns.items() if math.isfinite(column[at])}

    def sorted(self) -> Ordered:
        """Best first; of equal ones the one that was stored first."""
        order = np.lexsort((self.candidates.rows, -self.scores))
        return Ordered(self.candidates.take(order), self.scores[order], self.reranked[order], self.full)


def ordered_by(found: Candidates, scores: NDArray[np.float32], full: bool) -> Ordered:
    """Candidates by their scores."""
    unread = np.full(len(found.rows), np.nan, dtype=np.float32)
    return Ordered(found, scores.astype(np.float32), unread, full).sorted()


def newest(view: View, filters: Filters, depth: int) -> Ordered:
    """The first passages of the newest documents that pass: what a question without words, such as `type:pdf`, gets."""
    some = sorted(view.documents(filters), key=lambda one: (-one.date, one.key))
    rows = [found[0].row for found in (view.passages(one.id) for one in some[:depth]) if found]
    rows = list(dict.fromkeys(rows))  # documents with the same content share passages
    unscored = np.full(len(rows), np.nan, dtype=np.float32)
    scores = np.linspace(1, 0, len(rows), endpoint=False, dtype=np.float32)
    return Ordered(Candidates(np.array(rows, dtype=np.int64), unscored, unscored), scores, unscored, len(some) > depth)


def ordered(view: View, prepared: Prepared, ranking: Ranking, settings: Settings, *, depth: int, now: float) -> Ordered:
    """The candidates of a question in order.

    Args:
        depth: how many the asker wants to page through.
        now: seconds since 1970, from which age is counted.
    """
    query, limit = prepared.query, max(settings.candidates, depth)
    if query.clause is None and query.filters != Filters():
        return newest(view, query.filters, depth)
    found, full = gather(view, query, limit)
    repeating = titled(view, query, prepared.titled, limit) if prepared.titled else None
    if repeating is not None:
        found = merged(found, repeating)
    scores = ranking.fusion.scores(found)
    if ranking.ordering is not None:
        asked = Asked(prepared.words, query.vector)
        scores = ranking.ordering.scores(view, asked, found, scores, query.filters)
    if settings.half_life_days > 0 and len(found.rows):
        documents = view.documents_of(found.rows.tolist(), query.filters)
        dates = [documents[row].date if row in documents else None for row in found.rows.tolist()]
        scores = aged(scores, dates, now, settings.half_life_days)
    if repeating is not None:
        scores = (scores + np.isin(found.rows, repeating.rows)) * HALF
    return ordered_by(found, scores, full)
