"""What dry runs have seen, in this process's memory alone: an inbox keeps nothing of a message that is only looked at.

A later message of a conversation is read with the earlier ones, as it would be for real. Decides nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from rightsized.apps.triage.mail.settling import Settling
from rightsized.apps.triage.mail.threads import all_of
from rightsized.apps.triage.records import Address, Mail
from rightsized.apps.triage.store.records import Kept

MOST_CHARS = 20_000_000  # of texts that are remembered; the oldest go first


class Taken(Protocol):
    """The messages that the inbox has (`store.MessageStore`)."""

    def find(self, key: str) -> Kept | None: ...

    def thread(self, thread: str) -> Sequence[Kept]: ...

    def people(self, thread: str) -> frozenset[str]: ...

    def was(self, mail: Mail) -> bool: ...


class Seen(NamedTuple):
    """A message that was looked at."""

    thread: str
    mail: Mail


class Looks:
    """The messages that dry runs of one inbox have looked at. May be used by several threads.

    Args:
        is_ours: whether an address is of our own side.
    """

    def __init__(self, taken: Taken, is_ours: Callable[[Address], bool]) -> None:
        self._taken = taken
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._chars = 0
        self._lock = threading.Lock()
        self._settle = Settling(self._find, self._people, is_ours, taken.was)

    def look(self, mail: Mail) -> tuple[Mail, list[Mail]] | None:
        """The message under its name, with the earlier ones of its conversation; None where the inbox has taken it."""
        with self._lock:
            mail = self._settle(mail)
            if self._taken.find(mail.key) is not None:
                return None
            thread = mail.thread or mail.key
            taken = [one.mail for one in self._taken.thread(thread) if one.mail is not None]
            before = [one.mail for key, one in self._seen.items() if one.thread == thread and key != mail.key]
            self._remember(mail.key, Seen(thread, mail))
            return mail, [*taken, *before]

    def _find(self, key: str) -> Kept | Seen | None:
        return self._seen.get(key) or self._taken.find(key)

    def _people(self, thread: str) -> frozenset[str]:
        seen = (all_of(one.mail) for one in self._seen.values() if one.thread == thread)
        return self._taken.people(thread).union(*seen)

    def _remember(self, key: str, seen: Seen) -> None:
        if key in self._seen:
            return
        self._seen[key] = seen
        self._chars += len(seen.mail.body)
        while self._chars > MOST_CHARS and len(self._seen) > 1:
            _, oldest = self._seen.popitem(last=False)
            self._chars -= len(oldest.mail.body)
