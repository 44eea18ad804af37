"""Training vectors kept for serving: kernel features for the head, and the cosine to the nearest ones.

Products are taken between integers, so they come out the same in any order of summation and on any number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import IntegrityError

Floats = NDArray[np.float32]
NEIGHBOURS = 5  # nearest landmarks whose cosines are averaged
QUANTUM = 2047  # its square, the largest sum of products of two unit vectors, is well below 2^24
SHARPNESS = 4.0  # of the kernel exp(SHARPNESS (cosine - 1)); 2 to 4 did best on banking77 and clinc150, 8 worse


class Landmarks:
    """Unit vectors rounded to 2047ths (a component of 384 is near 0.05: 127ths would leave seven steps).

    Every partial sum of products of two such vectors is an integer below 2^24, which float32 holds exactly.

    Args:
        vectors: int16 (n, dimension), unit vectors times QUANTUM, rounded; n may be 0.
    """

    def __init__(self, vectors: NDArray[np.int16]) -> None:
        if vectors.ndim != 2:
            raise IntegrityError(f"Landmarks of shape {vectors.shape} are not a table of vectors.")
        self.vectors = vectors
        self._exact = vectors.astype(np.float32)

    @classmethod
    def of(cls, vectors: Floats) -> Landmarks:
        """Build from unit vectors float32 (n, dimension)."""
        return cls(_rounded(vectors).astype(np.int16))

    def __len__(self) -> int:
        return len(self.vectors)

    def cosines(self, vector: Floats) -> Floats:
        """Cosine to each landmark, float32 (n,), of one unit vector float32 (dimension,)."""
        found: Floats = (self._exact @ _rounded(vector)) * np.float32(1.0 / (QUANTUM * QUANTUM))
        return found


def kernel(cosines: Floats) -> Floats:
    """Kernel features of the same shape: 1 at a landmark, near 0 far from it."""
    values: Floats = np.exp(np.float32(SHARPNESS) * (cosines - np.float32(1.0)))
    return values


def nearest(cosines: Floats) -> float:
    """Mean of the five largest cosines (of all where there are fewer; 0 where there is none)."""
    count = min(NEIGHBOURS, len(cosines))
    if count == 0:
        return 0.0
    top = np.sort(np.partition(cosines, len(cosines) - count)[-count:])
    return float(top.astype(np.float64).sum()) / count


def _rounded(vectors: Floats) -> Floats:
    rounded: Floats = np.rint(np.clip(vectors, -1.0, 1.0) * np.float32(QUANTUM))
    return rounded
