"""One search, from the question to marked passages. Awaits the encoder and the reranker; all else is plain functions.

In order: names to a scope, syntax to a clause and filters, spelling, both rankings, fusion, titles that are repeated,
age, reranking, folding, marks. What an asker may not see is never read.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import numpy as np

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.ordering import Ordered, ordered
from rightsized.apps.search.query.preparing import Prepared, prepared
from rightsized.apps.search.query.results import Ranking, Results, Settings
from rightsized.apps.search.query.showing import Page, shown
from rightsized.apps.search.rank.reranking import rerank
from rightsized.apps.search.types import Filters
from rightsized.core.errors import InputError
from rightsized.core.protocols import Encoder

MOST_RESULTS = 1_000  # offset and limit together
EVERYTHING = Filters()
PLAIN = Settings()
FUSED = Ranking()


async def search(
    view: View,
    question: str,
    *,
    encoder: Encoder | None,
    filters: Filters = EVERYTHING,
    limit: int = 10,
    offset: int = 0,
    settings: Settings = PLAIN,
    ranking: Ranking = FUSED,
) -> Results:
    """Find the passages that answer a question.

    Args:
        encoder: that of the collection; without one, or with another, only words are searched, and a note says so.
        filters: hold whatever the question says.
        limit, offset: of the hits; together at most MOST_RESULTS.
    Raises:
        InputError: limit or offset is out of range.
        BusyError: the encoder's queue is full.
    """
    if offset < 0 or limit < 1 or offset + limit > MOST_RESULTS:
        raise InputError(
            f"limit {limit} with offset {offset} is out of range.",
            fix=f"limit is at least 1, offset at least 0, and together they are at most {MOST_RESULTS}.",
        )
    clock = _Clock()
    asked = await asyncio.to_thread(prepared, view, question, filters, settings)
    clock.part("prepare")
    asked = await _embedded(view, asked, encoder)
    clock.part("encode")
    depth, now = offset + limit, time.time()
    found = await asyncio.to_thread(ordered, view, asked, ranking, settings, depth=depth, now=now)
    clock.part("rank")
    reranked = await _reranked(view, question, asked, found, ranking)
    clock.part("rerank")
    page = Page(limit, offset, settings)
    seen = await asyncio.to_thread(shown, view, asked.query.filters, asked.words, reranked.found, page)
    clock.part("show")
    return Results(
        hits=seen.hits,
        total=len(found.scores),
        more=found.full,
        filters=asked.query.filters,
        scope=asked.scope,
        corrections=asked.corrections,
        facets=seen.facets,
        notes=(*asked.notes, *reranked.notes),
        seconds=clock.parts,
    )


async def _embedded(view: View, asked: Prepared, encoder: Encoder | None) -> Prepared:
    """The question with its vector, where the collection's encoder is there and there are words."""
    if not asked.words.strip() or not view.encoder:
        return asked
    if encoder is None or encoder.digest != view.encoder:
        why = "Meaning was not searched: the encoder at hand is not the one that this collection was indexed with."
        return asked._replace(notes=(*asked.notes, why))
    encoded = await encoder.encode(asked.words)
    return asked._replace(query=asked.query._replace(vector=encoded.vector))


class _Reranked(NamedTuple):
    found: Ordered
    notes: tuple[str, ...] = ()


async def _reranked(view: View, question: str, asked: Prepared, found: Ordered, ranking: Ranking) -> _Reranked:
    """The order after the reranker, where there is one."""
    if ranking.reranker is None or not len(found.scores):
        return _Reranked(found)
    rows = found.candidates.rows.tolist()
    first = await asyncio.to_thread(view.found, rows[: ranking.budget.candidates], asked.query.filters)
    texts = {one.row: one.passage.indexed for one in first}
    gone = {row for row in rows[: ranking.budget.candidates] if row not in texts}  # hidden a moment ago
    keep = np.array([row not in gone for row in rows], dtype=np.bool_)
    columns = found.candidates.take(np.flatnonzero(keep))
    budget = ranking.budget
    some = [texts.get(row, "") for row in columns.rows.tolist()]
    read = type(budget)(min(budget.candidates, len(texts)), budget.seconds)
    again = await rerank(question, some, found.scores[keep], ranking.reranker, read)
    notes = (again.note,) if again.note else ()
    return _Reranked(Ordered(columns, again.scores, again.raw, found.full).sorted(), notes)


class _Clock:
    """Seconds from part to part."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._last = time.perf_counter()

    def part(self, name: str) -> None:
        now = time.perf_counter()
        self.parts[name], self._last = now - self._last, now
