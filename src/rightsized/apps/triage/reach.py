"""Which sources of an inbox cannot be read, and since when, as the process knows that reads them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rightsized.core.frozen import Frozen


class Down(Frozen, frozen=True):
    """A source that cannot be read: since when, and what was said last."""

    since: float
    problem: str


class Reach:
    """Which sources of an inbox cannot be read. They say so themselves; may be used by several threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._down: dict[str, Down] = {}

    def told(self, source: str, problem: str) -> None:
        """A source was read (`problem` is empty), or could not be."""
        with self._lock:
            before = self._down.pop(source, None)
            if problem:
                self._down[source] = Down(before.since if before else self._clock(), problem)

    def down(self) -> dict[str, Down]:
        """What cannot be read now, by the source's name."""
        with self._lock:
            return dict(self._down)
