"""Lets new documents come before old ones of about equal rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.query.results import RECENCY_SHARE

DAY = 86_400.0  # seconds


def aged(
    scores: NDArray[np.float32], dates: Sequence[float | None], now: float, half_life_days: float
) -> NDArray[np.float32]:
    """Scores without what age takes: a document of today loses nothing, a very old one RECENCY_SHARE of its score.

    Args:
        scores: float32 (n,) in [0, 1].
        dates: seconds since 1970; None counts as very old.
    """
    ages = np.array([np.inf if one is None else max(0.0, now - one) for one in dates], dtype=np.float64)
    left = np.exp2(-ages / (half_life_days * DAY))
    return (scores * (1 - RECENCY_SHARE * (1 - left))).astype(np.float32)
