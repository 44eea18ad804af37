"""Figures without a promise: thresholds chosen on out-of-fold predictions, and how many labels a test would need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsized.cascade import bounds, grid
from rightsized.cascade.path import Thresholds, as_configuration, as_thresholds, outcomes
from rightsized.cascade.plan import Plan
from rightsized.cascade.scores import Scores, one_row_a_group
from rightsized.cascade.selection import Test, best_start, order, simulate, thinned, walked_shares
from rightsized.core.types import Interval, Promise

FEWEST_LOCAL = 10  # rows answered here that a threshold must rest on; fewer say nothing about an error rate
FOLDS = 5
NEEDED_DRAWS = 200  # simulated tests for each number of labels tried
NEEDED_CHANCE = 0.9  # a number of labels "would do" where this share of simulated tests certifies ...
NEEDED_SHARE = 0.5  # ... at least this part of what the estimate answers here
NEEDED_SIZES = tuple(round(50 * 1.25**step, -1) for step in range(30))  # 50 to about 32,000 labels


@dataclass(frozen=True)
class Counts:
    """Rows, rows answered here, and rows answered here and wrong."""

    n: int
    m: int
    errors: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.n + other.n, self.m + other.m, self.errors + other.errors)

    def selective_error(self) -> Interval:
        """Share of the answers given here that are wrong."""
        return bounds.clopper_pearson(self.errors, self.m)

    def wrong_local_rate(self) -> Interval:
        """Share of all requests that are answered here and wrong."""
        return bounds.clopper_pearson(self.errors, self.n)

    def local_share(self) -> Interval:
        """Share of all requests answered here; for thresholds that these rows did not choose."""
        return bounds.clopper_pearson(self.m, self.n)


def count(thresholds: Thresholds, rows: Scores) -> Counts:
    """Apply one configuration to rows."""
    local, wrong = outcomes(as_configuration(thresholds)[None, :], rows).count()
    return Counts(rows.n, int(local[0]), int(wrong[0]))


def estimate_thresholds(promise: Promise, epsilon: float, rows: Scores, costs: tuple[float, ...]) -> Thresholds:
    """The cheapest configuration whose error on these rows is within epsilon; all None where there is none."""
    points = grid.build(rows, costs)
    trials = points.local if promise == "selective_error" else np.full_like(points.local, points.n)
    within = (points.wrong <= epsilon * trials) & (points.local >= FEWEST_LOCAL)
    if not within.any():
        return (None,) * rows.rungs
    cheapest = np.lexsort((points.wrong, np.where(within, points.cost, np.inf)))[0]
    return as_thresholds(points.configurations[cheapest])


def cross_fitted(promise: Promise, epsilon: float, rows: Scores, costs: tuple[float, ...], seed: int) -> Counts:
    """Counts on rows that did not choose their threshold: it is chosen on four fifths and counted on the fifth."""
    fold = np.random.default_rng([seed, 2]).permutation(rows.n) % FOLDS
    total = Counts(0, 0, 0)
    for held in range(min(FOLDS, rows.n)):
        thresholds = estimate_thresholds(promise, epsilon, rows.rows(fold != held), costs)
        total += count(thresholds, rows.rows(fold == held))
    return total


def fresh_labels_needed(test: Test, selection: Scores, costs: tuple[float, ...], seed: int, share: float) -> int | None:
    """The fewest labels with which most simulated tests certify at least half of `share`; None beyond the largest size.

    Simulates on the selection data, so it believes them: an estimate, not a promise.
    """
    random = np.random.default_rng([seed, 3])
    rows = thinned(selection, random)
    low, high = 0, len(NEEDED_SIZES)  # bisection: the chance grows with n
    while low < high:
        middle = (low + high) // 2
        sized = Test(test.promise, test.epsilon, test.delta, int(NEEDED_SIZES[middle]))
        if _chance(sized, rows, costs, random, share) >= NEEDED_CHANCE:
            high = middle
        else:
            low = middle + 1
    return int(NEEDED_SIZES[low]) if low < len(NEEDED_SIZES) else None


def can_certify(plan: Plan, selection: Scores, n: int) -> bool:
    """Whether any of NEEDED_DRAWS simulated tests on n rows certifies anything, by selection data alone."""
    random = np.random.default_rng([plan.seed, 4])
    picked = one_row_a_group(selection.groups, plan.seed) if selection.groups else np.arange(selection.n)
    rows = thinned(selection.rows(picked), random)
    test = Test(plan.promise, plan.epsilon, plan.delta_main, n)
    simulated = simulate(n, outcomes(order(test, rows, plan.costs), rows), random, NEEDED_DRAWS)
    return bool((test.passes(simulated.local, simulated.wrong) & (simulated.local > 0)).any())


def _chance(test: Test, rows: Scores, costs: tuple[float, ...], random: np.random.Generator, share: float) -> float:
    simulated = simulate(test.n, outcomes(order(test, rows, costs), rows), random, NEEDED_DRAWS)
    strict = rows.rungs == 1 and test.promise == "wrong_local_rate"
    start = 0 if strict else best_start(test, simulated)[0]
    passes = test.passes(simulated.local, simulated.wrong)
    return float((walked_shares(passes, simulated.share)[:, start] >= NEEDED_SHARE * share).mean())
