"""Scores every passage of given documents against a question, none left out: by words, by meaning, and by what it says.

The order is that of the search. What is not searched this way is which document is meant: the caller names them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query import syntax
from rightsized.apps.search.query.candidates import telling
from rightsized.apps.search.query.results import Ranking
from rightsized.apps.search.rank.fusion import Candidates
from rightsized.apps.search.rank.ordering import Asked
from rightsized.apps.search.types import Filters, Found
from rightsized.core.errors import InputError
from rightsized.core.protocols import Encoder

MOST_PASSAGES = 20_000  # scored for one question: about four million tokens, 40 MB of text
FUSED = Ranking()
NO_MEANING = "Only words were compared: the encoder at hand is not the one that this collection was indexed with."
Floats = NDArray[np.float32]


class Scored(NamedTuple):
    """Passages in the order of their documents' text, each with a score.

    `scores` float32 (n,) in [0, 1] orders them; `lexical` (BM25) and `dense` (cosine) are float32 (n,), NaN where a
    ranking said nothing. `words` is what was asked, for marks. `notes` say in sentences what was not done.
    """

    found: list[Found]
    scores: Floats
    lexical: Floats
    dense: Floats
    words: str
    notes: tuple[str, ...] = ()

    def parts(self, at: int) -> dict[str, float]:
        """What made the score of one passage; a ranking that said nothing is left out."""
        columns = {"lexical": self.lexical, "dense": self.dense}
        return {name: float(column[at]) for name, column in columns.items() if np.isfinite(column[at])}


async def score(
    view: View, question: str, documents: Sequence[str], *, encoder: Encoder | None, ranking: Ranking = FUSED
) -> Scored:
    """Score all passages of documents.

    Args:
        view: the asker's.
        question: in words; syntax means nothing here.
        documents: ids, in the order in which their passages are wanted.
        encoder: that of the collection; without one, or with another, only words are compared, and a note says so.
    Raises:
        NotFoundError: a document is not there for this asker.
        InputError: together they have more than MOST_PASSAGES.
        BusyError: the encoder's queue is full.
    """
    found = await asyncio.to_thread(_passages, view, documents)
    asked = syntax.words_only(question)
    vector, notes = None, tuple[str, ...]()
    if view.encoder and asked.words.strip():
        if encoder is not None and encoder.digest == view.encoder:
            vector = (await encoder.encode(asked.words)).vector
        else:
            notes = (NO_MEANING,)
    return await asyncio.to_thread(_scored, view, found, _Question(asked, vector, tuple(documents)), ranking, notes)


class _Question(NamedTuple):
    asked: syntax.Asked
    vector: Floats | None
    documents: tuple[str, ...]


def _passages(view: View, documents: Sequence[str]) -> list[Found]:
    """All passages of the documents, each row once: documents with the same content share theirs."""
    found: dict[int, Found] = {}
    for document in dict.fromkeys(documents):
        for one in view.passages(document):
            found.setdefault(one.row, one)
        if len(found) > MOST_PASSAGES:
            raise InputError(
                f"These documents have more than {MOST_PASSAGES:,} passages together.", fix="Name fewer of them."
            )
    return list(found.values())


def _scored(view: View, found: list[Found], question: _Question, ranking: Ranking, notes: tuple[str, ...]) -> Scored:
    rows = np.array([one.row for one in found], dtype=np.int64)
    filters = Filters(documents=question.documents)
    lexical = _lexical(view, question, rows, filters)
    dense = np.full(len(rows), np.nan, np.float32)
    vector = question.vector
    if vector is not None and len(rows):
        dense = view.cosines(vector, rows.tolist())
        if np.isnan(dense).any():
            notes = (*notes, "Some passages were compared by words alone: they are not embedded yet.")
            vector = None  # what reads vectors of candidates would not find theirs
    candidates = Candidates(rows, lexical, dense)
    scores = ranking.fusion.scores(candidates)
    if ranking.ordering is not None and question.asked.clause is not None:
        asked = Asked(question.asked.words, vector)
        scores = ranking.ordering.scores(view, asked, candidates, scores, filters)
    return Scored(found, scores.astype(np.float32), lexical, dense, question.asked.words, notes)


def _lexical(view: View, question: _Question, rows: NDArray[np.int64], filters: Filters) -> Floats:
    """BM25 of each passage, NaN where it has none of the words."""
    column = np.full(len(rows), np.nan, np.float32)
    if question.asked.clause is None or not len(rows):
        return column
    hits = view.lexical(telling(question.asked.clause), filters, len(rows))
    place = {row: at for at, row in enumerate(rows.tolist())}
    for row, value in zip(hits.rows.tolist(), hits.scores.tolist(), strict=True):
        if row in place:
            column[place[row]] = value
    return column
