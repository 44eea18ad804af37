"""Fits a linear model that orders lists: softmax cross-entropy over the candidates of each question (Cao et al. 2007).

What is constant within a list (the question's length, say) cannot change its order, and gets no weight but through
products with what is not. SciPy is imported inside the function that fits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import DataError

Floats = NDArray[np.float64]
STRENGTH = 10.0  # of the pull of each scaled weight towards its prior
_FLAT = 1e-9  # standard deviation below which a feature says nothing


def fit_listwise(
    features: Sequence[Floats],
    relevant: Sequence[NDArray[np.bool_]],
    *,
    prior: Floats | None = None,
    strength: float = STRENGTH,
) -> Floats:
    """Weights float64 (f,) so that `features @ weights` orders each list.

    Args:
        features: one array (n, f) a list, finite.
        relevant: which of the n are relevant; lists without any, or with nothing else, are left out.
        prior: weights (f,) that the fit is pulled towards; zeros where None.
        strength: of that pull, on weights of features scaled to unit variance.
    Raises:
        DataError: no list says anything, or shapes do not fit.
    """
    from scipy.optimize import minimize

    kept = [i for i, marks in enumerate(relevant) if marks.any() and not marks.all()]
    if not kept:
        raise DataError("No question has a relevant candidate beside others: nothing can be learned of their order.")
    if any(len(features[i]) != len(relevant[i]) for i in kept):
        raise DataError("Features and judgements are not of the same candidates.")
    rows = np.vstack([features[i] for i in kept])
    sizes = np.array([len(relevant[i]) for i in kept])
    first, of = np.concatenate([[0], np.cumsum(sizes)[:-1]]), np.repeat(np.arange(len(kept)), sizes)
    target = np.concatenate([relevant[i] / relevant[i].sum() for i in kept])
    spread = rows.std(axis=0)
    scale = np.where(spread > _FLAT, 1 / np.maximum(spread, _FLAT), 0.0)
    scaled = (rows - rows.mean(axis=0)) * scale
    start = np.zeros(rows.shape[1]) if prior is None else prior * spread

    def loss(x: Floats) -> tuple[float, Floats]:
        scores = scaled @ x
        shifted = scores - np.maximum.reduceat(scores, first)[of]
        mass = np.add.reduceat(np.exp(shifted), first)
        logs = shifted - np.log(mass)[of]
        away = x - start
        value = -(target * logs).sum() + strength * (away @ away)
        return float(value), scaled.T @ (np.exp(logs) - target) + 2 * strength * away

    found: Floats = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found * scale
