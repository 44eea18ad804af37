"""Joins the raw scores of both models into probabilities: temperatures and the weight of each, by least log-loss.

The combination is a weighted geometric mean of two tempered softmaxes, which is one softmax of a weighted sum of raw
scores: the log-loss is convex in the weights. On banking77 it beat the arithmetic mean (see dev/LOG.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.linear import Floats

Doubles = NDArray[np.float64]
MOST_ROWS = 6_000  # rows the few weights are fitted on
WORTH = 0.002  # relative gain in log-loss below which the n-gram model is left out of the encoder rung


class Scales(NamedTuple):
    """Weights of margins and logits, and an offset (several labels only)."""

    ngram: float
    head: float
    offset: float = 0.0


def combined(scales: Scales, margins: Floats | Doubles, logits: Floats | Doubles, multi_label: bool) -> Doubles:
    """Probabilities float64 (n, labels)."""
    raw = scales.ngram * margins.astype(np.float64) + scales.head * logits.astype(np.float64) + scales.offset
    if multi_label:
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(raw, -500, 500))))
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    probabilities: Doubles = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def log_loss(probabilities: Doubles, targets: NDArray[np.bool_], multi_label: bool) -> float:
    """Mean negative log-likelihood; summed over labels where several may apply."""
    if multi_label:
        inside = np.clip(probabilities, 1e-6, 1.0 - 1e-6)
        return float(-np.where(targets, np.log(inside), np.log1p(-inside)).sum(axis=1).mean())
    own = probabilities[np.arange(len(probabilities)), targets.argmax(axis=1)]
    return float(-np.log(np.clip(own, 1e-6, 1.0)).mean())


def fit_scales(margins: Floats, logits: Floats, targets: NDArray[np.bool_], multi_label: bool) -> tuple[Scales, Scales]:
    """Scales of the n-gram rung and of the encoder rung, on out-of-fold raw scores.

    The n-gram model is left out of the encoder rung where it brings next to nothing.
    """
    if len(margins) > MOST_ROWS:
        rows = np.linspace(0, len(margins) - 1, MOST_ROWS).astype(np.intp)
        margins, logits, targets = margins[rows], logits[rows], targets[rows]
    problem = _Problem(margins.astype(np.float64), logits.astype(np.float64), targets, multi_label)
    ngram, _ = problem.least(use_ngram=True, use_head=False)
    alone, alone_loss = problem.least(use_ngram=False, use_head=True)
    both, both_loss = problem.least(use_ngram=True, use_head=True)
    return ngram, both if both_loss < alone_loss * (1.0 - WORTH) else alone


class _Problem:
    def __init__(self, margins: Doubles, logits: Doubles, targets: NDArray[np.bool_], multi_label: bool) -> None:
        self.margins, self.logits, self.targets, self.multi_label = margins, logits, targets, multi_label
        self.rows, self.own = np.arange(len(margins)), targets.argmax(axis=1)

    def least(self, *, use_ngram: bool, use_head: bool) -> tuple[Scales, float]:
        """The scales of least log-loss, with weights of at least 0, and that loss."""
        from scipy.optimize import minimize

        bounds = [(0.0, 60.0 if use_ngram else 0.0), (0.0, 20.0 if use_head else 0.0)]
        bounds.append((-8.0, 8.0) if self.multi_label else (0.0, 0.0))
        start = np.array([4.0 * use_ngram, 1.0 * use_head, 0.0])
        found = minimize(self._loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return Scales(*(float(value) for value in found.x)), float(found.fun)

    def _loss(self, x: Doubles) -> tuple[float, Doubles]:
        scales = Scales(*x.tolist())
        probabilities = combined(scales, self.margins, self.logits, self.multi_label)
        excess = probabilities - self.targets
        gradient = np.array([(excess * self.margins).sum(), (excess * self.logits).sum(), excess.sum()])
        if not self.multi_label:
            gradient[2] = 0.0
        return log_loss(probabilities, self.targets, self.multi_label), gradient / len(self.margins)
