"""Questions judged before, kept by meaning: a new one like them looks for passages like those that answered them.

Where the same is asked of every contract or policy, this is worth more than any other feature. An example whose
documents the asker may not all see, or that are gone, is not there for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.protocols import View
from rightsized.core.errors import NotFoundError

NEAR = 0.85  # cosine of two questions from which one is an example for the other
MOST = 20  # examples that one question follows
_LEAST = 0.01  # weight of an example that is just near enough
Vectors = NDArray[np.float32]


class Examples(NamedTuple):
    """`questions` and `centres` (mean of the relevant passages' vectors): unit vectors float32 (m, dimension).

    `documents` are the ids of those that the relevant passages of each stand in.
    """

    questions: Vectors
    centres: Vectors
    documents: tuple[tuple[str, ...], ...]

    def target(self, question: Vectors, usable: NDArray[np.bool_]) -> Vectors | None:
        """Where passages that answer such a question lie, a unit vector; None where no usable example is near."""
        if not usable.any():
            return None
        cosines = np.where(usable, self.questions @ question, -1.0)
        best = np.argsort(-cosines, kind="stable")[:MOST]
        best = best[cosines[best] >= NEAR]
        if not len(best):
            return None
        found: Vectors = (cosines[best] - NEAR + _LEAST).astype(np.float32) @ self.centres[best]
        length = float(np.linalg.norm(found))
        return found / np.float32(length) if length > 0 else None

    def visible(self, view: View, question: Vectors) -> NDArray[np.bool_]:
        """Which of the near examples the asker may use, bool (m,)."""
        usable = np.zeros(len(self.questions), np.bool_)
        near = np.flatnonzero(self.questions @ question >= NEAR)
        seen: dict[str, bool] = {}
        for place in near.tolist():
            for document in self.documents[place]:
                if document not in seen:
                    seen[document] = _sees(view, document)
            usable[place] = all(seen[document] for document in self.documents[place])
        return usable


def none(dimension: int = 1) -> Examples:
    """No examples."""
    empty = np.empty((0, dimension), np.float32)
    return Examples(empty, empty, ())


def likeness(target: Vectors | None, vectors: Vectors) -> NDArray[np.float64]:
    """Cosine of each passage to the target, float64 (n,); zeros where there is none."""
    return np.zeros(len(vectors)) if target is None else (vectors @ target).astype(np.float64)


def centre(vectors: Vectors) -> Vectors:
    """The unit vector in the middle of some."""
    mean = vectors.mean(axis=0)
    found: Vectors = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    return found


def joined(questions: Sequence[Vectors], centres: Sequence[Vectors], documents: Sequence[tuple[str, ...]]) -> Examples:
    """Examples of their parts; `questions` must not be empty."""
    return Examples(np.stack(questions).astype(np.float32), np.stack(centres).astype(np.float32), tuple(documents))


def _sees(view: View, document: str) -> bool:
    try:
        view.document(document)
    except NotFoundError:
        return False
    return True
