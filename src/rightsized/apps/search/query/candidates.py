"""Gathers what may be worth showing: the best of the lexical and of the dense ranking, every one scored by meaning.

Where something must hold (a phrase, AND, NOT), only what the lexical index lets through is a candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.protocols import Scores, View
from rightsized.apps.search.query.clauses import Clause, Terms
from rightsized.apps.search.rank.fusion import Candidates, joined
from rightsized.apps.search.types import Filters
from rightsized.parsers.stopwords import STOPWORDS

PUNCTUATION = ".,;:!?()'\"“”‘’"
STRICT_FACTOR = 5  # times as many are taken of the lexical ranking where it alone decides what is let through


class Query(NamedTuple):
    """What the rankings are asked: the clause (None without words), the question's vector (None without an encoder),
    whether the clause must hold, and the filters in force.
    """

    clause: Clause | None
    vector: NDArray[np.float32] | None
    strict: bool
    filters: Filters


class Gathered(NamedTuple):
    """`full`: a ranking gave as many as it was asked for, so that there may be more."""

    candidates: Candidates
    full: bool


def gather(view: View, query: Query, limit: int) -> Gathered:
    """The union of the best `limit` of each ranking; cosines of all of them where there is a vector."""
    asked = limit * STRICT_FACTOR if query.strict else limit
    lexical = view.lexical(telling(query.clause), query.filters, asked) if query.clause is not None else _none()
    dense = _none()
    if query.vector is not None and not query.strict:
        dense = view.dense(query.vector, query.filters, limit)
    found = joined(lexical, dense)
    full = len(lexical.rows) >= asked or len(dense.rows) >= limit
    if query.vector is not None:
        found = found._replace(dense=_completed(view, query.vector, found))
    return Gathered(found, full)


def titled(view: View, query: Query, documents: Sequence[str], limit: int) -> Candidates:
    """The best passages of given documents."""
    narrowed = Filters(tuple(documents), query.filters.fields, query.filters.since, query.filters.until)
    return gather(view, query._replace(filters=narrowed), limit).candidates


def merged(first: Candidates, second: Candidates) -> Candidates:
    """Both, each row once, in ascending order of rows."""
    new = ~np.isin(second.rows, first.rows)
    rows = np.concatenate([first.rows, second.rows[new]])
    lexical = np.concatenate([first.lexical, second.lexical[new]])
    dense = np.concatenate([first.dense, second.dense[new]])
    return Candidates(rows, lexical, dense).take(np.argsort(rows, kind="stable"))


def _completed(view: View, vector: NDArray[np.float32], found: Candidates) -> NDArray[np.float32]:
    missing = np.flatnonzero(np.isnan(found.dense))
    column = found.dense.copy()
    if len(missing):
        column[missing] = view.cosines(vector, found.rows[missing].tolist())
    return column


def telling(clause: Clause) -> Clause:
    """A bare question without the words that carry no meaning, unless there are no others: BM25 would rank by them."""
    if not isinstance(clause, Terms) or clause.fuzzy:
        return clause
    words = clause.text.split()
    left = [word for word in words if word.strip(PUNCTUATION).lower() not in STOPWORDS]
    return Terms(" ".join(left)) if left else clause


def _none() -> Scores:
    return Scores(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
