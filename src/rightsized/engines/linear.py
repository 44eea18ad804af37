"""The linear head on an encoder's vector, from plain arrays.

Scoring multiplies and adds in a fixed order (no BLAS), one vector at a time, so a score depends on the vector alone and
not on threads, batch or neighbours. What the scores mean (probabilities, confidence) is decided in `readout`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import IntegrityError
from rightsized.engines.landmarks import Landmarks, kernel, nearest

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[np.generic]]


class LinearHead:
    """A linear map from features of a vector to one logit a label.

    The features are the vector itself, and its kernel features where there are weights for them.

    Args:
        weights: float32 (labels, dimension) or (labels, dimension + landmarks).
        bias: float32 (labels,).
        landmarks: int16 (n, dimension); used for the nearest cosine even where the weights leave the kernel out.
    """

    def __init__(self, weights: Floats, bias: Floats, landmarks: Landmarks) -> None:
        dimension = landmarks.vectors.shape[1]
        widths = (dimension, dimension + len(landmarks))
        if weights.ndim != 2 or bias.shape != weights.shape[:1] or weights.shape[1] not in widths:
            raise IntegrityError(
                f"A head of shape {weights.shape} does not fit a bias of shape {bias.shape} "
                f"and {len(landmarks)} landmarks of {dimension} numbers."
            )
        self.weights, self.bias, self.landmarks, self.dimension = weights, bias, landmarks, dimension
        self.uses_kernel = weights.shape[1] > dimension
        self._columns = np.ascontiguousarray(weights.T)  # (features, labels): added up feature by feature

    def features(self, vector: Floats) -> tuple[Floats, float]:
        """What the weights multiply, float32 (features,), and the mean cosine to the nearest landmarks."""
        cosines = self.landmarks.cosines(vector)
        features = np.concatenate([vector, kernel(cosines)]) if self.uses_kernel else vector
        return features, nearest(cosines)

    def logits(self, vector: Floats) -> tuple[Floats, float]:
        """Logits float32 (labels,) of one vector float32 (dimension,), and its cosine to the nearest landmarks."""
        features, cosine = self.features(vector)
        # Adds in one fixed order and never calls BLAS, whose order may depend on its threads.
        logits: Floats = np.einsum("f,fl->l", features, self._columns) + self.bias
        return logits, cosine

    def to_arrays(self) -> Arrays:
        """Weights, bias and landmarks, as arrays for a safetensors file."""
        return {"head.weights": self.weights, "head.bias": self.bias, "head.landmarks": self.landmarks.vectors}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> LinearHead:
        """The inverse of `to_arrays`. Raises IntegrityError where an array is absent or does not fit."""
        try:
            landmarks = Landmarks(arrays["head.landmarks"].astype(np.int16, copy=False))
            return cls(floats(arrays["head.weights"]), floats(arrays["head.bias"]), landmarks)
        except KeyError as error:
            raise IntegrityError(f"The head is incomplete: {error}.") from None


def floats(array: NDArray[np.generic]) -> Floats:
    """The array as float32."""
    return array.astype(np.float32, copy=False)
