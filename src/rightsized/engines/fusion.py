"""Heads of a verifier: a row of numbers becomes one calibrated probability. Arrays and arithmetic only.

What the numbers are is decided in `verifier`; fitting is in `tune.verifier`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import IntegrityError
from rightsized.core.types import Frozen
from rightsized.engines.trees import Arrays, Trees

FURTHEST = 30.0  # log-odds beyond which a probability is 0 or 1 for all purposes
TIE_BREAK = 1e-6  # slope added to an isotonic map, so that scores on a plateau keep their order
Floats = NDArray[np.float64]


class HeadSettings(Frozen, frozen=True):
    """How a head's two models are fused: log-odds = linear_weight * linear + tree_weight * trees + bias; then, where
    knots are given, an isotonic map of the log-odds."""

    linear_weight: float = 1.0
    tree_weight: float = 0.0
    bias: float = 0.0
    knots: tuple[float, ...] = ()
    heights: tuple[float, ...] = ()


class Head:
    """A probability from a row of numbers: a linear model and boosted trees, fused and calibrated.

    Args:
        settings: the fusion.
        centre, scale: float64 (features,); the linear model reads `(x - centre) * scale`, cut off at 8.
        weights: float64 (features,), and `intercept`.
        trees: None where only the linear model is used.
    """

    CUT = 8.0  # standard deviations: a text unlike any in training must not swing the score without bound

    def __init__(
        self,
        settings: HeadSettings,
        centre: Floats,
        scale: Floats,
        weights: Floats,
        intercept: float,
        trees: Trees | None = None,
    ) -> None:
        if not centre.shape == scale.shape == weights.shape:
            raise IntegrityError("The arrays of the verifier do not fit together.")
        if len(settings.knots) != len(settings.heights):
            raise IntegrityError("The calibration of the verifier has knots without heights.")
        self.settings, self.centre, self.scale, self.trees = settings, centre, scale, trees
        self.weights, self.intercept = weights, intercept

    def parts(self, row: Floats) -> tuple[float, float]:
        """Log-odds of the linear model and of the trees (0 without trees), for one row of features."""
        scaled = np.clip((row - self.centre) * self.scale, -self.CUT, self.CUT)
        linear = float(np.add.reduce(scaled * self.weights)) + self.intercept
        return linear, self.trees.logit(row) if self.trees is not None else 0.0

    def probability(self, row: Floats) -> float:
        """The calibrated probability for one row of features, in [0, 1]."""
        return fuse(self.settings, *self.parts(row))

    def behind(self, count: int) -> Head:
        """The same head for rows with `count` more numbers in front, which it does not read."""
        none = np.zeros(count)
        grown = self.trees
        if grown is not None:
            shifted = (grown.feature + count).astype(np.int32)
            grown = Trees(shifted, grown.threshold, grown.left, grown.right, grown.value, grown.base, grown.depth)
        centre, scale, weights = (np.concatenate([none, own]) for own in (self.centre, self.scale, self.weights))
        return Head(self.settings, centre, scale, weights, self.intercept, grown)

    def to_arrays(self, prefix: str) -> Arrays:
        """Everything but the settings, names under `prefix`."""
        own: Arrays = {
            "centre": self.centre,
            "scale": self.scale,
            "weights": self.weights,
            "intercept": np.array([self.intercept]),
        }
        if self.trees is not None:
            own |= {f"trees.{name}": array for name, array in self.trees.to_arrays().items()}
        return {f"{prefix}.{name}": array for name, array in own.items()}

    @classmethod
    def from_arrays(cls, settings: HeadSettings, arrays: Arrays, prefix: str) -> Head:
        """The inverse of `to_arrays`. Raises IntegrityError."""
        own = {k.removeprefix(f"{prefix}."): v for k, v in arrays.items() if k.startswith(f"{prefix}.")}
        trees = {k.removeprefix("trees."): v for k, v in own.items() if k.startswith("trees.")}
        try:
            centre, scale, weights, intercept = (
                own[name].astype(np.float64) for name in ("centre", "scale", "weights", "intercept")
            )
        except KeyError as error:
            raise IntegrityError(f"The verifier lacks the array {prefix}.{error.args[0]}.") from None
        return cls(settings, centre, scale, weights, float(intercept[0]), Trees.from_arrays(trees) if trees else None)


def fuse(settings: HeadSettings, linear: float, trees: float) -> float:
    """The probability from the log-odds of both models."""
    odds = settings.linear_weight * linear + settings.tree_weight * trees + settings.bias
    odds = min(max(odds, -FURTHEST), FURTHEST)
    plain = float(1.0 / (1.0 + np.exp(-odds)))
    if not settings.knots:
        return plain
    height = float(np.interp(odds, settings.knots, settings.heights))
    return (1.0 - TIE_BREAK) * height + TIE_BREAK * plain


class DomainHead:
    """Which declared domain a prompt looks like: softmax of a linear model on the encoder's vector."""

    def __init__(self, weights: Floats, bias: Floats) -> None:
        if weights.ndim != 2 or len(weights) != len(bias):
            raise IntegrityError("The arrays of the verifier's domains do not fit together.")
        self.weights, self.bias = weights, bias

    def probabilities(self, vector: Floats) -> Floats:
        """Float64 (domains,), adding up to 1."""
        odds = np.add.reduce(self.weights * vector[None, :], axis=1) + self.bias
        raised = np.exp(odds - odds.max())
        return np.asarray(raised / raised.sum(), np.float64)
