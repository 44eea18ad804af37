"""How faithful a ranking of words is: comprehensiveness and sufficiency.

Source: DeYoung et al. 2020, "ERASER: a benchmark to evaluate rationalized NLP models", section 4.2, with their five
bins (the mean over the top 1, 5, 10, 20 and 50% of words). Differences are of the probability of the explained label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.explain.game import render
from rightsized.explain.segments import words

Probability = Callable[[Sequence[str]], NDArray[np.float64]]

BINS = (0.01, 0.05, 0.10, 0.20, 0.50)  # shares of the words, the ones of ERASER


class Faithfulness(NamedTuple):
    """Means over the bins, each in [-1, 1].

    `comprehensiveness`: f(text) - f(text without the top words); high where they were needed.
    `sufficiency`: f(text) - f(the top words alone); low where they were enough.
    """

    comprehensiveness: float
    sufficiency: float


def faithfulness(
    text: str,
    values: Sequence[float],
    probability: Probability,
    bins: Sequence[float] = BINS,
    *,
    mask: str = "",
) -> Faithfulness:
    """Measure a ranking of the words of `text`.

    Args:
        text: has at least one word.
        values: one number a word of `segments.words(text)`; the highest are removed or kept first.
        probability: texts to the probability of the explained label: float64, shape (n,).
        bins: shares of the words; each bin takes at least one word.
        mask: what stands for an absent word; empty removes it.
    Raises:
        ValueError: the number of values is not the number of words, or is zero.
    """
    parts = words(text)
    n = len(parts)
    if n != len(values) or n == 0:
        raise ValueError(f"{len(values)} values for {n} words")
    order = sorted(range(n), key=lambda word: -values[word])
    tops = [frozenset(order[: max(1, ceil(share * n))]) for share in bins]
    without = [render(text, parts, tuple(word not in top for word in range(n)), mask) for top in tops]
    alone = [render(text, parts, tuple(word in top for word in range(n)), mask) for top in tops]
    wanted = list(dict.fromkeys([text, *without, *alone]))
    known = dict(zip(wanted, probability(wanted).tolist(), strict=True))
    return Faithfulness(
        comprehensiveness=float(np.mean([known[text] - known[left] for left in without])),
        sufficiency=float(np.mean([known[text] - known[kept] for kept in alone])),
    )
