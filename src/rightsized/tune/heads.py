"""Fits the head on an encoder's vectors: multinomial logistic regression, or one a label where several may apply.

Kernel features at landmarks (Nyström: Williams and Seeger, 2001) are whitened for the fit, and the whitening is folded
into the weights that serve. scikit-learn is imported inside functions.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.landmarks import QUANTUM, SHARPNESS, Landmarks
from rightsized.engines.linear import Floats, LinearHead

ABSENT = -30.0  # logit of a label that the rows fitted on do not have
MAX_STEPS = 1000
RIDGE = 1e-3  # added to the kernel's eigenvalues before their square roots are divided by
MOST_LANDMARKS = 1024  # 0.4 million multiplications a text, about 50 us


@dataclass(frozen=True)
class HeadChoice:
    """How to fit a head. `strength` is scikit-learn's C, the inverse of regularisation."""

    strength: float = 10.0
    kernel: bool = False
    balanced: bool = False


class HeadFitter:
    """Vectors, targets and landmarks of one set of rows, ready to fit heads of several choices.

    Args:
        vectors: float32 (n, dimension), unit vectors.
        targets: bool (n, labels); one True a row unless `multi_label`.
        multi_label: a row may have several labels or none.
        seed: picks the landmarks.
    """

    def __init__(
        self, vectors: Floats, targets: NDArray[np.bool_], *, multi_label: bool = False, seed: int = 0
    ) -> None:
        rows = np.random.default_rng(seed).permutation(len(vectors))[:MOST_LANDMARKS]
        self.vectors, self.targets, self.multi_label = vectors, targets, multi_label
        self.landmarks = Landmarks.of(vectors[np.sort(rows)])
        self._whitening: Floats | None = None
        self._kernel: Floats | None = None

    def fit(self, choice: HeadChoice) -> LinearHead:
        """Fit one head, always from zero: a warm start stops at once and keeps the other fit's regularisation."""
        features = self._features() if choice.kernel else self.vectors
        fit = _one_by_one if self.multi_label else _multinomial
        weights, bias = fit(features, self.targets, choice)
        if choice.kernel:
            dimension = self.vectors.shape[1]
            weights = np.hstack([weights[:, :dimension], weights[:, dimension:] @ self._white().T])
        return LinearHead(np.ascontiguousarray(weights), bias, self.landmarks)

    def _features(self) -> Floats:
        if self._kernel is None:
            self._kernel = np.hstack([self.vectors, _kernel(self.vectors, self.landmarks) @ self._white()])
        return self._kernel

    def _white(self) -> Floats:
        """W with K W of unit covariance, K the kernel among landmarks."""
        if self._whitening is None:
            own: Floats = self.landmarks.vectors.astype(np.float32) / np.float32(QUANTUM)
            among = _kernel(own, self.landmarks).astype(np.float64)
            values, directions = np.linalg.eigh((among + among.T) / 2.0)
            self._whitening = (directions / np.sqrt(np.maximum(values, 0.0) + RIDGE)).astype(np.float32)
        return self._whitening


def _kernel(vectors: Floats, landmarks: Landmarks) -> Floats:
    rounded = np.rint(np.clip(vectors, -1.0, 1.0) * np.float32(QUANTUM))
    cosines = (rounded @ landmarks.vectors.astype(np.float32).T) * np.float32(1.0 / (QUANTUM * QUANTUM))
    values: Floats = np.exp(np.float32(SHARPNESS) * (cosines - np.float32(1.0)))
    return values


def _multinomial(features: Floats, targets: NDArray[np.bool_], choice: HeadChoice) -> tuple[Floats, Floats]:
    present = np.flatnonzero(targets.any(axis=0))
    weights = np.zeros((targets.shape[1], features.shape[1]), dtype=np.float32)
    bias = np.full(targets.shape[1], ABSENT, dtype=np.float32)
    if len(present) == 1:
        bias[present] = 0.0
        return weights, bias
    model = _fit(_model(choice), features, np.searchsorted(present, targets.argmax(axis=1)))
    if len(present) == 2:  # one set of coefficients stands for both
        weights[present[1]], bias[present] = model.coef_[0], (0.0, model.intercept_[0])
        return weights, bias
    weights[present], bias[present] = model.coef_, model.intercept_
    return weights, bias


def _one_by_one(features: Floats, targets: NDArray[np.bool_], choice: HeadChoice) -> tuple[Floats, Floats]:
    weights = np.zeros((targets.shape[1], features.shape[1]), dtype=np.float32)
    bias = np.full(targets.shape[1], ABSENT, dtype=np.float32)
    positives = targets.sum(axis=0)
    bias[positives == len(targets)] = -ABSENT
    for column in np.flatnonzero((positives > 0) & (positives < len(targets))).tolist():
        model = _fit(_model(choice), features, targets[:, column])
        weights[column], bias[column] = model.coef_[0], model.intercept_[0]
    return weights, bias


def _model(choice: HeadChoice) -> Any:
    from sklearn.linear_model import LogisticRegression

    weight = "balanced" if choice.balanced else None
    return LogisticRegression(C=choice.strength, max_iter=MAX_STEPS, class_weight=weight)


def _fit(model: Any, features: Floats, target: NDArray[Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # steps ran out: held-out rows are the judge
        return model.fit(features, target)
