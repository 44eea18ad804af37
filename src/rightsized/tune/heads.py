"""Fits the head on an encoder's vectors: multinomial logistic regression, or one a label where several may apply.

scikit-learn is imported inside functions.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.linear import Floats, LinearHead

ABSENT = -30.0  # logit of a label that the rows fitted on do not have
MAX_STEPS = 1000


def fit_head(
    vectors: Floats,
    targets: NDArray[np.bool_],
    *,
    C: float,
    balanced: bool = False,
    multi_label: bool = False,
    start: LinearHead | None = None,
) -> LinearHead:
    """Fit on unit vectors.

    Args:
        vectors: float32 (n, dimension).
        targets: bool (n, labels); one True a row unless `multi_label`.
        C: inverse strength of regularisation (scikit-learn's C).
        balanced: weigh labels by the inverse of their frequency.
        multi_label: a row may have several labels or none.
        start: a head with the same labels to start from.
    """
    if multi_label:
        return _one_by_one(vectors, targets, C, balanced)
    return _multinomial(vectors, targets, C, balanced, start)


def _multinomial(
    vectors: Floats, targets: NDArray[np.bool_], C: float, balanced: bool, start: LinearHead | None
) -> LinearHead:
    present = np.flatnonzero(targets.any(axis=0))
    weights = np.zeros((targets.shape[1], vectors.shape[1]), dtype=np.float32)
    bias = np.full(targets.shape[1], ABSENT, dtype=np.float32)
    if len(present) == 1:
        bias[present] = 0.0
        return LinearHead(weights, bias)
    best = np.searchsorted(present, targets.argmax(axis=1))
    model = _model(C, balanced)
    if start is not None and len(present) > 2:
        model.warm_start = True
        model.coef_, model.intercept_ = start.weights[present].copy(), start.bias[present].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(vectors, best)
    if len(present) == 2:  # one set of coefficients stands for both
        weights[present[1]], bias[present] = model.coef_[0], (0.0, model.intercept_[0])
        return LinearHead(weights, bias)
    weights[present], bias[present] = model.coef_, model.intercept_
    return LinearHead(weights, bias)


def _one_by_one(vectors: Floats, targets: NDArray[np.bool_], C: float, balanced: bool) -> LinearHead:
    weights = np.zeros((targets.shape[1], vectors.shape[1]), dtype=np.float32)
    bias = np.full(targets.shape[1], ABSENT, dtype=np.float32)
    positives = targets.sum(axis=0)
    bias[positives == len(targets)] = -ABSENT
    for column in np.flatnonzero((positives > 0) & (positives < len(targets))).tolist():
        model = _model(C, balanced)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(vectors, targets[:, column])
        weights[column], bias[column] = model.coef_[0], model.intercept_[0]
    return LinearHead(weights, bias)


def _model(C: float, balanced: bool) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=C, max_iter=MAX_STEPS, class_weight="balanced" if balanced else None)
