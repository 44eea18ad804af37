"""Intervals of a mean over questions by the bootstrap (Efron and Tibshirani 1993), and of a difference of two means.

Questions are drawn with replacement; where they come in groups (several asked of one document), whole groups are drawn,
since questions of one document are not independent. Seeded: the same values give the same interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import DataError
from rightsized.core.frozen import Frozen

DRAWS = 2000
CONFIDENCE = 0.95
_AT_ONCE = 4_000_000  # numbers drawn at a time: 32 MB
Floats = NDArray[np.float64]


class Interval(Frozen, frozen=True):
    """A mean with its interval. `n` questions, `groups` independent units drawn (0 = each question is one)."""

    mean: float
    low: float
    high: float
    n: int
    groups: int = 0


class Difference(Frozen, frozen=True):
    """How much better `b` is than `a` on the same questions. `better` and `worse` count questions."""

    mean: float
    low: float
    high: float
    better: int
    worse: int
    n: int

    @property
    def proven(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low > 0


def interval(values: Sequence[float], groups: Sequence[str] = (), *, seed: int = 0, draws: int = DRAWS) -> Interval:
    """The mean and its BCa interval (bias-corrected and accelerated, Efron 1987) at 95%.

    Args:
        values: one a question, finite.
        groups: the group of each question; none where questions are independent.
        seed, draws: of the bootstrap.
    Raises:
        DataError: no values, values that are not finite, or groups that do not match them.
    """
    sums, sizes = _units(values, groups)
    means = _draws(sums, sizes, seed, draws)
    mean = float(sums.sum() / sizes.sum())
    low, high = _bca(means, mean, sums, sizes)
    return Interval(mean, low, high, len(values), len(sums) if groups else 0)


def compare(
    a: Sequence[float], b: Sequence[float], groups: Sequence[str] = (), *, seed: int = 0, draws: int = DRAWS
) -> Difference:
    """The mean of `b - a` over the same questions, with its BCa interval: the paired bootstrap. Raises DataError."""
    if len(a) != len(b):
        raise DataError(f"{len(a)} values cannot be compared with {len(b)}: they are not of the same questions.")
    gains = np.asarray(b, np.float64) - np.asarray(a, np.float64)
    found = interval(gains.tolist(), groups, seed=seed, draws=draws)
    better, worse = int((gains > 0).sum()), int((gains < 0).sum())
    return Difference(found.mean, found.low, found.high, better, worse, len(a))


def _units(values: Sequence[float], groups: Sequence[str]) -> tuple[Floats, Floats]:
    """Sum of values and number of questions of each unit that is drawn."""
    given = np.asarray(values, np.float64)
    if not len(given) or not np.isfinite(given).all():
        raise DataError("An interval needs at least one value, and all of them finite.")
    if not groups:
        return given, np.ones(len(given))
    if len(groups) != len(given):
        raise DataError(f"{len(groups)} groups do not match {len(given)} values.")
    _, places = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    sums = np.bincount(places, given).astype(np.float64)
    return sums, np.bincount(places).astype(np.float64)


def _draws(sums: Floats, sizes: Floats, seed: int, draws: int) -> Floats:
    random = np.random.default_rng([seed, len(sums)])
    rows = max(1, _AT_ONCE // len(sums))
    means = []
    for start in range(0, draws, rows):
        drawn = random.integers(0, len(sums), (min(rows, draws - start), len(sums)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)


def _bca(means: Floats, mean: float, sums: Floats, sizes: Floats) -> tuple[float, float]:
    if len(sums) < 2 or means.min() == means.max():
        return float(means.min()), float(means.max())
    normal = NormalDist()
    below = ((means < mean).sum() + 0.5 * (means == mean).sum()) / len(means)
    bias = normal.inv_cdf(float(np.clip(below, 1 / (len(means) + 1), len(means) / (len(means) + 1))))
    left = (sums.sum() - sums) / (sizes.sum() - sizes)  # the mean without each unit: the jackknife
    apart = left.mean() - left
    spread = float((apart**2).sum())
    skew = float((apart**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0
    ends = []
    for share in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
        shifted = bias + normal.inv_cdf(share)
        ends.append(float(np.quantile(means, normal.cdf(bias + shifted / (1 - skew * shifted)))))
    return ends[0], ends[1]
