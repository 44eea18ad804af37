"""Which conversation a subject between some people was last about: what a restart must not forget.

A subject and its people stand as a keyed digest, and the conversation as a message's number: there is no name in here.
"""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from typing import Any, Protocol

from rightsized.apps.triage.mail.threads import LEAST_SUBJECT, SUBJECT_DAYS, bare_subject, people_of
from rightsized.apps.triage.records import Mail
from rightsized.apps.triage.store.names import Names

DAY_SECONDS = 86_400.0


class Subjects(Protocol):
    """What is asked of the store here (`store.MessageStore`)."""

    @property
    def names(self) -> Names: ...

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]: ...

    def writing(self) -> AbstractContextManager[sqlite3.Connection]: ...


def add_subjects(connection: sqlite3.Connection) -> None:
    """A migration."""
    connection.execute(
        "CREATE TABLE subjects (name TEXT PRIMARY KEY, at REAL NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX subjects_by_at ON subjects (at)")


def keep_subject(store: Subjects, mail: Mail) -> None:
    """Remember the subject of a message that was taken; older ones than `SUBJECT_DAYS` before it are forgotten."""
    bare, at = bare_subject(mail.subject), mail.received or mail.date or 0.0
    if len(bare) < LEAST_SUBJECT:
        return
    with store.writing() as connection:
        connection.execute(
            """INSERT INTO subjects (name, at, number) SELECT ?, ?, number FROM messages WHERE key = ?
               ON CONFLICT (name) DO UPDATE SET at = excluded.at, number = excluded.number
               WHERE excluded.at >= subjects.at""",
            (_name(store, bare, people_of(mail)), at, mail.key),
        )
        connection.execute("DELETE FROM subjects WHERE at < ?", (at - 2 * SUBJECT_DAYS * DAY_SECONDS,))


def thread_of_subject(store: Subjects, bare: str, people: frozenset[str], since: float) -> str:
    """The thread of the latest message under a bare subject between these people; empty where there is none."""
    sql = "SELECT m.thread FROM subjects s JOIN messages m ON m.number = s.number WHERE s.name = ? AND s.at >= ?"
    found = store.rows(sql, (_name(store, bare, people), since))
    return str(found[0][0]) if found else ""


def _name(store: Subjects, bare: str, people: frozenset[str]) -> str:
    return store.names.of("\0".join((bare, *sorted(people))))
