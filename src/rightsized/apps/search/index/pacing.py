"""Answers leave at whole steps of time, so that their duration says little of what was looked through.

A query for a word that hidden passages hold takes some tenths of a millisecond longer than one for a word that is
nowhere. In steps of 10 ms such a difference shows in one query of some dozens, and costs 5 ms on average.
"""

from __future__ import annotations

import asyncio
import math
import time

STEP_SECONDS = 0.01


def remaining(elapsed: float, step: float = STEP_SECONDS) -> float:
    """Seconds until the next whole step, at least the first one.

    >>> round(remaining(0.0125), 4), round(remaining(0.02), 4), remaining(0.0)
    (0.0075, 0.0, 0.01)
    """
    return max(1, math.ceil(elapsed / step)) * step - elapsed


async def paced(began: float) -> None:
    """Wait for the next step since `began`, a value of `time.perf_counter`; nothing is computed meanwhile."""
    await asyncio.sleep(remaining(time.perf_counter() - began))
