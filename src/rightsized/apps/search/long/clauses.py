"""Which clauses matter: every clause of the documents with its score, the best ones whole with their marks.

A clause is a run of passages under the same headings and the same clause number; without numbers, a short section.
Nothing is left out of the ranking: what stands below the line is listed too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from rightsized.apps.search.long.records import Clause, ClauseRanking, RankedClause
from rightsized.apps.search.long.scoring import FUSED, Scored, score
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.highlighting import best_sentence, highlights, weights
from rightsized.apps.search.query.results import Ranking
from rightsized.apps.search.query.stems import wanted
from rightsized.apps.search.types import Document, Filters, Found, Passage
from rightsized.core.protocols import Encoder
from rightsized.parsers.types import Line

LONGEST = 6  # passages of one clause, about 1,200 tokens: longer ones are ranked in stretches of so many
MOST_LANGUAGES = 3  # in which words are marked
DEFAULT_LANGUAGE = "en"
_MAIN = re.compile(r"(?:[^\W\d_]+\.?\s+|§+\s*)?(?P<main>\d+(?:\.\d+)*)")


class Run(NamedTuple):
    """Places `first` to `last` (excluded) of passages that are one clause."""

    first: int
    last: int


async def rank_clauses(
    view: View,
    question: str,
    documents: Sequence[str],
    *,
    encoder: Encoder | None,
    limit: int = 10,
    ranking: Ranking = FUSED,
) -> ClauseRanking:
    """Rank all clauses of documents by how much they matter to a question.

    Args:
        view: the asker's.
        documents: ids.
        encoder: that of the collection; without it only words are compared.
        limit: clauses above the line.
    Raises:
        NotFoundError, InputError, BusyError: as `score`.
    """
    scored = await score(view, question, documents, encoder=encoder, ranking=ranking)
    known = tuple(view.document(one) for one in dict.fromkeys(documents))
    return await asyncio.to_thread(_ranked, view, question, scored, known, limit)


def runs(found: Sequence[Found]) -> list[Run]:
    """The clauses of passages that stand in the order of their text; together all of them."""
    clauses: list[Run] = []
    for at, one in enumerate(found):
        last = clauses[-1] if clauses else None
        if last is not None and at - last.first < LONGEST and _continues(found[last.first], found[at - 1], one):
            clauses[-1] = Run(last.first, at + 1)
        else:
            clauses.append(Run(at, at + 1))
    return clauses


def _continues(first: Found, before: Found, one: Found) -> bool:
    """Whether a passage belongs to the clause that begins with `first` and goes on to `before`."""
    if first.document.id != one.document.id or first.passage.path != one.passage.path:
        return False
    own, number = first.passage.number, one.passage.number
    if not own and not number:
        return bool(one.passage.path)
    if not own or not number:
        return False
    main, other = _MAIN.match(own), _MAIN.match(number)
    if other is None:  # "(b)" goes on with the clause it stands in
        return main is not None or number == before.passage.number
    return main is not None and main["main"] == other["main"]


def _ranked(view: View, question: str, scored: Scored, documents: tuple[Document, ...], limit: int) -> ClauseRanking:
    clauses = runs(scored.found)
    best = [max(range(one.first, one.last), key=lambda at: (float(scored.scores[at]), -at)) for one in clauses]
    order = sorted(range(len(clauses)), key=lambda i: (-float(scored.scores[best[i]]), clauses[i].first))
    marker = _Marker(view, scored)
    ranked = [
        marker.marked(place, _clause(scored, clauses[i], best[i]), clauses[i], best[i])
        for place, i in enumerate(order[:limit], 1)
    ]
    below = tuple(_clause(scored, clauses[i], best[i]) for i in order[limit:])
    return ClauseRanking(question, documents, tuple(ranked), below, len(scored.found), scored.notes)


def _clause(scored: Scored, run: Run, best: int) -> Clause:
    first, last = scored.found[run.first], scored.found[run.last - 1]
    passage = first.passage
    return Clause(
        passage.number,
        passage.path,
        passage.start,
        last.passage.end,
        passage.page,
        round(float(scored.scores[best]), 6),
        first.document.id,
    )


class _Marker:
    """Marks the words of the question; reads the lines of each document once."""

    def __init__(self, view: View, scored: Scored) -> None:
        some = Filters(documents=tuple(dict.fromkeys(one.document.id for one in scored.found)))
        languages = [facet.value for facet in view.facets(some, ["language"])] if scored.found else []
        self._view, self._scored = view, scored
        self._stems = wanted(scored.words, languages[:MOST_LANGUAGES] or [DEFAULT_LANGUAGE])
        self._weights = weights((one.passage for one in scored.found), self._stems)
        self._lines: dict[str, tuple[Line, ...]] = {}

    def marked(self, place: int, clause: Clause, run: Run, best: int) -> RankedClause:
        passages = tuple(self._scored.found[run.first : run.last])
        lines = self._of(passages[0].document)
        words = tuple(mark for one in passages for mark in highlights(one.passage, self._stems, lines))
        sentence = best_sentence(_body(self._scored.found[best].passage), self._stems, self._weights, lines)
        return RankedClause(place, clause, passages, self._scored.parts(best), words, sentence)

    def _of(self, document: Document) -> tuple[Line, ...]:
        if document.pages and document.id not in self._lines:
            self._lines[document.id] = self._view.lines(document.id)
        return self._lines.get(document.id, ())


def _body(passage: Passage) -> Passage:
    """A passage without the headings that open its text, unless it has nothing else."""
    at = 0
    for name in passage.path:
        spaced = r"\s+".join(map(re.escape, name.split()))
        heading = re.compile(rf"\s*{spaced}\s*(?=\n)", re.IGNORECASE).match(passage.text, at) if spaced else None
        at = heading.end() if heading else at
    rest = passage.text[at:]
    return replace(passage, start=passage.start + at, text=rest) if at and rest.strip() else passage
