"""Fits what tells right answers from wrong ones on a collection's own judged questions: logistic regression, ridge.

Four numbers and a constant, by Newton's method in NumPy: small enough to read, and to fit on a hundred questions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.answer.choosing import DEFAULT, SIGNALS, Floats, Weights, probability

RIDGE = 3.0  # on standardised signals
STEPS = 50
FOLDS = 5
FEWEST = 20  # right and wrong answers that a fit needs, each


def fit(rows: Floats, right: NDArray[np.bool_]) -> Weights:
    """Weights whose probability fits these answers.

    Args:
        rows: signals, float64 (n, len(SIGNALS)).
        right: bool (n,).
    """
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    standard = np.column_stack([(rows - mean) / spread, np.ones(len(rows))])
    penalty = np.append(np.full(len(SIGNALS), RIDGE), 1e-6)
    weights = np.zeros(len(SIGNALS) + 1)
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-np.clip(standard @ weights, -30, 30)))
        gradient = standard.T @ (likely - right) + penalty * weights
        curvature = (standard * (likely * (1 - likely))[:, None]).T @ standard + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step
        if float(np.abs(step).max()) < 1e-8:
            break
    own = weights[:-1] / spread
    confidence = {name: float(value) for name, value in zip(SIGNALS, own, strict=True)}
    return Weights(DEFAULT.order, {"bias": float(weights[-1] - own @ mean), **confidence})


def enough(right: NDArray[np.bool_]) -> bool:
    """Whether there are right and wrong answers enough to fit on."""
    return bool(FEWEST <= right.sum() <= len(right) - FEWEST)


def folds(n: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row, int64 (n,)."""
    return np.random.default_rng([seed, 7]).permutation(n) % FOLDS


def out_of_fold(rows: Floats, right: NDArray[np.bool_], seed: int) -> Floats:
    """The probability of each row by weights that were fitted without it, float64 (n,)."""
    found, fold = np.empty(len(rows)), folds(len(rows), seed)
    for held in range(FOLDS):
        some = fold == held
        found[some] = probabilities(rows[some], fit(rows[~some], right[~some]))
    return found


def probabilities(rows: Floats, weights: Weights) -> Floats:
    """The probability of each row, float64 (n,): what `choosing.probability` says, for many."""
    return np.array([probability(row, weights) for row in rows], np.float64)
