"""Who looked at recorded texts and documents, as events of the log: noted before anything is shown.

What is read through the server is in it, and what is read in legal discovery, by commands too. Other commands of this
machine's own user, who can read the home's files anyway, are not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import msgspec

from rightsized.core.frozen import Frozen
from rightsized.core.roles import Identity
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import EventRow, decode_event

What = Literal["decision", "explanation", "queue", "list", "search", "document", "production"]


class Access(Frozen, frozen=True):
    """The `detail` of an `access` event, as JSON.

    Args:
        by: `key`, `person`, or `local` for whoever reached a server that asks for no key.
        id: of the key or person; `name`: as people know it.
        what: a decision with its text, an explanation of it, texts of the queue, a list of decisions without texts,
            passages that were found, a document, or documents given out to another party.
        decisions: ids of the decisions that were shown.
        documents: `COLLECTION/ID` of the documents of which something was shown.
    """

    by: str
    id: str
    name: str
    what: What
    decisions: tuple[str, ...]
    documents: tuple[str, ...] = ()


class Looked(Frozen, frozen=True):
    """One row of the audit report: who, at what, how often, at how many different decisions or documents (`decisions`).

    `last` is a time.
    """

    by: str
    id: str
    name: str
    what: What
    times: int
    decisions: int
    last: float


def access(identity: Identity, what: What, *decisions: str) -> Access:
    """That somebody is shown the texts of these decisions."""
    return Access(identity.kind, identity.id, identity.name, what, decisions)


def documents_seen(identity: Identity, what: What, collection: str, documents: Iterable[str]) -> Access:
    """That somebody is shown these documents of a collection, or passages of them."""
    names = tuple(f"{collection}/{one}" for one in dict.fromkeys(documents))
    return Access(identity.kind, identity.id, identity.name, what, (), names)


def event(one: Access, now: float) -> EventRow:
    """The entry of the log that says so."""
    return EventRow("access", "", "", now, msgspec.json.encode(one).decode())


def looked(reader: LedgerReader, since: float, until: float) -> tuple[Looked, ...]:
    """Who looked in a period, those who looked most first."""
    sql = "SELECT record FROM events WHERE kind = 'access' AND created >= ? AND created < ? ORDER BY seq"
    times: dict[tuple[str, str, str, What], int] = defaultdict(int)
    seen: dict[tuple[str, str, str, What], set[str]] = defaultdict(set)
    last: dict[tuple[str, str, str, What], float] = {}
    for (record,) in reader.query(sql, (since, until)):
        row = decode_event(record)
        one = msgspec.json.decode(row.detail, type=Access)
        who = (one.by, one.id, one.name, one.what)
        times[who] += 1
        seen[who].update(one.decisions, one.documents)
        last[who] = row.created
    found = [Looked(*who, count, len(seen[who]), last[who]) for who, count in times.items()]
    return tuple(sorted(found, key=lambda row: (-row.times, row.id, row.what)))
