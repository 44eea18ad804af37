"""Boosted decision trees from plain arrays: a sum of small trees, read one row at a time.

Fitting is elsewhere (`tune.verifier`). Every row takes the same number of steps, so the time does not depend on it, and
the sum is taken in a fixed order, so the score does not depend on anything else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import IntegrityError

Arrays = dict[str, NDArray[np.generic]]


class Trees:
    """Trees of bounded depth, padded to one number of nodes.

    Args:
        feature: int32 (trees, nodes), the feature asked for at each node.
        threshold: float64 (trees, nodes); `x <= threshold` goes left. A leaf has infinity and leads to itself.
        left, right: int32 (trees, nodes), the next node.
        value: float64 (trees, nodes), what a leaf adds to the log-odds.
        base: log-odds before any tree.
        depth: steps from root to leaf at most.
    """

    def __init__(
        self,
        feature: NDArray[np.int32],
        threshold: NDArray[np.float64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        value: NDArray[np.float64],
        base: float,
        depth: int,
    ) -> None:
        shapes = {array.shape for array in (feature, threshold, left, right, value)}
        if len(shapes) != 1 or feature.ndim != 2:
            raise IntegrityError("The arrays of the trees do not fit together.")
        nodes = feature.shape[1]
        if feature.size and (min(left.min(), right.min(), feature.min()) < 0 or max(left.max(), right.max()) >= nodes):
            raise IntegrityError("A tree leads to a node that it does not have.")
        self.feature, self.threshold, self.value = feature, threshold, value
        self.left, self.right, self.base, self.depth = left, right, base, depth
        self._rows = np.arange(len(feature))

    def logit(self, row: NDArray[np.float64]) -> float:
        """Log-odds of one row, float64 (features,). Compared in single precision, as it was fitted."""
        x = row.astype(np.float32)
        at = np.zeros(len(self._rows), np.intp)
        for _ in range(self.depth):
            goes_left = x[self.feature[self._rows, at]] <= self.threshold[self._rows, at]
            at = np.where(goes_left, self.left[self._rows, at], self.right[self._rows, at])
        return self.base + float(np.add.reduce(self.value[self._rows, at]))

    def to_arrays(self) -> Arrays:
        """Everything, for a safetensors file."""
        return {
            "feature": self.feature,
            "threshold": self.threshold,
            "left": self.left,
            "right": self.right,
            "value": self.value,
            "base": np.array([self.base]),
            "depth": np.array([self.depth], np.int32),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Trees:
        """The inverse of `to_arrays`. Raises IntegrityError where an array is absent or does not fit."""
        try:
            return cls(
                arrays["feature"].astype(np.int32),
                arrays["threshold"].astype(np.float64),
                arrays["left"].astype(np.int32),
                arrays["right"].astype(np.int32),
                arrays["value"].astype(np.float64),
                float(arrays["base"].astype(np.float64)[0]),
                int(arrays["depth"].astype(np.int64)[0]),
            )
        except (KeyError, IndexError) as error:
            raise IntegrityError(f"The trees cannot be read: {error}.") from None
