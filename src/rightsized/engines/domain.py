"""How far a prompt lies from those a cascade was calibrated on: a function of its vector alone, from plain arrays.

The distance is 1 less the mean cosine to the nearest prompts (Sun et al. 2022, deep nearest neighbours). What lies
beyond the limit is not answered by a tier that is checked: of a prompt unlike all it learned from, a check knows
nothing, however sure it is. Fitting is in `tune.domain`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rightsized.core.errors import IntegrityError

FILE = "domain.safetensors"
NEIGHBOURS = 5  # prompts that the distance is a mean over: one may be an oddity of the sample


class Domain:
    """The prompts that were learned from.

    Args:
        vectors: float32 (prompts, dimension), each of length 1.
        limit: distance beyond which a prompt lies outside.
    """

    def __init__(self, vectors: NDArray[np.float32], limit: float) -> None:
        if vectors.ndim != 2 or not len(vectors):
            raise IntegrityError(f"A domain of vectors of shape {vectors.shape} cannot be used.")
        self.vectors, self.limit = np.ascontiguousarray(vectors), limit
        self._packed = save({"vectors": self.vectors, "limit": np.array([limit], np.float64)})
        self.digest = "sha256:" + hashlib.sha256(self._packed).hexdigest()

    def distance(self, vector: NDArray[np.float32]) -> float:
        """From 0 (the same as several) to 2; NaN where the vector is not finite."""
        return nearest(self.vectors @ unit(vector))

    def outside(self, vector: NDArray[np.float32]) -> str:
        """Why a prompt lies outside, in words; empty where it does not."""
        distance = self.distance(vector)
        if distance <= self.limit:
            return ""
        return f"too unlike the prompts it was calibrated on: distance {distance:.4f} is above {self.limit:.4f}"

    def save(self, folder: Path) -> None:
        """Write `domain.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_bytes(self._packed)


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vector at length 1; as it is where it has none."""
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector


def nearest(cosines: NDArray[np.float32]) -> float:
    """1 less the mean of the greatest cosines, NEIGHBOURS of them where there are so many."""
    count = min(NEIGHBOURS, len(cosines))
    return 1.0 - float(np.partition(cosines, len(cosines) - count)[len(cosines) - count :].mean(dtype=np.float64))


def open_domain(folder: Path) -> Domain:
    """Read what `Domain.save` wrote. Raises IntegrityError where it is absent or was altered."""
    try:
        arrays = load((folder / FILE).read_bytes())
        return Domain(arrays["vectors"], float(arrays["limit"][0]))
    except (OSError, SafetensorError, KeyError) as error:
        raise IntegrityError(
            f"{folder / FILE} cannot be read: {error}.", fix="Calibrate again: rightsized calibrate chat --data FILE"
        ) from None
