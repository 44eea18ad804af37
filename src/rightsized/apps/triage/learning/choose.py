"""Active choice: which messages a person should label next, so that few labels teach most.

Uncertain messages teach more than sure ones, but the most uncertain ones are often alike, and asking for ten of a kind
teaches once. So a message counts by how uncertain the model is of it, times how far it lies from all that is labelled
or chosen already (greedy k-center: Sener and Savarese, 2018; with margins: Settles, 2009). Choosing by the model is
why labels of chosen messages train and never calibrate. Pure functions of arrays.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Strategy = Literal["active", "uncertain", "random"]
STRATEGIES: tuple[Strategy, ...] = ("active", "uncertain", "random")
POOL = 10  # diversity is looked for among so many times the messages wanted, the most uncertain ones
BLOCK = 2_048  # rows compared with all labelled ones at a time


def margin_uncertainty(probabilities: NDArray[np.floating], several: bool = False) -> Floats:
    """How unsure a model is, float32 (n,) in [0, 1]: one less the lead of the best label over the second.

    Args:
        probabilities: (n, labels), at least two labels.
        several: a text may have several labels; then how near the most doubtful label is to one half.
    """
    if several:
        nearest: Floats = (1.0 - 2.0 * np.abs(probabilities - 0.5).min(axis=1)).astype(np.float32)
        return nearest
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    return (1.0 - (top[:, 1] - top[:, 0])).astype(np.float32)


def choose(
    uncertainty: Floats,
    vectors: Floats,
    count: int,
    *,
    labelled: Floats | None = None,
    strategy: Strategy = "active",
    seed: int = 0,
) -> list[int]:
    """Rows to ask about, the most useful first.

    Args:
        uncertainty: float32 (n,), as `margin_uncertainty` gives it.
        vectors: float32 (n, dimension), unit vectors.
        count: how many; all rows where there are fewer.
        labelled: float32 (m, dimension), unit vectors of what has a label.
        strategy: `active` is uncertainty and diversity, `uncertain` the former alone, `random` neither.
        seed: decides between equals, and draws at random.
    """
    order = np.random.default_rng(seed).permutation(len(uncertainty))
    if strategy == "random":
        return [int(row) for row in order[:count]]
    by_doubt = order[np.argsort(-uncertainty[order], kind="stable")]
    if strategy == "uncertain" or len(by_doubt) <= count:
        return [int(row) for row in by_doubt[:count]]
    pool = by_doubt[: POOL * count]
    return [int(pool[i]) for i in _spread(uncertainty[pool], vectors[pool], count, labelled)]


def _spread(uncertainty: Floats, vectors: Floats, count: int, labelled: Floats | None) -> list[int]:
    """Greedily the row with the largest uncertainty times distance to the nearest that is labelled or chosen."""
    distance = _distance(vectors, labelled)
    chosen: list[int] = []
    for _ in range(count):
        worth = uncertainty * distance
        worth[chosen] = -1.0
        best = int(worth.argmax())
        chosen.append(best)
        distance = np.minimum(distance, 1.0 - vectors @ vectors[best])
    return chosen


def _distance(vectors: Floats, labelled: Floats | None) -> Floats:
    """One less the cosine to the nearest labelled row; 1 where nothing is labelled."""
    if labelled is None or not len(labelled):
        return np.ones(len(vectors), dtype=np.float32)
    blocks = [vectors[at : at + BLOCK] @ labelled.T for at in range(0, len(vectors), BLOCK)]
    return (1.0 - np.concatenate([block.max(axis=1) for block in blocks])).astype(np.float32)
