"""Chooses, on selection data alone, the order in which configurations are tested and where testing starts.

Selection data are out-of-fold predictions on the training rows. A mistake here costs power, never validity: whatever
the order, the test on the calibration rows wrongly certifies at most delta of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsized.cascade import bounds, grid
from rightsized.cascade.path import Outcomes, outcomes
from rightsized.cascade.scores import Bools, Floats, Ints, Scores
from rightsized.core.types import Promise

STRESS = (1.0, 2.0, 3.0)  # error rates a start must do well under, in multiples of those of the selection data
NEARLY = 0.003  # relative difference of mean certified shares that is not worth a looser start
STEPS = 200  # configurations of a path of several rungs
# What follows the last rung weighs at most this many times the dearest rung while ordering. A person costs thousands of
# times a model: selection data cannot tell shares apart that finely, and rungs below would be asked at random.
MOST_TIMES = 30.0
MOST_ROWS = 20_000  # selection rows beyond this are sampled down: the order no longer changes, the time does


@dataclass(frozen=True, eq=False)
class Path:
    """Configurations in the order of testing, each cheaper than the one before; testing begins at `start`."""

    configurations: Floats
    start: int


@dataclass(frozen=True)
class Test:
    """One test: at most `epsilon` of the errors the promise counts, wrongly passed at most `delta` of the time."""

    promise: Promise
    epsilon: float
    delta: float
    n: int

    def passes(self, local: Ints, wrong: Ints) -> Bools:
        """Whether configurations with these counts are shown to keep the promise; any shape."""
        if self.promise == "wrong_local_rate":
            limit = bounds.critical_errors(np.array(self.n), self.epsilon, self.delta)
            return np.asarray(wrong <= limit, np.bool_)
        table = bounds.critical_errors(np.arange(self.n + 1), self.epsilon, self.delta)
        return np.asarray(wrong <= table[local], np.bool_)

    def p_values(self, local: Ints, wrong: Ints) -> Floats:
        """The exact binomial p-values behind `passes`."""
        trials = np.full_like(local, self.n) if self.promise == "wrong_local_rate" else local
        return bounds.binomial_p_values(wrong, trials, self.epsilon)


def walk(passes: Bools, start: int) -> int:
    """The last configuration of the unbroken run of passes that begins at `start`; -1 where the start fails."""
    failures = np.flatnonzero(~passes[start:])
    return start + (int(failures[0]) if failures.size else len(passes) - start) - 1 if passes[start] else -1


def choose_path(
    test: Test, selection: Scores, costs: tuple[float, ...], *, seed: int, bootstraps: int, least_share: float = 0.0
) -> Path:
    """Grid, order and start for this test, from selection data only.

    Args:
        costs: one a rung and last the last rung's.
        bootstraps: simulated tests that choose the start.
        least_share: no start answers less than this share (a second test, of which nothing can be simulated, has no
            power below it).
    """
    random = np.random.default_rng([seed, 1])
    rows = thinned(selection, random)
    configurations = order(test, rows, costs)
    if rows.rungs == 1 and test.promise == "wrong_local_rate":
        return Path(configurations, 0)  # the risk only grows along the path: strict to loose needs no start
    seen = outcomes(configurations, rows)
    start, kept = best_start(test, simulate(test.n, seen, random, bootstraps), least_share)
    if kept == 0:  # nothing was ever certified: begin where the evidence comes closest
        start = int(np.argmin(expected_p_values(test, *seen.count(), rows.n)))
    return Path(configurations, start)


def thinned(rows: Scores, random: np.random.Generator) -> Scores:
    """The rows, or a random MOST_ROWS of them."""
    if rows.n <= MOST_ROWS:
        return rows
    return rows.rows(np.sort(random.choice(rows.n, MOST_ROWS, replace=False)))


def order(test: Test, rows: Scores, costs: tuple[float, ...]) -> Floats:
    """Configurations from provable to cheap: all levels of one rung, or along the Pareto front of several."""
    dearest = max(costs[:-1])
    points = grid.build(rows, (*costs[:-1], min(costs[-1], MOST_TIMES * dearest) if dearest > 0 else costs[-1]))
    if rows.rungs == 1:
        return points.configurations[::-1]  # strict to loose
    expected = expected_p_values(test, points.local, points.wrong, points.n)
    front, least = [], np.inf
    for point in np.lexsort((expected, points.cost)):  # cheapest first
        if expected[point] < least:
            front.append(point)
            least = expected[point]
    return nested(points.configurations[front[::-1]], rows)


def nested(front: Floats, rows: Scores) -> Floats:
    """The front as a path on which each step answers all that the one before does, from "no rung answers" on.

    Neighbours on a front are chosen by the noise of the selection rows: thresholds jump to and fro, and each jump is
    one more chance to fail. So each rung's thresholds, as ranks among its scores, are replaced by the closest sequence
    that only falls, and the path goes along straight lines between them. It begins before the front, since that begins
    where selection data stop finding errors: where traffic is harder, the proof must begin earlier.
    """
    from scipy.optimize import isotonic_regression

    known = [np.append(np.sort(scores[~np.isnan(scores)]), np.inf) for scores in rows.scores.T]
    ranks = np.stack([np.searchsorted(k, levels) for k, levels in zip(known, front.T, strict=True)]).astype(np.float64)
    never = np.array([[len(k) - 1.0] for k in known])
    falling = np.stack([isotonic_regression(row, increasing=False).x for row in np.hstack([never, ranks])])
    walked = np.concatenate([[0.0], np.abs(np.diff(falling, axis=1)).sum(axis=0).cumsum()])
    at = np.linspace(0.0, walked[-1], STEPS)
    steps = [k[np.rint(np.interp(at, walked, row)).astype(np.int64)] for k, row in zip(known, falling, strict=True)]
    return np.unique(np.stack(steps, axis=1), axis=0)[::-1]


def expected_p_values(test: Test, local: Ints, wrong: Ints, n: int) -> Floats:
    """The p-value at the test's n, were the counts to come out in the proportions of the n selection rows.

    The incomplete beta function carries the binomial distribution on to counts that are not whole numbers.
    """
    from scipy.special import betainc

    scale = test.n / n
    errors = (wrong + 0.5) * scale  # half an error more: zero of few is no proof of perfection
    trials = np.full(len(errors), float(test.n)) if test.promise == "wrong_local_rate" else local * scale
    rest = np.maximum(trials - errors, 1e-9)
    p = betainc(rest, errors + 1, 1 - test.epsilon)
    return np.where(trials - errors <= 0, 1.0, p).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Simulated:
    """Counts of simulated samples, int64 (draws, configurations); `share` each answers, float64 (configurations)."""

    local: Ints
    wrong: Ints
    share: Floats


def simulate(n: int, seen: Outcomes, random: np.random.Generator, draws: int) -> Simulated:
    """Calibration samples of n rows: each draws its own bootstrap of the selection rows, then n rows of that."""
    rows = len(seen.local)
    local, wrong = seen.local.astype(np.float32), seen.wrong.astype(np.float32)
    weights = random.multinomial(rows, np.full(rows, 1 / rows), size=draws) / rows
    counts = random.multinomial(n, weights).astype(np.float32)
    return Simulated(_whole(counts @ local), _whole(counts @ wrong), local.mean(axis=0, dtype=np.float64))


def best_start(test: Test, simulated: Simulated, least_share: float = 0.0) -> tuple[int, float]:
    """The start whose walks certify the largest mean local share, and that share.

    Traffic is harder than training data more often than not, and a start that fails certifies nothing. So the mean is
    taken over the errors as simulated and in STRESS multiples of them, and of nearly equal starts the strictest wins.
    """
    means = np.zeros(len(simulated.share))
    for stress in STRESS:
        wrong = np.minimum(simulated.local, np.rint(stress * simulated.wrong).astype(np.int64))
        passes = test.passes(simulated.local, wrong)
        passes[:, simulated.share < least_share] = False
        means += walked_shares(passes, simulated.share).mean(axis=0) / len(STRESS)
    return int(np.flatnonzero(means >= (1 - NEARLY) * means.max())[0]), float(means.max())


def walked_shares(passes: Bools, share: Floats) -> Floats:
    """The local share that a walk from each start ends with, 0 where the start fails; shape of `passes`."""
    gained = np.zeros(passes.shape)
    ahead = np.zeros(len(passes))
    for at in range(passes.shape[1] - 1, -1, -1):
        ahead = np.where(passes[:, at], np.where(ahead > 0, ahead, share[at]), 0.0)
        gained[:, at] = ahead
    return gained


def _whole(counts: NDArray[np.float32]) -> Ints:
    return np.rint(counts).astype(np.int64)
