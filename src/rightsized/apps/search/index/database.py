"""Opens `index.sqlite` for its one writer or for readers, and says what SQLite's errors mean in our words.

The writer's lock is a file beside it, held as long as the writer works and let go by the kernel when it dies.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from rightsized.core import sqlite
from rightsized.core.errors import DiskFullError, HomeLockedError, IntegrityError, NotFoundError, StoreError
from rightsized.ledger.database import FileLock, is_disk_full

FILE = "index.sqlite"
BUSY_SECONDS = 30.0  # how long a connection waits for SQLite's own locks
CACHE = "cache_size = -16384"  # KiB of pages that each connection keeps


def lock_writer(path: Path) -> FileLock:
    """The lock of the collection's one writer. Raises HomeLockedError where another process holds it."""
    with explained(path):
        try:
            return FileLock(path)
        except HomeLockedError as error:
            raise HomeLockedError(error.message, fix="Wait until that sync has ended, or stop it.") from None


def open_writer(path: Path) -> sqlite3.Connection:
    """A connection that may write: WAL, each commit on the disk before it returns, deleted pages overwritten."""
    with explained(path):
        return sqlite.open_writer(path, busy_seconds=BUSY_SECONDS, pragmas=(CACHE,))


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises NotFoundError where there is no collection."""
    if not path.exists():
        name = path.parent.name
        raise NotFoundError(f"There is no collection {name!r}.", fix=f"Run: rightsized search add PATH -C {name}")
    with explained(path):
        connection = sqlite.open_reader(path, busy_seconds=BUSY_SECONDS)
        connection.execute(f"PRAGMA {CACHE}")
    return connection


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns SQLite's and the file system's errors inside the block into ours."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise explain(error, path) from error


def explain(error: sqlite3.Error | OSError, path: Path) -> StoreError:
    """The error to show for a failure of SQLite or of the file system."""
    if is_disk_full(error, path):
        return DiskFullError(
            f"No space is left for the collection in {path.parent}; what was taken in before is kept.",
            fix="Free some space and sync again: it goes on where it stopped.",
        )
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return IntegrityError(
            f"{path} is damaged: {error}.",
            fix=f"Restore the folder {path.parent} from a backup, or remove it and add the sources again.",
        )
    return StoreError(f"{path} cannot be used: {error}.", fix="Check that the folder exists and may be written.")
