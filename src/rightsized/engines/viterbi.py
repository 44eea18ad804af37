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


def marginals(scores: NDArray[np.float32], between: NDArray[np.float32]) -> NDArray[np.float32]:
    """How likely each tag of each word is over all sequences, weighed by the exponential of their sums (forward and
    backward, Baum 1972): float32 (words, tags), rows that sum to 1. Arguments as for `best_path`."""
    words = len(scores)
    ahead = np.zeros(scores.shape, dtype=np.float64)
    behind = np.zeros(scores.shape, dtype=np.float64)
    top = float(between.max(initial=0.0))
    factors = np.exp(between.astype(np.float64) - top)
    for word in range(words):
        before = between[0].astype(np.float64) if not word else _passed(ahead[word - 1], factors)
        ahead[word] = _shifted(before + scores[word])
    for word in range(words - 2, -1, -1):
        behind[word] = _shifted(_passed(behind[word + 1] + scores[word + 1], factors.T))
    raised = np.exp(ahead + behind - (ahead + behind).max(axis=1, keepdims=True, initial=-np.inf))
    found: NDArray[np.float32] = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def _passed(logs: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    top = logs.max()
    passed: NDArray[np.float64] = np.log(np.maximum(np.exp(logs - top) @ factors, 1e-300)) + top
    return passed


def _shifted(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted: NDArray[np.float64] = logs - logs.max()
    return shifted
