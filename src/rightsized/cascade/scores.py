"""What calibration looks at: each row's scores and whether each rung's answer was right. No texts, no labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import DataError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores and correctness of every rung before the last, row by row, in the order of the data.

    Args:
        scores: float64, shape (n, rungs), each in [0, 1]; NaN is allowed and goes up the ladder.
        correct: bool, shape (n, rungs): rung k's answer on this row counts as right.
        groups: one id a row where rows come in clusters (conversations, retries); else empty.
    Raises:
        DataError: shapes differ, a score lies outside [0, 1], or there is no rung.
    """

    scores: Floats
    correct: Bools
    groups: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.scores.ndim != 2 or self.scores.shape[1] == 0 or self.scores.shape != self.correct.shape:
            raise DataError(
                f"Scores of shape {self.scores.shape} and correctness of shape {self.correct.shape} do not match:"
                " both need one row a message and one column a rung."
            )
        if self.correct.dtype != np.bool_:
            raise DataError(f"Correctness must be true or false, not {self.correct.dtype}.")
        with np.errstate(invalid="ignore"):
            outside = (self.scores < 0) | (self.scores > 1)
        if outside.any():
            row, rung = np.argwhere(outside)[0]
            raise DataError(f"The score {self.scores[row, rung]} of rung {rung} on row {row} lies outside [0, 1].")
        if len(self.groups) not in (0, self.n):
            raise DataError(f"There are {len(self.groups)} group ids for {self.n} rows.")

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.scores.shape[0])

    @property
    def rungs(self) -> int:
        """Number of rungs that may answer before the last."""
        return int(self.scores.shape[1])

    def rows(self, index: NDArray[np.intp] | Bools) -> Scores:
        """The rows picked by `index` (numbers or a mask)."""
        chosen = np.flatnonzero(index) if index.dtype == np.bool_ else index
        groups = [self.groups[i] for i in chosen] if self.groups else ()
        return Scores(self.scores[chosen], self.correct[chosen], groups)


def one_row_a_group(groups: Sequence[str], seed: int) -> NDArray[np.intp]:
    """Row numbers, rising: one random row of each group, chosen by a hash that no score or label enters.

    Rows of one conversation share their fate; counted singly, they made a 2% promise fail in 37% of draws.
    """
    best: dict[str, tuple[bytes, int]] = {}
    for row, group in enumerate(groups):
        rank = hashlib.sha256(f"{seed}\0{group}\0{row}".encode("utf-8", "surrogatepass")).digest()
        if group not in best or rank < best[group][0]:
            best[group] = (rank, row)
    return np.array(sorted(row for _, row in best.values()), dtype=np.intp)


def regret(correct: Bools, last_correct: Bools) -> Bools:
    """What counts as right where only regret counts: the rung is right, or the last rung is wrong too.

    Args:
        correct: bool (n, rungs), against the label.
        last_correct: bool (n,), the last rung's answer against the label.

    Without labels, pass `correct` = "same answer as the last rung" to Scores: disagreement bounds regret from above.
    """
    return correct | ~last_correct[:, None]
