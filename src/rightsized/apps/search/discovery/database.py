"""`review.sqlite` in a collection's folder: its tables, and opening it.

Rows are added and never changed: triggers refuse it. Each transaction is on the disk before it is reported, and one
process writes at a time; the others wait.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rightsized.apps.search.index.database import explained
from rightsized.core import sqlite

FILE = "review.sqlite"
BUSY_SECONDS = 30.0  # how long a writer waits for another

_migrations: list[Callable[[sqlite3.Connection], None]] = []


def _migration(function: Callable[[sqlite3.Connection], None]) -> Callable[[sqlite3.Connection], None]:
    _migrations.append(function)
    return function


@_migration
def _create(connection: sqlite3.Connection) -> None:
    statements = (
        """CREATE TABLE sets (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
           created REAL NOT NULL, "by" TEXT NOT NULL, note TEXT NOT NULL)""",
        """CREATE TABLE criteria (number INTEGER PRIMARY KEY AUTOINCREMENT,
           "set" INTEGER NOT NULL REFERENCES sets (number), criterion TEXT NOT NULL, "by" TEXT NOT NULL,
           at REAL NOT NULL)""",
        """CREATE TABLE members ("set" INTEGER NOT NULL REFERENCES sets (number), document TEXT NOT NULL,
           content TEXT NOT NULL, key TEXT NOT NULL, source TEXT NOT NULL, criterion INTEGER NOT NULL,
           added REAL NOT NULL, PRIMARY KEY ("set", document)) WITHOUT ROWID""",
        """CREATE TABLE taggings (number INTEGER PRIMARY KEY AUTOINCREMENT,
           "set" INTEGER NOT NULL REFERENCES sets (number), document TEXT NOT NULL, content TEXT NOT NULL,
           tag TEXT NOT NULL, "on" INTEGER NOT NULL, "by" TEXT NOT NULL, at REAL NOT NULL, note TEXT NOT NULL)""",
        'CREATE INDEX taggings_by_set ON taggings ("set")',
        "CREATE INDEX taggings_by_tag ON taggings (tag)",
        """CREATE TABLE log (number INTEGER PRIMARY KEY AUTOINCREMENT, "set" INTEGER NOT NULL REFERENCES sets (number),
           at REAL NOT NULL, account TEXT NOT NULL, seen_as TEXT NOT NULL, action TEXT NOT NULL,
           document TEXT NOT NULL, detail TEXT NOT NULL, digest TEXT NOT NULL)""",
        'CREATE INDEX log_by_set ON log ("set")',
    )
    _append_only(connection, statements, ("sets", "criteria", "members", "taggings", "log"))


@_migration
def _add_batches_and_samples(connection: sqlite3.Connection) -> None:
    statements = (
        # `tagged` is the number of the last tagging that the model had learned from.
        """CREATE TABLE batches (number INTEGER PRIMARY KEY AUTOINCREMENT,
           "set" INTEGER NOT NULL REFERENCES sets (number), at REAL NOT NULL, "by" TEXT NOT NULL, until REAL NOT NULL,
           seed INTEGER NOT NULL, tagged INTEGER NOT NULL)""",
        'CREATE INDEX batches_by_set ON batches ("set", until)',
        """CREATE TABLE picks (batch INTEGER NOT NULL REFERENCES batches (number), place INTEGER NOT NULL,
           document TEXT NOT NULL, why TEXT NOT NULL, score REAL, PRIMARY KEY (batch, place)) WITHOUT ROWID""",
        # `frame`: ids and contents of all documents that were drawn from, zlib; `tagged` as above.
        """CREATE TABLE samples (number INTEGER PRIMARY KEY AUTOINCREMENT,
           "set" INTEGER NOT NULL REFERENCES sets (number), at REAL NOT NULL, "by" TEXT NOT NULL,
           attempt INTEGER NOT NULL, delta REAL NOT NULL, target REAL NOT NULL, seed TEXT NOT NULL,
           tagged INTEGER NOT NULL, frame BLOB NOT NULL)""",
        """CREATE TABLE drawn (sample INTEGER NOT NULL REFERENCES samples (number), place INTEGER NOT NULL,
           document TEXT NOT NULL, PRIMARY KEY (sample, place)) WITHOUT ROWID""",
        "CREATE TABLE certificates (number INTEGER PRIMARY KEY AUTOINCREMENT, sample INTEGER NOT NULL REFERENCES "
        "samples (number), certificate TEXT NOT NULL)",
    )
    _append_only(connection, statements, ("batches", "picks", "samples", "drawn", "certificates"))


@_migration
def _add_indices_of_tags(connection: sqlite3.Connection) -> None:
    connection.execute('CREATE INDEX taggings_by_document ON taggings ("set", document)')
    connection.execute('CREATE INDEX taggings_standing ON taggings ("set", tag, document, number, "on")')


def open_database(folder: Path) -> sqlite3.Connection:
    """A connection to the folder's sets; the file is made where there is none. Raises StoreError, IntegrityError."""
    path = folder / FILE
    with explained(path):
        return sqlite.open_migrated(path, _migrations, "file of review sets", busy_seconds=BUSY_SECONDS)


@contextmanager
def writing(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """One transaction of the one writer: all of it, on the disk, or nothing."""
    with explained(path), sqlite.transaction(connection):
        yield


def _append_only(connection: sqlite3.Connection, statements: tuple[str, ...], tables: tuple[str, ...]) -> None:
    """Make tables and indices; rows of the tables can be added, and no more."""
    for statement in statements:
        connection.execute(statement)
    for table in tables:
        for verb in ("UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are kept as they are'); END"
            )
