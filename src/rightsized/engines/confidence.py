"""From features of a prediction to s(x) in [0, 1], the probability that the prediction is right.

The forms stand here, ready to serve; their parameters are fitted in `tune` on out-of-fold predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rightsized.core.types import Frozen
from rightsized.engines.outofscope import sigmoid

FEATURES = ("log_odds", "margin", "energy", "nearest", "unknown", "agree")
TIE_BREAK = 1e-6  # slope added to an isotonic map, so that scores on a plateau keep their order


class Confidence(Frozen, frozen=True):
    """A fitted calibrator.

    `probability`: the model's own probability of its answer, after temperature scaling.
    `isotonic`: that probability mapped through knots (log-odds, probability), straight in between.
    `logistic`: sigmoid(bias + weights . features), features as named in FEATURES.
    """

    kind: Literal["probability", "isotonic", "logistic"] = "probability"
    weights: tuple[float, ...] = ()
    bias: float = 0.0
    knots: tuple[float, ...] = ()
    heights: tuple[float, ...] = ()

    def score(self, features: Sequence[float]) -> float:
        """s(x) from six features, in the order of FEATURES."""
        log_odds = features[0]
        if self.kind == "probability":
            return sigmoid(log_odds)
        if self.kind == "isotonic":
            height = float(np.interp(log_odds, self.knots, self.heights))
            return (1.0 - TIE_BREAK) * height + TIE_BREAK * sigmoid(log_odds)
        total = self.bias
        for weight, value in zip(self.weights, features, strict=True):
            total += weight * value
        return sigmoid(total)
