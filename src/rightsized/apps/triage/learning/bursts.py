"""Bursts of near-copies among audits: an incident is one event, however many messages tell of it.

A test takes rows to be independent draws from the traffic. A hundred messages about one outage are right or wrong
together, and the traffic after it has none of them. So a certificate has to hold a second time with each burst counted
once. Texts that traffic repeats at all times ("thanks") are no burst, and count as often as they come. Looks at texts
and times only, never at labels or scores; a second condition can refuse a promise and never make one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.tune.duplicates import clusters

FEWEST = 5  # copies that make a burst
STRETCH = 0.1  # of the whole time, in which two thirds of the copies came; evenly spread ones do 8 times in 1,000


def bursts(texts: Sequence[str], started: Sequence[float]) -> list[list[int]]:
    """Positions of each burst, in order.

    Args:
        texts: audited messages, in the order of their requests.
        started: when each request came (seconds since the epoch).
    """
    together: dict[int, list[int]] = {}
    for row, cluster in enumerate(clusters(texts)):
        together.setdefault(cluster, []).append(row)
    times = np.array(started, dtype=np.float64)
    most = STRETCH * float(np.ptp(times)) if len(times) else 0.0
    return [rows for rows in together.values() if len(rows) >= FEWEST and _shortest(np.sort(times[rows])) <= most]


def _shortest(times: NDArray[np.float64]) -> float:
    """The shortest stretch of time that holds two thirds of these, and FEWEST of them."""
    count = max(FEWEST, -(-2 * len(times) // 3))
    return float((times[count - 1 :] - times[: len(times) - count + 1]).min())


def counted_once(texts: Sequence[str], started: Sequence[float], names: Sequence[str]) -> list[int]:
    """Positions that are left where each burst counts once. A hash of `names` says which message stands for it."""
    left = set(range(len(texts)))
    for rows in bursts(texts, started):
        one = min(rows, key=lambda row: hashlib.sha256(names[row].encode("utf-8", "surrogatepass")).digest())
        left -= set(rows) - {one}
    return sorted(left)
