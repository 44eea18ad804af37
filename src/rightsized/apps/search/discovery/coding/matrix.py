"""Documents as rows of numbers: words weighted by how rare they are in the set, and the mean vector of the passages.

Rows are kept sparse; products add up in a fixed order, so that equal inputs give equal scores.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.discovery.coding.terms import COLUMNS, Joined

VECTOR_SHARE = 0.5  # length of the vector beside that of the words, which is 1
RAREST = 2  # documents that must have a word; one that a single document has tells nothing of others

Floats = NDArray[np.float64]


class Rows(NamedTuple):
    """Documents: row r has `columns[starts[r]:starts[r + 1]]` with those `values`, and `vectors[r]`.

    columns int64 (n,), values float64 (n,), starts int64 (rows + 1,), vectors float64 (rows, dimension).
    """

    columns: NDArray[np.int64]
    values: Floats
    starts: NDArray[np.int64]
    vectors: Floats

    def __len__(self) -> int:
        return len(self.starts) - 1

    def times(self, words: Floats, vector: Floats) -> Floats:
        """The product with a weight a column (COLUMNS,) and a weight a dimension, (rows,)."""
        dense: Floats = np.einsum("rd,d->r", self.vectors, vector)
        return sums(self.values * words[self.columns], self.starts) + dense


def sums(values: Floats, starts: NDArray[np.int64]) -> Floats:
    """The sum of each row's values."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(total[starts[1:]] - total[starts[:-1]], dtype=np.float64)


class Rareness:
    """Counts in how many documents each word is; gives its weight, log(n / count), 0 for words of one alone."""

    def __init__(self) -> None:
        self.documents = 0
        self._counts = np.zeros(COLUMNS, dtype=np.int64)

    def add(self, columns: NDArray[np.uint32], documents: int) -> None:
        """The columns of some documents, one after the other."""
        self._counts += np.bincount(columns, minlength=COLUMNS)
        self.documents += documents

    def weights(self) -> Floats:
        """float64 (COLUMNS,)."""
        known = self._counts >= RAREST
        return np.where(known, np.log(max(self.documents, 1) / np.maximum(self._counts, 1)), 0.0)


def rows(found: Joined, vectors: NDArray[np.float32], weights: Floats) -> Rows:
    """Documents with their words of length 1 together, and their vectors of length VECTOR_SHARE.

    Args:
        vectors: float32 (documents, dimension); zeros where a document has none.
        weights: float64 (COLUMNS,), how much each word counts.
    """
    columns, starts = found.columns.astype(np.int64), found.starts
    values = (1.0 + np.log(found.counts.astype(np.float64))) * weights[columns]
    lengths = np.sqrt(sums(values * values, starts))
    values = values / np.repeat(np.where(lengths > 0, lengths, 1.0), np.diff(starts))
    norms = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    scaled = VECTOR_SHARE * vectors / np.where(norms > 0, norms, 1.0)
    return Rows(columns, values, starts, scaled.astype(np.float64))
