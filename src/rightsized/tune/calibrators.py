"""Fits score calibrators on out-of-fold features and picks one by nested cross-fitting.

SciPy and scikit-learn are imported inside functions.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.confidence import Confidence

Doubles = NDArray[np.float64]
Form = Literal["probability", "isotonic", "logistic"]
FEW_ERRORS = 10  # with fewer wrong (or right) rows nothing is fitted beyond the temperature
# The direction in which each feature may move the score, in the order of FEATURES: more log-odds, margin, energy,
# nearness and agreement never lower it, more unknown n-grams never raise it. In-scope rows alone would let the signs
# turn, and messages unlike any seen in training would then score higher.
SIGNS = (1, 1, 1, 1, -1, 1)
FORMS: tuple[Form, ...] = ("probability", "isotonic", "logistic")


def fit_confidence(features: Doubles, right: NDArray[np.bool_], folds: NDArray[np.intp]) -> Confidence:
    """The form with the least held-out log-loss, fitted on all rows.

    Args:
        features: out-of-fold, float64 (n, 6).
        right: bool (n,).
        folds: int (n,); the same folds as the features'.
    """
    if min(int(right.sum()), int((~right).sum())) < FEW_ERRORS:
        return Confidence()
    losses = {form: nested_loss(form, features, right, folds) for form in FORMS}
    return fit_form(min(FORMS, key=lambda form: losses[form]), features, right)


def nested_scores(form: Form, features: Doubles, right: NDArray[np.bool_], folds: NDArray[np.intp]) -> Doubles:
    """Scores of each row by a calibrator fitted on the other folds."""
    scores = np.empty(len(right))
    for fold in np.unique(folds):
        held = folds == fold
        confidence = fit_form(form, features[~held], right[~held])
        scores[held] = [confidence.score(row) for row in features[held].tolist()]
    return scores


def nested_loss(form: Form, features: Doubles, right: NDArray[np.bool_], folds: NDArray[np.intp]) -> float:
    """Held-out log-loss of "is it right?"."""
    scores = np.clip(nested_scores(form, features, right, folds), 1e-4, 1.0 - 1e-4)
    return float(-np.where(right, np.log(scores), np.log1p(-scores)).mean())


def fit_form(form: Form, features: Doubles, right: NDArray[np.bool_]) -> Confidence:
    """Fit one form on all rows."""
    if form == "probability" or right.all() or not right.any():
        return Confidence()
    return _isotonic(features[:, 0], right) if form == "isotonic" else _logistic(features, right)


def _isotonic(log_odds: Doubles, right: NDArray[np.bool_]) -> Confidence:
    from sklearn.isotonic import IsotonicRegression

    model: Any = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(log_odds, right.astype(float))
    return Confidence("isotonic", knots=_numbers(model.X_thresholds_), heights=_numbers(model.y_thresholds_))


def _logistic(features: Doubles, right: NDArray[np.bool_]) -> Confidence:
    """Logistic regression whose weights may only point the sensible way: see SIGNS."""
    from scipy.optimize import minimize

    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < 1e-9] = np.inf  # a constant says nothing
    scaled, target = (features - centre) / spread, right.astype(np.float64)

    def loss(x: Doubles) -> tuple[float, Doubles]:
        odds = scaled @ x[:-1] + x[-1]
        value = np.logaddexp(0.0, odds) - target * odds
        excess = 1.0 / (1.0 + np.exp(-np.clip(odds, -500, 500))) - target
        gradient = np.append(excess @ scaled + x[:-1], excess.sum())
        return float(value.sum() + 0.5 * x[:-1] @ x[:-1]), gradient

    bounds = [(0.0, None) if sign > 0 else (None, 0.0) for sign in SIGNS]
    found = minimize(loss, np.zeros(len(SIGNS) + 1), jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)])
    weights = found.x[:-1] / spread
    return Confidence("logistic", weights=_numbers(weights), bias=float(found.x[-1] - weights @ centre))


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
