"""The grid of thresholds, and what every point of it would have done on the selection data.

Counts come from cumulative histograms, so that a grid of thousands of points costs one pass over the rows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from rightsized.cascade.scores import Floats, Ints, Scores

# Points a rung by number of rungs. Finer than this gained nothing measurable; the size of the grid is their power.
RESOLUTION = {1: 400, 2: 80, 3: 20}
COARSEST = 8


@dataclass(frozen=True, eq=False)
class Grid:
    """Every combination of threshold levels with its counts on n rows; arrays of length (points)."""

    configurations: Floats
    local: Ints
    wrong: Ints
    cost: Floats
    n: int


def levels(scores: Floats, points: int) -> Floats:
    """Threshold levels of one rung, rising: score quantiles, then 0 in front and infinity ("never") at the end."""
    finite = scores[~np.isnan(scores)]
    if not finite.size:
        return np.array([0.0, np.inf])
    at = np.linspace(0, 1, points)
    return np.unique(np.concatenate([[0.0, np.inf], np.quantile(finite, at, method="inverted_cdf")]))


def build(rows: Scores, costs: tuple[float, ...], points: int | None = None) -> Grid:
    """Lay the grid over the selection rows and count.

    Args:
        rows: selection data.
        costs: one a rung and last the last rung's.
        points: levels a rung; None takes RESOLUTION.
    """
    points = points or RESOLUTION.get(rows.rungs, COARSEST)
    axes = [levels(rows.scores[:, rung], points) for rung in range(rows.rungs)]
    bins = [_bins(rows.scores[:, rung], axis) for rung, axis in enumerate(axes)]
    shape = tuple(len(axis) for axis in axes)
    undecided = np.full((1,) * rows.rungs, rows.n, np.int64)
    wrong, cost = np.zeros(shape, np.int64), np.zeros(shape)
    for rung in range(rows.rungs):
        asked = np.isfinite(axes[rung]).reshape((-1,) + (1,) * (rows.rungs - rung - 1))  # not where it never answers
        cost = cost + costs[rung] * asked * undecided / rows.n
        wrong = wrong + _wrong_here(bins[: rung + 1], shape[: rung + 1], rows, rung)
        undecided = _padded(_cumulative(bins[: rung + 1], shape[: rung + 1]), rows.rungs)
    cost = cost + costs[-1] * undecided / rows.n
    local = np.broadcast_to(rows.n - undecided, shape)
    configurations = np.array(list(itertools.product(*axes)), np.float64)
    return Grid(configurations, local.reshape(-1), wrong.reshape(-1), np.broadcast_to(cost, shape).reshape(-1), rows.n)


def _bins(scores: Floats, axis: Floats) -> Ints:
    """For each score the position of the first level above it: the rung answers at every level before that."""
    position = np.searchsorted(axis, scores, side="right").astype(np.int64)
    return np.where(np.isnan(scores), 0, position)


def _cumulative(bins: list[Ints], shape: tuple[int, ...], weights: Floats | None = None) -> Floats | Ints:
    """At each grid point, the rows that no rung so far answers there."""
    edges = tuple(size + 1 for size in shape)  # a bin for scores below every level
    flat = np.ravel_multi_index(tuple(bins), edges)
    counts = np.bincount(flat, weights=weights, minlength=int(np.prod(edges))).reshape(edges)
    for dimension in range(len(shape)):
        counts = counts.cumsum(axis=dimension)
    return counts[tuple(slice(0, size) for size in shape)]


def _wrong_here(bins: list[Ints], shape: tuple[int, ...], rows: Scores, rung: int) -> Ints:
    """At each grid point, the rows that this rung answers wrongly after all rungs before it passed."""
    weights = (~rows.correct[:, rung]).astype(np.float64)
    passed = _cumulative(bins, shape, weights)
    reached = _cumulative(bins[:-1], shape[:-1], weights) if rung else np.array(weights.sum())
    return _padded(np.rint(reached[..., None] - passed).astype(np.int64), rows.rungs)


def _padded(counts: Floats | Ints, rungs: int) -> Ints:
    padded = counts.reshape(counts.shape + (1,) * (rungs - counts.ndim))
    return np.asarray(padded, np.int64)
