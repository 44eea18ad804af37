"""How little a text looks like the training data: statistics, and their map to [0, 1].

Statistics are computed on unscaled logits (sharpening by a temperature hurts them). Which statistic counts is chosen
while fitting and stored as weights here; nothing in this file is fitted.
"""

from __future__ import annotations

import math

from rightsized.core.types import Frozen


class OutOfScope(Frozen, frozen=True):
    """Which statistic says "out of scope", and how it maps to [0, 1].

    `value` = sigmoid(bias + sum of weights x statistics): strictly monotone, 0.5 where 5% of in-scope texts lie above.
    `limit` is the value that 1% of in-scope texts lie above; from there on a score is discounted.
    """

    statistic: str
    names: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float
    limit: float = 1.0

    def value(self, statistics: dict[str, float]) -> float:
        """Out-of-scope value in [0, 1] from named statistics."""
        total = self.bias
        for name, weight in zip(self.names, self.weights, strict=True):
            total += weight * statistics[name]
        return sigmoid(total)


def discounted(score: float, outside: float, limit: float) -> float:
    """A score less the more a text lies outside: whole up to `limit`, then falling in proportion, 0 at 1.

    The probability that an answer is right was fitted on texts that some label fits. Of a text unlike all of them it
    says nothing, however sure the classifier is.

    >>> discounted(0.9, 0.5, 0.6), discounted(0.9, 0.8, 0.6)
    (0.9, 0.45)
    """
    return score if outside <= limit else score * (1.0 - outside) / (1.0 - limit)


def sigmoid(value: float) -> float:
    """1 / (1 + exp(-value)) without overflow."""
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value)) if value < 700 else 1.0
    small = math.exp(max(value, -700.0))
    return small / (1.0 + small)
