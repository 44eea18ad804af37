"""A logistic model of what is responsive, fitted on the documents that were tagged; NumPy alone.

Fitted by Newton steps with conjugate gradients (Lin, Weng and Keerthi, "Trust region Newton method for logistic
regression", JMLR 2008, without the trust region: steps are halved until the loss falls). Always from zero: the fit
depends on its rows alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.discovery.coding.matrix import Floats, Rows, sums
from rightsized.apps.search.discovery.coding.terms import COLUMNS

STRENGTH = 1.0  # inverse of the regularisation, as scikit-learn's C
NEWTON_STEPS = 30
GRADIENT_STEPS = 40  # of one Newton step
CLOSE = 1e-3  # of the first gradient's length: fitted


class Model(NamedTuple):
    """Weights of words (COLUMNS,), of the vector (dimension,), and the bias."""

    words: Floats
    vector: Floats
    bias: float

    def scores(self, rows: Rows) -> Floats:
        """Log-odds that each row is responsive, float64 (rows,): they order documents and are no calibrated odds."""
        return rows.times(self.words, self.vector) + self.bias


def fit(rows: Rows, responsive: NDArray[np.bool_], strength: float = STRENGTH) -> Model:
    """Fit a model; the responsive and the others weigh the same together, however few the responsive are.

    Raises ValueError where all rows are of one kind.
    """
    positives = int(responsive.sum())
    if not 0 < positives < len(responsive):
        raise ValueError("A model needs documents of both kinds.")
    problem = _Problem(rows, responsive, strength)
    weights = _newton(problem)
    words = np.zeros(COLUMNS)
    words[problem.used] = weights[: len(problem.used)]
    return Model(words, weights[len(problem.used) : -1], float(weights[-1]))


class _Problem:
    """The loss over the columns that the rows have: words first, then the vector, last the bias."""

    def __init__(self, rows: Rows, responsive: NDArray[np.bool_], strength: float) -> None:
        self.used, self._columns = np.unique(rows.columns, return_inverse=True)
        self._rows = rows
        self._row_of = np.repeat(np.arange(len(rows)), np.diff(rows.starts))
        self._signs = np.where(responsive, 1.0, -1.0)
        share = np.where(responsive, 0.5 / responsive.sum(), 0.5 / (~responsive).sum())
        self._weights = strength * len(responsive) * share
        self.size = len(self.used) + rows.vectors.shape[1] + 1

    def times(self, weights: Floats) -> Floats:
        words, vector, bias = self._parts(weights)
        return sums(self._rows.values * words[self._columns], self._rows.starts) + self._rows.vectors @ vector + bias

    def back(self, values: Floats) -> Floats:
        words = np.bincount(self._columns, self._rows.values * values[self._row_of], len(self.used))
        return np.concatenate([words, values @ self._rows.vectors, [values.sum()]])

    def loss(self, weights: Floats) -> float:
        margins = self._signs * self.times(weights)
        return float((self._weights * np.logaddexp(0.0, -margins)).sum() + 0.5 * weights @ weights)

    def gradient(self, weights: Floats) -> tuple[Floats, Floats]:
        """The gradient, and the curvature of each row."""
        chance = 1.0 / (1.0 + np.exp(np.clip(self._signs * self.times(weights), -500, 500)))
        return weights - self.back(self._weights * self._signs * chance), self._weights * chance * (1.0 - chance)

    def _parts(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        at = len(self.used)
        return weights[:at], weights[at:-1], weights[-1]


def _newton(problem: _Problem) -> Floats:
    weights, loss, first = np.zeros(problem.size), np.inf, 0.0
    for _ in range(NEWTON_STEPS):
        gradient, curvature = problem.gradient(weights)
        length = float(np.linalg.norm(gradient))
        first = first or length
        if length <= CLOSE * first:
            break
        step = _direction(problem, gradient, curvature)
        loss = min(loss, problem.loss(weights))
        size = 1.0
        while problem.loss(weights + size * step) > loss and size > 1e-4:
            size /= 2
        weights = weights + size * step
    return weights


def _direction(problem: _Problem, gradient: Floats, curvature: Floats) -> Floats:
    """Conjugate gradients for (curvature) step = -gradient."""
    step = np.zeros_like(gradient)
    left = -gradient
    along, size = left.copy(), float(left @ left)
    enough = 0.01 * size
    for _ in range(GRADIENT_STEPS):
        bent = along + problem.back(curvature * problem.times(along))
        much = size / float(along @ bent)
        step += much * along
        left -= much * bent
        before, size = size, float(left @ left)
        if size <= enough:
            break
        along = left + (size / before) * along
    return step
