"""The circuit breaker: a server that keeps failing is left alone for a while, then tried with one request.

Closed: everything passes. Open: everything is refused at once. Half open: one request passes, and decides. Opens after
`FAILURES` failures in a row, or when half of the last `WINDOW` attempts failed (M. Nygard, Release It!, 2007).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

FAILURES = 5
WINDOW = 20
FIRST_REST_S = 1.0
LONGEST_REST_S = 60.0  # each rest after a failed trial is twice as long, up to this


class Breaker:
    """One server's breaker.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self._row = 0
        self._rest = FIRST_REST_S
        self._until: float | None = None  # None: closed
        self._trying = False
        self.reason = ""

    def wait(self) -> float:
        """Seconds until a request may pass; 0 lets one pass now. Each 0 must be followed by one of the outcomes."""
        if self._until is None:
            return 0.0
        left = self._until - self._clock()
        if left > 0:
            return left
        if self._trying:
            return self._rest
        self._trying = True
        return 0.0

    @property
    def open(self) -> bool:
        return self._until is not None

    @property
    def state(self) -> Literal["closed", "open", "half-open"]:
        """Where it stands; half open once its rest is over, until a request has shown how the server is."""
        if self._until is None:
            return "closed"
        return "open" if self._until > self._clock() else "half-open"

    def succeeded(self) -> None:
        """The server answered, if only to refuse."""
        self._recent.append(True)
        self._row, self._rest, self._until, self._trying, self.reason = 0, FIRST_REST_S, None, False, ""

    def failed(self, reason: str) -> None:
        """The server failed; `reason` is shown while it is left alone."""
        self._recent.append(False)
        self._row += 1
        self.reason = reason
        if self._until is not None:
            self._rest = min(self._rest * 2, LONGEST_REST_S) if self._trying else self._rest
            self._open()
        elif self._row >= FAILURES or (len(self._recent) == WINDOW and sum(self._recent) * 2 <= WINDOW):
            self._open()

    def left(self) -> None:
        """The request was given up before anything was learnt."""
        self._trying = False

    def _open(self) -> None:
        self._until, self._trying = self._clock() + self._rest, False
        self._recent.clear()
