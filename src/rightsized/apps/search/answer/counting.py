"""How many questions were asked under a certificate, kept in a file beside it: a certificate is for so many.

Counted ahead in blocks, so that a crash loses none and a question costs no write; several processes count too many
rather than too few.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from rightsized.apps.search.answer.records import Method
from rightsized.store import atomic

BLOCK = 50


class Tally:
    """Counts the questions of one certificate."""

    def __init__(self, folder: Path, method: Method) -> None:
        self._path = folder / f"answers-{method}.count"
        self._lock = threading.Lock()
        self._next = self._end = 0

    def count(self) -> int:
        """How many were asked before this one."""
        with self._lock:
            if self._next >= self._end:
                self._next = self._read()
                self._end = self._next + BLOCK
                atomic.write(self._path, str(self._end).encode())
            self._next += 1
            return self._next - 1

    def reset(self) -> None:
        """Begin anew."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            return max(self._next, int(self._path.read_bytes()))
        return self._next
