"""How little a text looks like the training data: statistics, and their map to [0, 1].

Statistics are computed on unscaled logits (sharpening by a temperature hurts them). Which statistic counts is chosen
while fitting and stored as weights here; nothing in this file is fitted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rightsized.core.types import Frozen

NEIGHBOURS = 5  # nearest training vectors whose cosines are averaged
QUANTUM = 127  # int8 range; see NeighbourBank


class OutOfScope(Frozen, frozen=True):
    """Which statistic says "out of scope", and how it maps to [0, 1].

    `value` = sigmoid(bias + sum of weights x statistics): strictly monotone, 0.5 where 5% of in-scope texts lie above.
    """

    statistic: str
    names: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float

    def value(self, statistics: dict[str, float]) -> float:
        """Out-of-scope value in [0, 1] from named statistics."""
        total = self.bias
        for name, weight in zip(self.names, self.weights, strict=True):
            total += weight * statistics[name]
        return sigmoid(total)


class NeighbourBank:
    """Training vectors for the mean cosine to the nearest ones, as integers.

    Both sides are rounded to 127ths. Every partial sum of products of two such unit vectors is an integer below
    2^24, which float32 holds exactly, so the result is the same in any order of summation, on any number of threads.

    Args:
        vectors: int8 (n, dimension), unit vectors times 127, rounded.
    """

    def __init__(self, vectors: NDArray[np.int8]) -> None:
        self.vectors = vectors
        self._exact = vectors.astype(np.float32)

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> NeighbourBank:
        """Build from unit vectors float32 (n, dimension)."""
        return cls(_rounded(vectors).astype(np.int8))

    def nearest(self, vector: NDArray[np.float32]) -> float:
        """Mean cosine to the five nearest stored vectors (fewer where fewer are stored; 0 where none is)."""
        count = min(NEIGHBOURS, len(self._exact))
        if count == 0:
            return 0.0
        products = self._exact @ _rounded(vector)
        top = np.partition(products, len(products) - count)[-count:]
        return float(np.sort(top).astype(np.float64).sum()) / (count * QUANTUM * QUANTUM)


def _rounded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    rounded: NDArray[np.float32] = np.rint(np.clip(vectors, -1.0, 1.0) * np.float32(QUANTUM))
    return rounded


def energy(logits: NDArray[np.float32]) -> float:
    """log of the sum of exponentials of unscaled logits (Liu et al., 2020, with the sign turned: high = in scope)."""
    values = logits.astype(np.float64)
    largest = float(values.max())
    return largest + math.log(float(np.exp(values - largest).sum()))


def sigmoid(value: float) -> float:
    """1 / (1 + exp(-value)) without overflow."""
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value)) if value < 700 else 1.0
    small = math.exp(max(value, -700.0))
    return small / (1.0 + small)
