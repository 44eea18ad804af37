"""The best sequence of B-, I- and O tags: an I tag may only go on with a span of its own kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"
NEVER = np.float32(-1e9)


def transitions(tags: Sequence[str]) -> NDArray[np.float32]:
    """What going from a tag (row) to a tag (column) adds: 0 where it is allowed."""
    allowed = [[not b.startswith("I-") or (a != OUTSIDE and a[2:] == b[2:]) for b in tags] for a in tags]
    return np.where(np.array(allowed), np.float32(0), NEVER)


def best_path(scores: NDArray[np.float32], between: NDArray[np.float32]) -> NDArray[np.intp]:
    """The allowed sequence with the largest sum (Viterbi 1967); the lower tag number wins ties.

    Args:
        scores: (words, tags).
        between: (tags, tags), as `transitions` gives it. A sequence begins as after tag 0.
    """
    words = len(scores)
    back = np.empty((words, scores.shape[1]), dtype=np.intp)
    total = between[0] + scores[0] if words else np.zeros(0, dtype=np.float32)
    columns = np.arange(scores.shape[1])
    for word in range(1, words):
        sums = total[:, None] + between
        back[word] = sums.argmax(axis=0)
        total = sums[back[word], columns] + scores[word]
    path = np.empty(words, dtype=np.intp)
    state = int(total.argmax()) if words else 0
    for word in range(words - 1, -1, -1):
        path[word] = state
        state = int(back[word, state])
    return path
