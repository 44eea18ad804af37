"""Which messages an audit asks about: those with an answer that a person has to label without having seen it.

Only a mark of each, so that lists of one queue, totals and what is given out by skill can leave them out exactly.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Blind = Callable[[str], bool]  # whether a decision waits for a person's own label


class Rows(Protocol):
    """What is asked of the store here (`store.MessageStore`)."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def writing(self) -> AbstractContextManager[sqlite3.Connection]: ...


def add_audits(connection: sqlite3.Connection) -> None:
    """A migration. `audits`: ids of decisions, blanks between them."""
    connection.execute("ALTER TABLE messages ADD COLUMN audits TEXT NOT NULL DEFAULT ''")
    connection.execute("CREATE INDEX messages_audited ON messages (audits) WHERE audits <> ''")


def mark(store: Rows, key: str, decisions: Iterable[str]) -> None:
    """Keep which decisions about a message wait for a person's own label."""
    with store.writing() as connection:
        connection.execute("UPDATE messages SET audits = ? WHERE key = ?", (" ".join(decisions), key))


def audited(store: Rows, blind: Blind | None = None) -> set[str]:
    """Keys of the messages that an audit asks about. With `blind`, marks of those that were labelled are taken off."""
    marked = store.rows("SELECT key, audits FROM messages WHERE audits <> ''")
    if blind is None:
        return {key for key, _ in marked}
    over = [key for key, decisions in marked if not any(blind(one) for one in decisions.split())]
    if over:
        with store.writing():
            for key in over:
                mark(store, key, ())
    return {key for key, _ in marked} - set(over)
