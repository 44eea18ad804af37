"""From the lists of several rankings to one score a candidate: the slot that `query` fills and `rank.learned` refines.

A fusion sees candidates, never the index: what it scores has already passed access control and filters.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.protocols import Scores
from rightsized.core.frozen import Frozen

Floats = NDArray[np.float32]
DENSE_WEIGHT = 0.5


class Candidates(NamedTuple):
    """What the rankings found for one question, without repeats.

    `rows` int64 (n,); `lexical` BM25 and `dense` cosine, float32 (n,), NaN where that ranking did not score the row.
    """

    rows: NDArray[np.int64]
    lexical: Floats
    dense: Floats

    def take(self, places: NDArray[np.intp] | slice) -> Candidates:
        """Those at these places."""
        return Candidates(self.rows[places], self.lexical[places], self.dense[places])


class Fusion(Protocol):
    """Orders candidates."""

    @property
    def digest(self) -> str:
        """`sha256:...` of all that the scores depend on."""
        ...

    def scores(self, candidates: Candidates) -> Floats:
        """float32 (n,) in [0, 1]: the greater, the earlier."""
        ...


class WeightedFusion(Frozen, frozen=True):
    """Weighted sum of both scores, each stretched to [0, 1] over the candidates (Bruch, Gai and Ingber 2023).

    A candidate that a ranking did not score has there the score of its worst one.
    """

    dense: float = DENSE_WEIGHT

    @property
    def digest(self) -> str:
        """`sha256:...` of the weight."""
        return "sha256:" + hashlib.sha256(f"min-max {self.dense!r}".encode()).hexdigest()

    def scores(self, candidates: Candidates) -> Floats:
        """float32 (n,) in [0, 1]."""
        lexical, dense = stretched(candidates.lexical), stretched(candidates.dense)
        return ((1 - self.dense) * lexical + self.dense * dense).astype(np.float32)


def stretched(scores: Floats) -> Floats:
    """Scores from 0 (the worst there is, or none) to 1 (the best), float32 (n,)."""
    known = np.isfinite(scores)
    if not known.any():
        return np.zeros(len(scores), np.float32)
    low, high = scores[known].min(), scores[known].max()
    if high <= low:
        return known.astype(np.float32)
    return np.where(known, (scores - low) / (high - low), 0.0).astype(np.float32)


def joined(lexical: Scores, dense: Scores) -> Candidates:
    """The candidates of two rankings, in ascending order of rows."""
    rows = np.union1d(lexical.rows, dense.rows)
    columns = []
    for found in (lexical, dense):
        column = np.full(len(rows), np.nan, np.float32)
        column[np.searchsorted(rows, found.rows)] = found.scores
        columns.append(column)
    return Candidates(rows, columns[0], columns[1])
