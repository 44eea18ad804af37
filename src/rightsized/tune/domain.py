"""Fits the domain of a cascade: the train prompts it remembers, and the distance beyond which a prompt lies outside.

The limit is chosen on train rows alone, each measured against the others: it costs no calibration label, and an error
in it costs coverage, never validity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.domain import NEIGHBOURS, Domain, nearest, unit

MOST_PROMPTS = 4_000  # remembered; 6 MB of 384 float32, about a millisecond to look through
OUTSIDE_SHARE = 0.01  # share of train prompts that lie beyond the limit, each measured against the others
FEWEST = 100  # train prompts below which the share cannot be told


@dataclass(frozen=True, eq=False)
class FittedDomain:
    """A domain, and for each train row whether it lies outside as a fresh prompt would: bool (n,)."""

    domain: Domain
    outside: NDArray[np.bool_]


def fit_domain(vectors: NDArray[np.float32], groups: Sequence[str] = (), seed: int = 0) -> FittedDomain | None:
    """Fit on the prompts of the train rows; None where there are too few.

    Args:
        vectors: float32 (n, dimension).
        groups: conversation of each row, or empty: a row is not measured against its own conversation.
    """
    n = len(vectors)
    if n < FEWEST:
        return None
    units = np.stack([unit(vector) for vector in vectors])
    kept = np.arange(n)
    if n > MOST_PROMPTS:
        kept = np.sort(np.random.default_rng([seed, 17]).choice(n, MOST_PROMPTS, replace=False))
    names = list(groups) if groups else [str(i) for i in range(n)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    group = np.array([numbers[name] for name in names])
    distances = np.array([_left_out(units, kept, group, i) for i in range(n)])
    limit = float(np.quantile(distances, 1.0 - OUTSIDE_SHARE, method="higher"))
    return FittedDomain(Domain(units[kept], limit), distances > limit)


def _left_out(units: NDArray[np.float32], kept: NDArray[np.intp], group: NDArray[np.int64], row: int) -> float:
    others = group[kept] != group[row]
    if others.sum() < NEIGHBOURS:
        return 0.0
    return nearest((units[kept] @ units[row])[others])
