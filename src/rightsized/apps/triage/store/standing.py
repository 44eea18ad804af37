"""What the queue needs of the messages that wait: a few columns from an index of their own, no texts.

Texts lie in the same rows and are many pages; a queue of thousands is ordered without touching them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import msgspec

from rightsized.apps.triage.records import LEVELS, Handled, Level
from rightsized.apps.triage.store.names import Names
from rightsized.apps.triage.store.records import Waits
from rightsized.apps.triage.urgency import Urgency, urgency_of

_COLUMNS = "number, key, thread, queue, level, assignee, received, due, incident, updated, urgency"
WAITING = "messages INDEXED BY messages_waiting WHERE status = 'waiting'"
_RANK = " ".join(f"WHEN '{level}' THEN {place}" for place, level in enumerate(LEVELS))
_BEGUN = "('accepted', 'corrected', 'reopened')"  # events of somebody who works on a message
READ = 20_000  # urgencies that are kept as they were read: a queue is asked for again and again
_encode = msgspec.json.Encoder().encode
_urgency = msgspec.json.Decoder(Urgency).decode
_handled = msgspec.json.Decoder(Handled).decode


class Standing(NamedTuple):
    """A message that waits, as far as the queue asks. `urgency` is JSON, empty where nobody knows more than `level`."""

    number: int
    key: str
    thread: str
    queue: str
    level: Level
    assignee: str
    received: float
    due: float | None
    incident: str
    updated: float
    urgency: str


class Held(NamedTuple):
    """A waiting message that somebody has: since when, and whether they began with it."""

    key: str
    queue: str
    assignee: str
    since: float
    begun: bool


class Rows(Protocol):
    """What the queries here ask (`store.MessageStore`)."""

    @property
    def names(self) -> Names: ...

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...


def add_queue(connection: sqlite3.Connection) -> None:
    """A migration: the columns that a queue needs in an index of their own, and indexes for what was read whole."""
    connection.execute("ALTER TABLE messages ADD COLUMN urgency TEXT NOT NULL DEFAULT ''")
    waiting = "SELECT key, handled FROM messages WHERE status = 'waiting' AND handled IS NOT NULL"
    for key, handled in connection.execute(waiting).fetchall():
        connection.execute("UPDATE messages SET urgency = ? WHERE key = ?", (told(_handled(handled)), key))
    for statement in (
        f"CREATE INDEX messages_waiting ON messages (status, {_COLUMNS}) WHERE status = 'waiting'",
        "CREATE INDEX messages_failed ON messages (state) WHERE state = 'failed'",
        "CREATE INDEX messages_by_assignee ON messages (assignee, status, received, number) WHERE assignee <> ''",
        "CREATE INDEX messages_by_incident ON messages (incident, received) WHERE incident <> ''",
        "CREATE INDEX messages_with_text ON messages (status, updated) WHERE mail IS NOT NULL",
    ):
        connection.execute(statement)


def told(handled: Handled) -> str:
    """What is known of a message's urgency, as the column keeps it."""
    return _encode(urgency_of(handled)).decode()


def urgency(one: Standing) -> Urgency | None:
    """What is known of its urgency; None where somebody has changed its level since, or nothing was kept."""
    known = _read(one.urgency) if one.urgency else None
    return known if known is not None and known.level == one.level else None


@lru_cache(READ)
def _read(told: str) -> Urgency:
    return _urgency(told)


def standings(store: Rows, wanted: Waits, limit: int, offset: int = 0) -> list[Standing]:
    """Messages that wait: by level and then by when an answer is owed, so that a bound leaves out what can wait."""
    where, values = _where(wanted, store.names)
    sql = f"""SELECT {_COLUMNS} FROM {WAITING}{where} ORDER BY CASE level {_RANK} END, due IS NULL, due, received,
              number LIMIT ? OFFSET ?"""  # noqa: S608 - constants only
    return [Standing(*row) for row in store.rows(sql, (*values, limit, offset))]


def levels(store: Rows) -> dict[Level, int]:
    """How many messages wait, by level."""
    found = store.rows(f"SELECT level, count(*) FROM {WAITING} GROUP BY level")  # noqa: S608 - constants only
    return {level: int(count) for level, count in found}


def held(store: Rows) -> list[Held]:
    """Waiting messages that somebody has, each with when it was given to them and whether they began."""
    sql = f"""SELECT m.key, m.queue, m.assignee, m.updated, max(e.at) FILTER (WHERE e.what = 'assigned'),
              max(e.at) FILTER (WHERE e.what IN {_BEGUN})
              FROM messages m INDEXED BY messages_waiting LEFT JOIN events e ON e.key = m.key
              WHERE m.status = 'waiting' AND m.assignee <> '' GROUP BY m.number"""  # noqa: S608 - constants only
    found = []
    for key, queue, assignee, updated, given, begun in store.rows(sql):
        since = updated if given is None else given
        found.append(Held(key, queue, assignee, since, begun is not None and begun >= since))
    return found


def _where(wanted: Waits, names: Names) -> tuple[str, list[Any]]:
    given = {name: getattr(wanted, name) for name in ("queue", "assignee")}
    terms: dict[str, tuple[Any, ...]] = {f"{name} = ?": (v,) for name, v in given.items() if v is not None}
    named = {name: getattr(wanted, name) for name in ("thread", "incident")}
    terms |= {f"{name} IN (?, ?)": names.both(value) for name, value in named.items() if value is not None}
    return "".join(f" AND {term}" for term in terms), [value for some in terms.values() for value in some]
