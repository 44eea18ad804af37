"""SQLite files as this project keeps them: private, one writer, each commit on the disk before it returns.

Deleted content is overwritten, and schemas change step by step. Knows no table; SQLite's errors are its caller's.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rightsized.core.errors import StoreError

PRIVATE = 0o600
CHECKPOINT_PAGES = 2000  # write-ahead log pages (4 KiB) before SQLite copies them into the file
_WRITER = (
    "auto_vacuum = INCREMENTAL",  # takes effect in a new file only; before the first table
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
)
Migration = Callable[[sqlite3.Connection], None]


def open_writer(path: Path, *, busy_seconds: float, pragmas: Sequence[str] = ()) -> sqlite3.Connection:
    """A connection that may write; the file is made where there is none.

    Args:
        busy_seconds: how long it waits for SQLite's own locks.
        pragmas: further ones, such as `cache_size = -16384`.
    Raises sqlite3.Error, OSError.
    """
    with contextlib.suppress(FileExistsError):  # readable by its owner alone; SQLite's side files take that over
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, PRIVATE))
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (*_WRITER, *pragmas):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path, *, busy_seconds: float) -> sqlite3.Connection:
    """A connection that cannot write to a file that exists. Raises sqlite3.Error."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
    )


def open_migrated(path: Path, migrations: Sequence[Migration], what: str, *, busy_seconds: float) -> sqlite3.Connection:
    """A connection that may write to a file of the newest schema; see `open_writer` and `migrate`.

    Raises sqlite3.Error, OSError, StoreError (a newer version wrote the file).
    """
    connection = open_writer(path, busy_seconds=busy_seconds)
    try:
        migrate(connection, migrations, what)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is done inside, on the disk, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled it back by itself
            connection.execute("ROLLBACK")
        raise


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration], what: str) -> None:
    """Bring a file to the newest schema, one migration a transaction.

    Args:
        what: the file's role in an error, such as "decisions file".
    Raises StoreError where a newer version wrote it.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise StoreError(
            f"The {what} has schema {version}; this version of Rightsized knows up to {len(migrations)}.",
            fix="Install the version that wrote it, or a newer one.",
        )
    for number, change in enumerate(migrations[version:], start=version + 1):
        with transaction(connection):
            if connection.execute("PRAGMA user_version").fetchone()[0] < number:  # else another process was first
                change(connection)
                connection.execute(f"PRAGMA user_version = {number}")
