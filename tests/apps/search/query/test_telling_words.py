"""Words without meaning stay out of a bare question's BM25, and out of nothing else."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from rightsized.apps.search.protocols import Scores, View
from rightsized.apps.search.query.candidates import Query, gather
from rightsized.apps.search.query.clauses import And, Clause, Phrase, Terms
from rightsized.apps.search.types import Filters


class Listening:
    """A view that remembers what BM25 was asked."""

    def __init__(self) -> None:
        self.asked: list[Clause] = []

    def lexical(self, clause: Clause, filters: Filters, limit: int) -> Scores:
        self.asked.append(clause)
        return Scores(np.empty(0, np.int64), np.empty(0, np.float32))


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        (Terms("When does the lease end?"), Terms("lease end?")),
        (Terms("(What) is “the” fee"), Terms("fee")),
        (Terms("who are you"), Terms("who are you")),  # there are no others
        (Terms("Vitamin A"), Terms("Vitamin")),
        (Phrase("to be or not to be"), Phrase("to be or not to be")),
        (Terms("the fee", fuzzy=True), Terms("the fee", fuzzy=True)),
        (And((Terms("the"), Terms("fee"))), And((Terms("the"), Terms("fee")))),
    ],
)
def test_what_is_asked_of_bm25(clause: Clause, expected: Clause) -> None:
    view = Listening()
    gather(cast(View, cast(Any, view)), Query(clause, None, False, Filters()), 10)
    assert view.asked == [expected]
