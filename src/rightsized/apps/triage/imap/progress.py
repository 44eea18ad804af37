"""How far a folder has been taken in: which messages are on record, and up to where there is nothing left to look at.

Messages of a folder are numbered upwards and for good (UID), as long as its UIDVALIDITY stands (RFC 3501, section
2.3.1.1). The mark is the number up to which every message is on record: at the next start all above it are looked at.
Numbers above it that are on record already are known by their place. May be used by several threads.
"""

from __future__ import annotations

import threading
from collections import deque


class Progress:
    """Begins where a kept text says, `UIDVALIDITY/UID`; another UIDVALIDITY begins anew."""

    def __init__(self, kept: str = "") -> None:
        validity, _, uid = kept.partition("/")
        self.validity = int(validity) if validity.isdecimal() else 0
        self._mark = self.top = int(uid) if uid.isdecimal() else 0
        self._open: deque[int] = deque()  # found, in order; those done are dropped from its left
        self._done: set[int] = set()  # done, above the mark
        self._lock = threading.Lock()

    def begin(self, validity: int) -> bool:
        """The folder is open under this UIDVALIDITY. True where its numbers are others than before."""
        with self._lock:
            if validity == self.validity:
                return False
            self.validity, self._mark, self.top = validity, 0, 0
            self._open.clear()
            self._done.clear()
            return True

    def rewind(self) -> None:
        """Everything that is not done is looked for again."""
        with self._lock:
            self.top = self._mark
            self._open.clear()

    def found(self, uid: int) -> bool:
        """A message above `top`. False where it is done already."""
        with self._lock:
            self.top = max(self.top, uid)
            self._open.append(uid)
            self._advance()
            return uid > self._mark and uid not in self._done

    def done(self, uid: int) -> None:
        """It is on record, or gone."""
        with self._lock:
            if uid <= self._mark:
                return
            self._done.add(uid)
            self._advance()

    def _advance(self) -> None:
        while self._open and self._open[0] in self._done:
            self._open.popleft()
        mark = self._open[0] - 1 if self._open else self.top
        if mark > self._mark:
            self._mark = mark
            self._done = {one for one in self._done if one > mark}

    def kept(self) -> str:
        """What to begin from next time; empty where nothing is known."""
        with self._lock:
            return f"{self.validity}/{self._mark}" if self.validity else ""

    def place(self, uid: int) -> str:
        """A message's place, for good."""
        return f"{self.validity}/{uid}"

    def uid(self, place: str) -> int:
        """The number of a place; 0 where it is of another UIDVALIDITY."""
        validity, _, uid = place.partition("/")
        return int(uid) if uid.isdecimal() and validity == str(self.validity) else 0
