"""Mails that answer each other, after Zawinski's threading algorithm (jwz.org/doc/threading.html).

Only who belongs together is found, not the tree: ids that a mail names in Message-ID, References and In-Reply-To are
joined, those of mails that are not here included. Subjects decide only where a reply names no mail at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from rightsized.apps.search.types import Document

MAIL = "message/rfc822"
DAYS_APART = 60  # a reply without references belongs to a mail of its subject that is at most so much older
DAY_S = 86_400.0
SHORTEST_SUBJECT = 6  # characters: "hello" is many conversations
_ID = re.compile(r"<([^<>\s]{3,500})>")
_WORDS = "re|aw|antw|sv|vs|ref|rif|r|fw|fwd|wg|tr|rv|vb|doorst"  # that reply or forward, in languages of Europe
_REPLY = re.compile(rf"(?:{_WORDS})\s*(?:\[\d+\]|\(\d+\))?\s*:\s*", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>,;\"]+@[^\s<>,;\"]+")


def threads(documents: Iterable[Document]) -> dict[str, str]:
    """The thread of each mail, by document: the id of its first mail by date. Other documents have none."""
    mails = sorted((one for one in documents if one.media_type == MAIL), key=lambda one: (one.date, one.id))
    joined = _Joined()
    for mail in mails:
        joined.add(mail.id)
        for name in _named(mail):
            joined.join(mail.id, f"<{name}>")
    _join_by_subject(mails, joined)
    first: dict[str, str] = {}
    for mail in mails:
        first.setdefault(joined.of(mail.id), mail.id)
    return {mail.id: first[joined.of(mail.id)] for mail in mails}


def base_subject(subject: str) -> tuple[str, bool]:
    """A subject without what replies and forwards put before it, in lower case; whether there was any of that.

    >>> base_subject("AW: Re[2]: Price of  steel")
    ('price of steel', True)
    """
    rest, replied = " ".join(subject.split()), False
    while found := _REPLY.match(rest):
        rest, replied = rest[found.end() :], True
    return rest.casefold(), replied


def _named(mail: Document) -> Iterator[str]:
    """Ids that a mail is, or answers."""
    for field in ("message-id", "references"):
        yield from _ID.findall(mail.metadata.get(field, ""))
    yield from _ID.findall(mail.metadata.get("in-reply-to", ""))[:1]  # what follows may be an address


def _join_by_subject(mails: list[Document], joined: _Joined) -> None:
    """A reply that names no mail joins the one thread of its subject and of its people, if there is just one."""
    bases = {mail.id: base_subject(mail.metadata.get("subject", mail.title)) for mail in mails}
    by_subject: dict[str, list[Document]] = {}
    for mail in mails:
        if len(bases[mail.id][0]) >= SHORTEST_SUBJECT:
            by_subject.setdefault(bases[mail.id][0], []).append(mail)
    people = {mail.id: _people(mail.metadata) for some in by_subject.values() if len(some) > 1 for mail in some}
    for mail in mails:
        base, replied = bases[mail.id]
        if not replied or mail.metadata.get("references") or mail.metadata.get("in-reply-to"):
            continue
        near = [
            other
            for other in by_subject.get(base, ())
            if 0 <= mail.date - other.date <= DAYS_APART * DAY_S and other.id != mail.id
        ]
        found = {joined.of(one.id) for one in near if len(people[one.id] & people[mail.id]) > 1}
        if len(found - {joined.of(mail.id)}) == 1:
            joined.join(mail.id, next(one.id for one in near if joined.of(one.id) in found - {joined.of(mail.id)}))


def _people(metadata: Mapping[str, str]) -> set[str]:
    found = " ".join(metadata.get(field, "") for field in ("from", "to", "cc"))
    return {one.casefold() for one in _ADDRESS.findall(found)}


class _Joined:
    """Names that belong together (union-find; Tarjan, "Efficiency of a good but not linear set union algorithm",
    1975)."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def add(self, name: str) -> None:
        self._above.setdefault(name, name)

    def of(self, name: str) -> str:
        """One of the names that belong together: the same for all of them."""
        while self._above[name] != name:
            self._above[name] = self._above[self._above[name]]
            name = self._above[name]
        return name

    def join(self, one: str, other: str) -> None:
        self.add(one)
        self.add(other)
        self._above[self.of(other)] = self.of(one)
