"""The tables of `decisions.sqlite`, made and changed by numbered migrations, one transaction each.

A file of any older version is brought to the newest schema when it is opened for writing. Nothing is ever taken away.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from typing import Any

from rightsized.core import sqlite
from rightsized.core.errors import IntegrityError
from rightsized.ledger.merkle import Frontier, Kept, leaf_hash
from rightsized.ledger.schema import SEALED, last_seq, leaf
from rightsized.ledger.tree import log_rows

TREE_VERSION = 3  # the schema that brought the tree
ORIGIN = "rightsized.invalid/log-"  # with 16 hex digits drawn when the file is made: no two logs share an origin

_migrations: list[Callable[[sqlite3.Connection], None]] = []


def _migration(function: Callable[[sqlite3.Connection], None]) -> Callable[[sqlite3.Connection], None]:
    _migrations.append(function)
    return function


@_migration
def _create(connection: sqlite3.Connection) -> None:
    statements = [
        "CREATE TABLE runs (run INTEGER PRIMARY KEY, pid INTEGER NOT NULL, host TEXT NOT NULL, started REAL NOT NULL)",
        """CREATE TABLE starts (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task TEXT NOT NULL,
           started REAL NOT NULL, audit INTEGER NOT NULL, text_sha256 TEXT NOT NULL,
           run INTEGER NOT NULL, record BLOB NOT NULL)""",
        """CREATE TABLE ends (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE REFERENCES starts (id),
           task TEXT NOT NULL, status TEXT NOT NULL, tier INTEGER NOT NULL, record BLOB NOT NULL)""",
        """CREATE TABLE texts (number INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE,
           created REAL NOT NULL, text TEXT NOT NULL)""",
        """CREATE TABLE reviews (seq INTEGER PRIMARY KEY, decision TEXT NOT NULL REFERENCES starts (id),
           task TEXT NOT NULL, kind TEXT NOT NULL, created REAL NOT NULL,
           retracts INTEGER UNIQUE REFERENCES reviews (seq), record BLOB NOT NULL)""",
        """CREATE TABLE waiting (decision TEXT PRIMARY KEY REFERENCES starts (id), task TEXT NOT NULL,
           kind TEXT NOT NULL, created REAL NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX waiting_by_task ON waiting (task, created)",
        "CREATE INDEX waiting_by_age ON waiting (created)",
        "CREATE INDEX starts_by_task ON starts (task, started)",
        "CREATE INDEX starts_audited ON starts (task, seq) WHERE audit = 1",
        "CREATE INDEX ends_by_outcome ON ends (task, status, tier)",
        "CREATE INDEX reviews_by_decision ON reviews (decision)",
        "CREATE INDEX reviews_by_task ON reviews (task, kind)",
    ]
    for statement in statements:
        connection.execute(statement)
    for table in ("starts", "ends", "reviews", "runs"):
        _append_only(connection, table)


@_migration
def _events(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE events (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, task TEXT NOT NULL,
           certificate TEXT NOT NULL, created REAL NOT NULL, record BLOB NOT NULL)"""
    )
    connection.execute("CREATE INDEX events_by_certificate ON events (certificate)")
    _append_only(connection, "events")


@_migration
def _tree(connection: sqlite3.Connection) -> None:
    statements = [
        """CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), origin TEXT NOT NULL,
           key TEXT NOT NULL)""",  # the first key that signs, `''` until there is one
        """CREATE TRIGGER identity_stays BEFORE UPDATE ON identity WHEN OLD.key <> '' OR OLD.origin <> NEW.origin
           BEGIN SELECT RAISE(ABORT, 'the identity of a log stays'); END""",
        """CREATE TRIGGER identity_no_delete BEFORE DELETE ON identity
           BEGIN SELECT RAISE(ABORT, 'the identity of a log stays'); END""",
        """CREATE TABLE subtrees (level INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL,
           PRIMARY KEY (level, number)) WITHOUT ROWID""",
        """CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, root BLOB NOT NULL,
           note TEXT NOT NULL)""",  # of the last commit; `note` is its checkpoint, `''` where nobody signs
        "CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, created REAL NOT NULL, note TEXT NOT NULL)",
        "CREATE INDEX events_by_kind ON events (kind)",
    ]
    for statement in statements:
        connection.execute(statement)
    for table in ("subtrees", "checkpoints"):
        _append_only(connection, table)
    connection.execute("INSERT INTO identity VALUES (1, ?, '')", (ORIGIN + secrets.token_hex(8),))
    _grow_over_what_is_there(connection)


@_migration
def _sinks(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE published (sink TEXT PRIMARY KEY, size INTEGER NOT NULL, at REAL NOT NULL)")
    connection.execute(
        """CREATE TABLE cosignatures (size INTEGER NOT NULL, sink TEXT NOT NULL, lines TEXT NOT NULL,
           PRIMARY KEY (size, sink)) WITHOUT ROWID"""
    )


@_migration
def _finding(connection: sqlite3.Connection) -> None:
    """Reading everything from a time on, and finding what is sealed under one subject, without reading the log."""
    connection.execute("CREATE INDEX starts_by_time ON starts (started, id)")
    connection.execute(f"CREATE INDEX starts_sealed ON starts (text_sha256) WHERE {SEALED}")


def _grow_over_what_is_there(connection: sqlite3.Connection) -> None:
    def query(sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return connection.execute(sql, values).fetchall()

    size = last_seq(query)
    frontier, kept = Frontier(), list[Kept]()
    for row in log_rows(query, 0, size):
        if row.seq != frontier.size + 1:
            break
        frontier.append(leaf_hash(leaf(row)), kept)
    if frontier.size != size:
        raise IntegrityError(
            f"Entry {frontier.size + 1:,} of the log is missing; it was deleted from outside.",
            fix="Restore the file from a backup, or move it away and begin a new log.",
        )
    connection.executemany("INSERT INTO subtrees VALUES (?, ?, ?)", kept)
    connection.execute("INSERT INTO head VALUES (1, ?, ?, '')", (size, frontier.root()))


def _append_only(connection: sqlite3.Connection, table: str) -> None:
    for verb in ("UPDATE", "DELETE"):
        connection.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no {verb} on {table}'); END"
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest schema. Raises StoreError on a newer file."""
    sqlite.migrate(connection, _migrations, "decisions file")
