"""Opens `decisions.sqlite` for its one writer or for readers, and says what SQLite's errors mean in our words.

One writer per file: a lock on `<file>.lock`, held as long as the writer lives and let go by the kernel when it dies.
A reader probes the same lock to tell decisions still being answered from those a crash cut off.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sqlite3
import time
from pathlib import Path

from rightsized.core import sqlite
from rightsized.core.errors import DiskFullError, HomeLockedError, IntegrityError, NotFoundError, StoreError

BUSY_SECONDS = 10.0  # how long a connection waits for SQLite's own locks
LOCK_PATIENCE_SECONDS = 0.3  # a reader's probe holds the lock for microseconds; another writer holds it for long
LITTLE_SPACE_BYTES = 1 << 20  # an input/output error with less than this free is a full disk


class FileLock:
    """The exclusive lock of the one writer."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._acquire()
        except BaseException:
            os.close(self._descriptor)
            raise
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def _acquire(self) -> None:
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.01)
                    continue
                owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise HomeLockedError(
                    f"Process {owner} already writes to {self.path.with_suffix('')}.",
                    fix="Stop it, ask it over HTTP, or choose another home with RIGHTSIZED_HOME.",
                ) from None
            else:
                return

    def release(self) -> None:
        """Let the lock go."""
        os.close(self._descriptor)


def writer_lives(database: Path) -> bool:
    """True while some process holds the writer's lock on this file."""
    try:
        descriptor = os.open(database.with_name(database.name + ".lock"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def open_writer(path: Path) -> sqlite3.Connection:
    """A connection that may write: WAL, every commit on the disk before it returns, deleted text overwritten."""
    with explained(path):
        return sqlite.open_writer(path, busy_seconds=BUSY_SECONDS)


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises NotFoundError where nothing has been recorded yet."""
    if not path.exists():
        raise NotFoundError(f"No decisions are recorded in {path}.", fix="Answer something first: rightsized serve.")
    with explained(path):
        return sqlite.open_reader(path, busy_seconds=BUSY_SECONDS)


class explained(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as a statement, like contextlib.suppress
    """Turns SQLite's errors inside the block into ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error | OSError):
            raise explain(error, self._path) from error


def explain(error: sqlite3.Error | OSError, path: Path) -> StoreError:
    """The error to show for a failure of SQLite or of the file system."""
    if is_disk_full(error, path):
        return DiskFullError(
            f"No space is left to record decisions in {path}; what was acknowledged is on the disk.",
            fix="Free some space. Recording goes on by itself then.",
        )
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return IntegrityError(
            f"{path} is damaged: {error}.",
            fix=f"Move it away (it is left as it is) and restart: mv {path} {path}.damaged",
        )
    return StoreError(f"{path} cannot be used: {error}.", fix="Check that the folder exists and may be written.")


def is_disk_full(error: sqlite3.Error | OSError, path: Path) -> bool:
    """True where the failure means that no space is left."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return True
    return name.startswith("SQLITE_IOERR") and shutil.disk_usage(path.parent).free < LITTLE_SPACE_BYTES
