"""What a message is among those that an inbox has: under a name of its own, in its conversation.

Reading a message is a function of its bytes; this is what depends on the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rightsized.apps.triage.mail.authentication import refuted
from rightsized.apps.triage.mail.identity import distinct
from rightsized.apps.triage.mail.threads import RecentThreads, placed, takes_part
from rightsized.apps.triage.records import Address, Mail


class Kept(Protocol):
    """A message that was taken. `mail` is None once its text was deleted."""

    @property
    def thread(self) -> str: ...

    @property
    def mail(self) -> Mail | None: ...


class Settling:
    """Settles messages in the order they are taken. Not for several threads at once.

    Conversations by headers are those of the store; by subject, those of messages that were settled here, then those
    that are `stored`.

    Args:
        find: the message that was taken under a key; None where there is none.
        people: the addresses that take part in a thread, as far as its texts are kept.
        is_ours: whether an address is of our own side, which may answer everybody.
        was: whether the message under the key of one, whose text was deleted, said the same.
        stored: the thread of a bare subject between some people since a time; empty where none is known.
    """

    def __init__(
        self,
        find: Callable[[str], Kept | None],
        people: Callable[[str], frozenset[str]],
        is_ours: Callable[[Address], bool] = lambda address: False,
        was: Callable[[Mail], bool] = lambda mail: False,
        stored: Callable[[str, frozenset[str], float], str] = lambda subject, people, since: "",
    ) -> None:
        self._find, self._people, self._is_ours, self._was = find, people, is_ours, was
        self._recent, self._stored = RecentThreads(), stored

    def __call__(self, mail: Mail) -> Mail:
        """The message with its own key and its thread."""
        mail = distinct(mail, self._text, lambda key: self._find(key) is not None, self._was)
        mail = placed(mail, self)
        self._recent.add(mail)
        return mail

    def of_key(self, key: str) -> str:
        """See `threads.KnownThreads`."""
        kept = self._find(key)
        return kept.thread if kept is not None else ""

    def of_subject(self, subject: str, people: frozenset[str], since: float) -> str:
        """See `threads.KnownThreads`."""
        return self._recent.of_subject(subject, people, since) or self._stored(subject, people, since)

    def admits(self, thread: str, mail: Mail) -> bool:
        """See `threads.KnownThreads`."""
        people = self._people(thread)
        ours = self._is_ours(mail.sender) and not refuted(mail)
        return not people or ours or takes_part(mail, people)

    def _text(self, key: str) -> Mail | None:
        kept = self._find(key)
        return kept.mail if kept is not None else None
