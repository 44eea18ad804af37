"""`inbox.sqlite` in an inbox's folder: its tables, and opening it.

Each transaction is on the disk before it is reported. One process writes at a time; the others wait. The journal of
actions keeps tables of its own in the same file (`actions/`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rightsized.apps.triage.store.audited import add_audits
from rightsized.apps.triage.store.standing import add_queue
from rightsized.apps.triage.store.subjects import add_subjects
from rightsized.core import sqlite
from rightsized.core.errors import DiskFullError, IntegrityError, StoreError
from rightsized.ledger.database import is_disk_full

FILE = "inbox.sqlite"
BUSY_SECONDS = 30.0  # how long a writer waits for another


def _create(connection: sqlite3.Connection) -> None:
    statements = (
        # `state`: taken (recorded, not read yet), handled, failed. `status`: waiting, routed, done, none.
        """CREATE TABLE messages (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
           thread TEXT NOT NULL, source TEXT NOT NULL, sha256 TEXT NOT NULL, received REAL NOT NULL,
           taken REAL NOT NULL, state TEXT NOT NULL, status TEXT NOT NULL, dry INTEGER NOT NULL,
           made TEXT NOT NULL, queue TEXT NOT NULL, level TEXT NOT NULL, assignee TEXT NOT NULL, due REAL,
           incident TEXT NOT NULL, mail BLOB, handled BLOB, updated REAL NOT NULL)""",
        "CREATE INDEX messages_by_thread ON messages (thread, received)",
        "CREATE INDEX messages_by_status ON messages (status, queue, received)",
        "CREATE INDEX messages_by_state ON messages (state) WHERE state = 'taken'",
        """CREATE TABLE places (source TEXT NOT NULL, place TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL,
           PRIMARY KEY (source, place)) WITHOUT ROWID""",
        "CREATE TABLE cursors (source TEXT PRIMARY KEY, value TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
        """CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, at REAL NOT NULL,
           "by" TEXT NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL)""",
        "CREATE INDEX events_by_key ON events (key, number)",
    )
    for statement in statements:
        connection.execute(statement)
    for verb in ("UPDATE", "DELETE"):
        connection.execute(
            f"CREATE TRIGGER events_no_{verb.lower()} BEFORE {verb} ON events "
            "BEGIN SELECT RAISE(ABORT, 'events are kept as they are'); END"
        )


def _add_vectors(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE vectors (key TEXT PRIMARY KEY REFERENCES messages (key), encoder TEXT NOT NULL,
           vector BLOB NOT NULL) WITHOUT ROWID"""  # float16, of the words of a finished message
    )


def _add_error_and_preview(connection: sqlite3.Connection) -> None:
    # `error`: why a message that was taken cannot be read. `preview`: nobody has asked for more than a look so far.
    connection.execute("ALTER TABLE messages ADD COLUMN error TEXT NOT NULL DEFAULT ''")
    connection.execute("ALTER TABLE messages ADD COLUMN preview INTEGER NOT NULL DEFAULT 0")


def _add_indexes(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE INDEX messages_by_received ON messages (received, number)")
    connection.execute("CREATE INDEX messages_by_status_received ON messages (status, received, number)")


def _forget_looks(connection: sqlite3.Connection) -> None:
    """Dry runs leave nothing here any more: what earlier ones left goes, and the columns `dry` and `preview` stay 0.

    What became of a message said `dry_run` where its actions were switched off; that is `acts` now, and their state
    in the journal `off`.
    """
    looked = "SELECT key FROM messages WHERE preview = 1 OR (dry = 1 AND state <> 'taken')"
    for table in ("vectors", "places", "messages"):
        connection.execute(f"DELETE FROM {table} WHERE key IN ({looked})")  # noqa: S608 - constants only
    connection.execute("UPDATE messages SET dry = 0 WHERE dry = 1")
    said = "CAST(handled AS TEXT)"
    acts = f"json(CASE json_extract({said}, '$.dry_run') WHEN 1 THEN 'false' ELSE 'true' END)"
    made = f"json_set({said}, '$.acts', {acts}, '$.dry_run', json('false'))"
    connection.execute(f"UPDATE messages SET handled = CAST({made} AS BLOB) WHERE handled IS NOT NULL")  # noqa: S608 - constants only
    if connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'actions'").fetchone():
        connection.execute("UPDATE actions SET state = 'off' WHERE state = 'dry'")


def _let_events_lose_their_words(connection: sqlite3.Connection) -> None:
    """An event stays as it is, but for what goes with the text of its message: the detail, and the message's name."""
    connection.execute("DROP TRIGGER events_no_update")
    connection.execute(
        """CREATE TRIGGER events_no_update BEFORE UPDATE ON events
           WHEN NOT (NEW.number IS OLD.number AND NEW.at IS OLD.at AND NEW.what IS OLD.what AND NEW."by" IS OLD."by"
           AND NEW.detail = '' AND (NEW.key IS OLD.key OR NEW.key GLOB '~*'))
           BEGIN SELECT RAISE(ABORT, 'events are kept as they are'); END"""
    )


_MIGRATIONS = (
    _create,
    _add_vectors,
    _add_error_and_preview,
    _add_indexes,
    _let_events_lose_their_words,
    add_queue,
    add_subjects,
    _forget_looks,
    add_audits,
)


def open_database(folder: Path) -> sqlite3.Connection:
    """A connection to the inbox's file; it is made where there is none. Raises StoreError, IntegrityError."""
    path = folder / FILE
    with explained(path):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return sqlite.open_migrated(path, _MIGRATIONS, "inbox file", busy_seconds=BUSY_SECONDS)


@contextmanager
def writing(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """One transaction: all of it, on the disk, or nothing."""
    with explained(path), sqlite.transaction(connection):
        yield


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """SQLite's errors in our words. Raises DiskFullError, IntegrityError, StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if is_disk_full(error, path):
            raise DiskFullError(f"The disk that holds {path} is full.", fix="Free some space, then go on.") from None
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise IntegrityError(
                f"{path} is damaged: {error}.", fix="Put back a copy; sources hand over again what it lacks."
            ) from None
        raise StoreError(
            f"{path} cannot be used: {error}.", fix="Check that its folder exists and may be written to."
        ) from None
