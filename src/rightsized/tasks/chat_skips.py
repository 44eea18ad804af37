"""Chooses when a tier is not worth asking: a draft that would be thrown away costs its call and the time.

Chosen on out-of-fold predictions of train rows, before any calibrate row is looked at. A skipped tier has no score, so
the certificate covers skips as it covers everything else about how scores come about.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEWEST = 20  # rows skipped that the choice must rest on
MARGIN = 1.1  # a skip must save this many times what it loses, on rows that chose it


def choose_skips(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    thresholds: tuple[float | None, ...],
    costs: tuple[float, ...],
) -> tuple[float | None, ...]:
    """For each tier the least `before` at which it is asked; None: always ask.

    Skipping saves the tier's cost wherever its answer would be passed on, and loses the next rung's cost wherever it
    would have been accepted.

    Args:
        before, after: float64 (rows, tiers), out-of-fold.
        thresholds: on `after`, as estimated; None never answers.
        costs: one a rung, the last included.
    """
    undecided = np.ones(len(before), np.bool_)
    found: list[float | None] = []
    for k, threshold in enumerate(thresholds):
        accepted = after[:, k] >= (np.inf if threshold is None else threshold)
        skip = None if threshold is None else _skip(before[undecided, k], accepted[undecided], costs[k], costs[k + 1])
        found.append(skip)
        asked = before[:, k] >= (-np.inf if skip is None else skip)
        undecided &= ~(asked & accepted)
    return tuple(found)


def _skip(before: NDArray[np.float64], accepted: NDArray[np.bool_], cost: float, next_cost: float) -> float | None:
    order = np.argsort(before, kind="stable")
    likely, taken = before[order], accepted[order]
    saved = cost * np.cumsum(~taken)
    lost = (next_cost - cost) * np.cumsum(taken) * MARGIN
    ends = np.flatnonzero(np.diff(likely) > 0)  # skipping rows 0..end means asking from likely[end + 1] on
    ends = ends[ends + 1 >= FEWEST]
    if not len(ends) or (saved - lost)[ends].max() <= 0:
        return None
    best = ends[int(np.argmax((saved - lost)[ends]))]
    return float(likely[best + 1])
