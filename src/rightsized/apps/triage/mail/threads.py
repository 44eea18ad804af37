"""Which messages belong together: by the headers that say what is answered (RFC 5322, section 3.6.4), and only where
those are missing by the subject, and then only between the same people.

Headers are the sender's word. What stands in a conversation is shown and written about beside each of its messages, so
nobody joins one by naming it: only who takes part in it does.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from msgspec.structs import replace

from rightsized.apps.triage.mail.identity import content_digest
from rightsized.apps.triage.records import Mail

MOST_KNOWN = 100_000  # messages that `RecentThreads` remembers
STRANGER = "It names a conversation in which its sender takes no part, and stands by itself."
SUBJECT_DAYS = 30.0  # days for which a subject between the same people means the same conversation
LEAST_SUBJECT = 6  # characters: "Hello" and "Order" start many conversations
_PREFIX = re.compile(
    r"\s*(?:(?:re|aw|antw|antwort|fwd?|wg|tr|rv|ref?|sv|vs|odp|r|i)(?:\s?[\[(]\d{1,3}[\])])?\s?:|"
    r"(?:automatische antwort|automatic reply|réponse automatique)\s?:)\s*",
    re.IGNORECASE,
)
_REPLY = re.compile(r"\s*(?:re|aw|antw|antwort|sv|vs|odp|r)(?:\s?[\[(]\d{1,3}[\])])?\s?:", re.IGNORECASE)


class KnownThreads(Protocol):
    """What is remembered of earlier messages."""

    def of_key(self, key: str) -> str:
        """The thread of a message; empty where it is unknown."""
        ...

    def of_subject(self, subject: str, people: frozenset[str], since: float) -> str:
        """The thread of the latest message under a bare subject between these people; empty where there is none."""
        ...

    def admits(self, thread: str, mail: Mail) -> bool:
        """Whether a message may stand in a thread: nobody else's words are in it, or its sender takes part."""
        ...


def bare_subject(subject: str) -> str:
    """A subject without `Re:`, `AW:`, `Fwd:` in front, blanks made one, case folded."""
    rest = subject[:1000]
    while (found := _PREFIX.match(rest)) is not None:
        rest = rest[found.end() :]
    return " ".join(rest.split()).casefold()


def first_of(mail: Mail) -> str:
    """The key of the first message of the conversation, as far as this message alone tells."""
    return mail.references[0] if mail.references else mail.in_reply_to or mail.key


def people_of(mail: Mail) -> frozenset[str]:
    """The addresses it went between: its sender's and its recipients'."""
    return frozenset(one.address for one in (mail.sender, *mail.to) if one.address)


def all_of(mail: Mail) -> frozenset[str]:
    """Everybody whom a message names: who wrote it, who gets it, and who gets an answer."""
    named = (mail.sender, *mail.to, *mail.cc, *mail.reply_to)
    return frozenset(one.address for one in named if one.address)


def takes_part(mail: Mail, people: frozenset[str]) -> bool:
    """Whether who wrote a message, and whom an answer would go to, are among these addresses."""
    return {mail.sender.address, *(one.address for one in mail.reply_to)} - {""} <= people and bool(mail.sender.address)


def placed(mail: Mail, known: KnownThreads) -> Mail:
    """The message with its thread, as earlier messages tell: that of what it answers, the nearest first.

    An answer whose headers name nothing is put with the latest message under its subject between the same people. What
    says its thread itself (a ticket) keeps it. Where no thread admits it, it begins one, with a note.
    """
    if mail.thread and mail.thread != first_of(mail):
        return mail
    refused = False
    for thread in _named(mail, known):
        if known.admits(thread, mail):
            notes = (*mail.notes, STRANGER) if refused else mail.notes
            return replace(mail, thread=thread, notes=notes)
        refused = True
    return replace(mail, thread=f"sha256:{content_digest(mail)}", notes=(*mail.notes, STRANGER))


def _named(mail: Mail, known: KnownThreads) -> Iterator[str]:
    """The threads that a message may belong to, the likeliest first; at last the one that it begins."""
    for answered in (mail.in_reply_to, *reversed(mail.references)):
        if answered and (thread := known.of_key(answered)):
            yield thread
    bare = bare_subject(mail.subject)
    orphan = not mail.references and not mail.in_reply_to and _REPLY.match(mail.subject) is not None
    if orphan and len(bare) >= LEAST_SUBJECT and not mail.automatic:
        since = (mail.received or mail.date or 0.0) - SUBJECT_DAYS * 86400
        if thread := known.of_subject(bare, people_of(mail), since):
            yield thread
    yield from dict.fromkeys((first_of(mail), mail.key))


class RecentThreads:
    """`KnownThreads` of the messages that it was told of, the latest `most` of them."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._most = most
        self._keys: OrderedDict[str, str] = OrderedDict()
        self._subjects: OrderedDict[tuple[str, frozenset[str]], tuple[float, str]] = OrderedDict()
        self._people: OrderedDict[str, frozenset[str]] = OrderedDict()

    def of_key(self, key: str) -> str:
        return self._keys.get(key, "")

    def of_subject(self, subject: str, people: frozenset[str], since: float) -> str:
        when, thread = self._subjects.get((subject, people), (0.0, ""))
        return thread if when >= since else ""

    def admits(self, thread: str, mail: Mail) -> bool:
        return thread not in self._people or takes_part(mail, self._people[thread])

    def add(self, mail: Mail) -> None:
        """Remember a message that has its thread."""
        thread = mail.thread or first_of(mail)
        self._keys[mail.key] = thread
        self._people[thread] = self._people.get(thread, frozenset()) | all_of(mail)
        bare = bare_subject(mail.subject)
        if len(bare) >= LEAST_SUBJECT:
            self._subjects[(bare, people_of(mail))] = (mail.received or mail.date or 0.0, thread)
            self._subjects.move_to_end((bare, people_of(mail)))
        for one in (self._keys, self._subjects, self._people):
            if len(one) > self._most:
                one.popitem(last=False)
