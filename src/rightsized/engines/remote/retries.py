"""How often, and when, a failed request is sent again: full jitter, and a budget that bounds the extra load.

Full jitter waits a random time up to a limit that doubles (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
The budget lets retries be a tenth of all requests, plus a few when little is going on (Google SRE book, chapter 21).
"""

from __future__ import annotations

from collections.abc import Callable
from random import SystemRandom

SHARE = 0.1  # of requests that may be sent again
RESERVE = 10.0  # retries in hand when nothing has failed for long
TRICKLE = 0.1  # retries a second that come back whatever the traffic
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 8.0
_RANDOM = SystemRandom()


class RetryBudget:
    """Retries in hand for one server."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._at = clock, clock()
        self._held = RESERVE

    def earn(self) -> None:
        """A request was made."""
        now = self._clock()
        self._held = min(RESERVE, self._held + SHARE + TRICKLE * (now - self._at))
        self._at = now

    def spend(self) -> bool:
        """Take one retry; False where none is left."""
        if self._held < 1:
            return False
        self._held -= 1
        return True


def pause(attempt: int, asked: float | None) -> float:
    """Seconds to wait before trying again.

    Args:
        attempt: how many tries there have been, from 1.
        asked: seconds that the server asked for; the jitter comes on top, so that all do not return at once.
    """
    jitter = _RANDOM.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1)))
    return jitter if asked is None else asked + jitter
