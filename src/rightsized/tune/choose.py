"""Fits which of several models to ask: the score expected of each on a prompt, from one ridge regression.

Choosing is then `argmax(score - price * cost)`: the price says what a unit of cost is worth in score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.fusion import Floats, Head

PENALTIES = (100.0, 300.0, 1000.0, 3000.0)
PRICES = 200  # levels of the price that are tried


@dataclass(frozen=True, eq=False)
class ScoreModel:
    """Expected scores, linear in the scaled features.

    Args:
        centre, scale: float64 (features,).
        weights: float64 (features, models); bias: float64 (models,).
        out_of_fold: float64 (n, models), for the training rows.
    """

    centre: Floats
    scale: Floats
    weights: Floats
    bias: Floats
    out_of_fold: Floats

    def expected(self, features: Floats) -> Floats:
        """Expected scores of rows, float64 (rows, models)."""
        return _scaled(features, self.centre, self.scale) @ self.weights + self.bias


def fit_scores(features: Floats, scores: Floats, folds: NDArray[np.intp]) -> ScoreModel:
    """Fit, with the penalty of least squared error out-of-fold.

    Args:
        features: float64 (n, features).
        scores: float64 (n, models).
        folds: int (n,).
    """
    held = np.zeros((len(PENALTIES), *scores.shape))
    for fold in np.unique(folds):
        out = folds == fold
        for at, found in enumerate(_ridge(features[~out], scores[~out])):
            held[at, out] = _scaled(features[out], found[0], found[1]) @ found[2] + found[3]
    best = int(np.argmin(((held - scores) ** 2).mean(axis=(1, 2))))
    return ScoreModel(*_ridge(features, scores)[best], held[best])


def choose(expected: Floats, costs: Floats, price: float) -> NDArray[np.intp]:
    """The model to ask for each row: best expected score, less its cost at this price."""
    return np.asarray((expected - price * costs[None, :]).argmax(axis=1), np.intp)


def price_within(expected: Floats, scores: Floats, costs: Floats, budget: float) -> float:
    """The price with the best mean score on these rows among those whose mean cost is within `budget`."""
    spread = float(expected.max() - expected.min()) / max(float(costs.min()), 1e-9)
    prices = [0.0, *np.geomspace(1e-6, 1.0, PRICES) * spread]
    rows = np.arange(len(expected))
    chosen = [choose(expected, costs, price) for price in prices]
    within = [costs[picked].mean() <= budget for picked in chosen]
    means = [scores[rows, picked].mean() if ok else -np.inf for picked, ok in zip(chosen, within, strict=True)]
    return float(prices[int(np.argmax(means))]) if any(within) else float(prices[-1])


def _ridge(features: Floats, scores: Floats) -> list[tuple[Floats, Floats, Floats, Floats]]:
    """Centre, scale, weights and bias for each penalty."""
    centre, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > 1e-9, 1 / np.maximum(spread, 1e-9), 0.0)
    scaled, bias = _scaled(features, centre, scale), scores.mean(axis=0)
    values, directions = np.linalg.eigh(scaled.T @ scaled)
    projected = directions.T @ (scaled.T @ (scores - bias))
    centred = [directions @ (projected / (np.maximum(values, 0)[:, None] + penalty)) for penalty in PENALTIES]
    return [(centre, scale, weights, bias) for weights in centred]


def _scaled(features: Floats, centre: Floats, scale: Floats) -> Floats:
    return np.asarray(np.clip((features - centre) * scale, -Head.CUT, Head.CUT), np.float64)
