"""How many labels an error rate takes, read off a learning curve: a power law with an interval, or a refusal.

Error rates fall as a + b n^-c with the number n of labels (Hestness et al., 2017). The same held-back rows are drawn
again and again with replacement; the spread of what the curves through them say is the interval. A curve that hardly
falls, rows too few, or a figure far beyond the labels at hand give no number. Pure functions of arrays.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.learning.records import Reach

DRAWS = 300  # of the rows, with replacement
FARTHEST = 4.0  # times the labels at hand: beyond it nothing is said
WIDEST = 8.0  # upper over lower end of an interval that is worth telling
SURE = 0.9  # of the draws must reach the budget within FARTHEST, so that an upper end can be told
FEWEST_SIZES, FEWEST_WRONG = 4, 10
POWERS = np.linspace(0.1, 1.5, 15)
FLOORS = np.linspace(0.0, 0.95, 20)  # a, as a share of the least error seen

Doubles = NDArray[np.float64]


def reach(sizes: list[int], wrong: NDArray[np.bool_], budget: float, seed: int = 0) -> Reach:
    """At how many labels the error rate comes down to the budget.

    Args:
        sizes: labels learned from, rising.
        wrong: bool (sizes, rows): whether the model of each size was wrong on a row that none of them trained on.
        budget: the error rate wanted.
    """
    n, top = np.array(sizes, dtype=np.float64), sizes[-1]
    if wrong[-1].mean() <= budget:
        return Reach(0, 0, 0, "")
    if len(sizes) < FEWEST_SIZES or wrong[-1].sum() < FEWEST_WRONG:
        return Reach(None, None, None, "too few labels, or too few errors, for a curve")
    random, rows = np.random.default_rng(seed), wrong.shape[1]
    draws = random.multinomial(rows, np.full(rows, 1 / rows), size=DRAWS) / rows
    found = np.sort(_solved(n, draws @ wrong.T.astype(np.float64), budget))
    low, middle, high = (float(found[int(q * (DRAWS - 1))]) for q in (1 - SURE, 0.5, SURE))
    if middle > FARTHEST * top:
        return Reach(None, None, None, f"more than {FARTHEST:g} times the labels at hand, if ever")
    if high > FARTHEST * top or high > WIDEST * max(low - top, 1.0) + top:
        return Reach(None, None, None, "the curve is too uncertain to say")
    more, fewest, most = (max(math.ceil(value) - top, 1) for value in (middle, low, high))
    return Reach(more, fewest, most, "")


def _solved(n: Doubles, rates: Doubles, budget: float) -> Doubles:
    """Labels at which the best power law through each draw's rates meets the budget; infinity where it never does.

    Args:
        rates: float64 (draws, sizes).
    """
    basis = n[None, :] ** -POWERS[:, None]  # (powers, sizes)
    floor = FLOORS[:, None] * rates.min(axis=1)  # (floors, draws)
    above = rates[None, :, :] - floor[:, :, None]  # (floors, draws, sizes)
    slope = np.maximum(np.einsum("ps,fds->pfd", basis, above) / (basis**2).sum(axis=1)[:, None, None], 0.0)
    off = (above[None] - slope[..., None] * basis[:, None, None, :]) / np.maximum(rates, 1e-3)
    best = (off**2).sum(axis=-1).reshape(-1, len(rates)).argmin(axis=0)
    power, low = np.unravel_index(best, (len(POWERS), len(FLOORS)))
    draw = np.arange(len(rates))
    gap, slopes = budget - floor[low, draw], slope[power, low, draw]
    meets = (slopes > 0) & (gap > 0)
    return np.where(meets, (slopes / np.where(meets, gap, 1.0)) ** (1 / POWERS[power]), np.inf)
