"""Exact binomial tests and intervals. Nothing here knows of thresholds, rungs or promises.

SciPy is imported inside the functions: only fitting needs it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rightsized.core.types import Interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def binomial_p_values(errors: ArrayLike, trials: ArrayLike, epsilon: float) -> Floats:
    """P(Bin(trials, epsilon) <= errors): the p-value against "the error rate exceeds epsilon"; 1 where trials = 0.

    Args:
        errors: whole numbers in [0, trials], any shape that broadcasts with `trials`.
        trials: whole numbers >= 0.
        epsilon: the rate under test, in (0, 1).
    """
    from scipy.special import bdtr

    e, m = np.broadcast_arrays(np.asarray(errors, np.float64), np.asarray(trials, np.float64))
    return np.where(m == 0, 1.0, bdtr(e, m.astype(np.int64), epsilon)).astype(np.float64)


def critical_errors(trials: ArrayLike, epsilon: float, delta: float) -> Ints:
    """The largest number of errors whose p-value is at most delta, for each number of trials; -1 where none is.

    `errors <= critical_errors(trials)` is the same event as `binomial_p_values(errors, trials) <= delta`.
    """
    m = np.asarray(trials, np.int64)
    spread = np.sqrt(m * epsilon * (1 - epsilon))
    critical = np.floor(m * epsilon - spread * math.sqrt(max(0.0, -2 * math.log(max(delta, 1e-300))))).astype(np.int64)
    critical = np.clip(critical, -1, m)
    while True:  # climbs to the largest error count that still rejects
        higher = np.minimum(critical + 1, m)
        climb = (higher > critical) & (binomial_p_values(higher, m, epsilon) <= delta)
        if not climb.any():
            break
        critical = np.where(climb, higher, critical)
    while True:  # the guess above may start too high
        drop = (critical >= 0) & (binomial_p_values(np.maximum(critical, 0), m, epsilon) > delta)
        if not drop.any():
            return np.asarray(critical, np.int64)
        critical = np.where(drop, critical - 1, critical)


def smallest_trials(epsilon: float, delta: float) -> int:
    """The fewest error-free trials that reject "rate > epsilon" at level delta: 149 for 2% at 5%."""
    return math.ceil(math.log(delta) / math.log1p(-epsilon) - 1e-12)


def clopper_pearson(errors: int, trials: int, level: float = 0.95) -> Interval:
    """Two-sided exact interval for a rate (Clopper and Pearson 1934); [0, 1] where trials = 0."""
    if trials == 0:
        return Interval(value=0.0, low=0.0, high=1.0, n=0, level=level)
    tail = (1 - level) / 2
    low = 1 - upper_bound(trials - errors, trials, tail)
    return Interval(value=errors / trials, low=low, high=upper_bound(errors, trials, tail), n=trials, level=level)


def upper_bound(errors: int, trials: int, delta: float) -> float:
    """One-sided exact upper bound for a rate, wrong at most delta of the time; 1 where trials = 0."""
    if errors >= trials:
        return 1.0
    from scipy.special import betaincinv

    return float(betaincinv(errors + 1, trials - errors, 1 - delta))


def dkw_interval(share: float, n: int, families: int = 1, level: float = 0.95) -> Interval:
    """Interval for a share read off at a threshold that was chosen on the same n rows.

    Holds for all thresholds at once (Dvoretzky, Kiefer, Wolfowitz 1956, constant of Massart 1990), and by a union
    bound for several families of nested sets.
    """
    if n == 0:
        return Interval(value=share, low=0.0, high=1.0, n=0, level=level)
    half = math.sqrt(math.log(2 * families / (1 - level)) / (2 * n))
    return Interval(value=share, low=max(0.0, share - half), high=min(1.0, share + half), n=n, level=level)
