"""Waits of a source that goes on for ever: until something happens, and between tries."""

from __future__ import annotations

import contextlib
import os
import random
import select
import threading

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class Wake:
    """Ends a wait from another thread: a pipe, so that it can be waited for beside a socket."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self._lock = threading.Lock()
        self._closed = False
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)

    @property
    def fileno(self) -> int:
        return self._reading

    def ring(self) -> None:
        """End the wait that goes on, or else the next one."""
        with self._lock, contextlib.suppress(BlockingIOError):  # a full pipe rings already
            if not self._closed:
                os.write(self._writing, b"x")

    def hush(self) -> None:
        """Forget what rang before."""
        with self._lock, contextlib.suppress(BlockingIOError):
            while not self._closed and os.read(self._reading, 4096):
                pass

    def wait(self, seconds: float) -> None:
        """Wait until it rings, at most so long."""
        poller = select.poll()
        poller.register(self._reading, select.POLLIN)
        poller.poll(seconds * 1000)

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._reading)
                os.close(self._writing)


def pause(failures: int, first_s: float = FIRST_PAUSE_S) -> float:
    """Seconds before the next try after so many failures in a row: doubled each time, by chance up to half shorter, so
    that many clients of one server do not come back together."""
    return float(min(LONGEST_PAUSE_S, first_s * 2 ** min(failures - 1, 16)) * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries
