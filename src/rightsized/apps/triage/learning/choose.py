"""Active choice: which messages a person should label next, so that few labels teach most.

Uncertain messages teach more than sure ones, but the most uncertain ones are often alike, and asking for ten of a kind
teaches once. So the most uncertain ones, three times as many as are wanted, are grouped by k-means, and of each group
the most uncertain one is asked for (margins: Settles, 2009; clusters: Xu et al., 2003). Greedy k-center and gradient
embeddings (BADGE) did less well on three data sets: dev/LOG.md. A model that knows next to nothing is unsure of
outliers, so the first labels are those of typical messages (Hacohen, Dekel and Weinshall, 2022). Choosing by the model
is why labels of chosen messages train and never calibrate. Pure functions of arrays.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Strategy = Literal["active", "uncertain", "random"]
STRATEGIES: tuple[Strategy, ...] = ("active", "uncertain", "random")
POOL = 3  # groups are made of so many times the messages wanted, the most uncertain ones
ROUNDS = 20  # of k-means, at most
FEW_A_LABEL, FEWEST = 2.5, 60  # with fewer labelled messages a label, or in all, typical ones are asked for
MOST_GROUPS = 600  # of typical messages
NEIGHBOURS = 20  # how typical a message is: the mean cosine to so many of its group


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
    uncertainty: Floats, vectors: Floats, count: int, *, strategy: Strategy = "active", seed: int = 0
) -> list[int]:
    """Rows to ask about, the most uncertain first.

    Args:
        uncertainty: float32 (n,), as `margin_uncertainty` gives it.
        vectors: float32 (n, dimension), unit vectors.
        count: how many; all rows where there are fewer.
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
    group = groups(vectors[pool], count, seed)
    _, first = np.unique(group, return_index=True)  # the pool is in order of doubt: the first of a group is its most
    rest = np.setdiff1d(np.arange(len(pool)), first)[: count - len(first)]
    return [int(row) for row in pool[np.sort(np.concatenate([first, rest]))]]


def starts(labelled: int, labels: int) -> bool:
    """Whether so few messages are labelled that typical ones teach more than doubtful ones."""
    return labelled < max(FEW_A_LABEL * labels, FEWEST)


def typical(vectors: Floats, labelled: Floats, count: int, *, seed: int = 0) -> list[int]:
    """Rows of the most typical messages of what is not labelled yet, those of the largest groups first.

    Args:
        vectors: float32 (n, dimension), unit vectors to choose from.
        labelled: float32 (m, dimension), those of labelled messages: groups that hold one are passed over.
        count: how many; all rows where there are fewer.
    """
    n = len(vectors)
    if n == 0:
        return []
    group = groups(np.vstack([vectors, labelled]), min(len(labelled) + count, MOST_GROUPS), seed)
    own, known = group[:n], set(group[n:].tolist())
    names, sizes = np.unique(own, return_counts=True)
    unknown = [name for name in names[np.argsort(-sizes, kind="stable")].tolist() if name not in known]
    picked = [_middle(vectors, np.flatnonzero(own == name)) for name in unknown[:count]]
    rest = np.setdiff1d(np.arange(n), picked)
    return picked + [int(row) for row in np.random.default_rng(seed).permutation(rest)[: count - len(picked)]]


def _middle(vectors: Floats, rows: NDArray[np.intp]) -> int:
    """The row with the nearest neighbours among these."""
    near = np.sort(vectors[rows] @ vectors[rows].T, axis=1)[:, -NEIGHBOURS:]
    return int(rows[near.mean(axis=1).argmax()])


def groups(vectors: Floats, count: int, seed: int = 0) -> NDArray[np.intp]:
    """The group of each row, int (n,), by spherical k-means from k-means++ seeds (Arthur and Vassilvitskii, 2007)."""
    centres = _seeds(vectors, count, np.random.default_rng([seed, 1]))
    group: NDArray[np.intp] = (vectors @ centres.T).argmax(axis=1)
    for _ in range(ROUNDS):
        sums = np.zeros_like(centres)
        np.add.at(sums, group, vectors)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
        after = (vectors @ centres.T).argmax(axis=1)
        if (after == group).all():
            break
        group = after
    return group


def _seeds(vectors: Floats, count: int, random: np.random.Generator) -> Floats:
    """Rows to start from, each drawn in proportion to its squared distance from those before it."""
    chosen = [int(random.integers(len(vectors)))]
    distance = 1.0 - vectors @ vectors[chosen[0]]
    while len(chosen) < min(count, len(vectors)):
        weights = np.maximum(distance, 0.0).astype(np.float64)
        weights[chosen] = 0.0
        total = weights.sum()
        left = np.setdiff1d(np.arange(len(vectors)), chosen)
        best = int(random.choice(len(vectors), p=weights / total)) if total > 1e-9 else int(left[0])
        chosen.append(best)
        distance = np.minimum(distance, 1.0 - vectors @ vectors[best])
    return vectors[chosen]
