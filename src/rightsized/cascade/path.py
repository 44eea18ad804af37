"""Configurations of thresholds in a fixed order, and what each would have done with given rows.

A threshold of infinity means "this rung never answers". Comparisons are `>=`; NaN is below every threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsized.cascade.scores import Bools, Floats, Ints, Scores

Thresholds = tuple[float | None, ...]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What each configuration does with each row: arrays of shape (n, configurations)."""

    local: Bools
    wrong: Bools

    def count(self) -> tuple[Ints, Ints]:
        """Rows answered here, and rows answered here and wrong, for each configuration."""
        return self.local.sum(axis=0, dtype=np.int64), self.wrong.sum(axis=0, dtype=np.int64)


def outcomes(configurations: Floats, rows: Scores, member: Bools | None = None) -> Outcomes:
    """Apply every configuration to every row.

    Args:
        configurations: float64, shape (configurations, rungs).
        rows: n rows.
        member: bool, shape (n, rungs): answers of rung k on row i count only where true. None counts all.
    """
    shape = (rows.n, len(configurations))
    undecided = np.ones(shape, np.bool_)
    local, wrong = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for rung in range(rows.rungs):
        takes = undecided & (rows.scores[:, rung, None] >= configurations[None, :, rung])
        undecided &= ~takes
        if member is not None:
            takes &= member[:, rung, None]
        local |= takes
        wrong |= takes & ~rows.correct[:, rung, None]
    return Outcomes(local, wrong)


def mean_costs(configurations: Floats, rows: Scores, costs: tuple[float, ...]) -> Floats:
    """Mean cost a request of each configuration: every rung asked is paid for, wasted drafts included.

    A rung that never answers is not asked.

    Args:
        costs: one a rung, and last the cost of the last rung, all in one unit.
    """
    undecided = np.ones((rows.n, len(configurations)), np.bool_)
    total = np.zeros(len(configurations))
    for rung in range(rows.rungs):
        total += costs[rung] * undecided.mean(axis=0) * np.isfinite(configurations[:, rung])
        undecided &= ~(rows.scores[:, rung, None] >= configurations[None, :, rung])
    return np.asarray(total + costs[-1] * undecided.mean(axis=0), np.float64)


def nested_runs(configurations: Floats) -> int:
    """Into how many stretches of truly nested local sets the order falls (1 = each contains the one before)."""
    if len(configurations) < 2:
        return 1
    looser = (configurations[1:] <= configurations[:-1]).all(axis=1)
    return int(1 + (~looser).sum())


def as_thresholds(configuration: NDArray[np.float64]) -> Thresholds:
    """The configuration as users see it: None where a rung never answers."""
    return tuple(float(t) if np.isfinite(t) else None for t in configuration)


def as_configuration(thresholds: Thresholds) -> Floats:
    """The inverse of `as_thresholds`."""
    return np.array([np.inf if t is None else t for t in thresholds], np.float64)
