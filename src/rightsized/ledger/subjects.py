"""One key for each person (or tenant) that requests are about, kept outside the log; erasing is destroying it.

`subjects.sqlite` lies among the home's secrets, mode 0600. It holds no names: a subject is found by a keyed digest of
its name, and named in the log by a random reference. Once its row is gone nothing leads from the name to the reference,
nor from the reference to what was sealed under it. Deleted rows are overwritten in the file; blocks that a file system
or a disk keeps by itself, and backups of the secrets, are beyond this.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets as random
import sqlite3
import threading
from pathlib import Path
from typing import NamedTuple

from rightsized.core.errors import IntegrityError
from rightsized.ledger.database import explained, open_writer

FILE = "subjects.sqlite"
PERSON, TENANT = "person:", "tenant:"  # before a subject's name: the two cannot be taken for each other
KEY_BYTES = 32
REFERENCE_BYTES = 16
REMEMBERED = 10_000  # keys at hand
_TABLES = """
CREATE TABLE IF NOT EXISTS pepper (one INTEGER PRIMARY KEY CHECK (one = 1), value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS subjects (name BLOB PRIMARY KEY, reference TEXT NOT NULL UNIQUE, key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS erased (reference TEXT PRIMARY KEY, at REAL NOT NULL, logged INTEGER NOT NULL);
"""


class SubjectKey(NamedTuple):
    """What stands for a subject in the log, and its 32 secret bytes."""

    reference: str
    key: bytes


class Erased(NamedTuple):
    """A subject whose key was destroyed, and when."""

    reference: str
    at: float


class SubjectKeys:
    """The keys of all subjects of a home; several processes may use them at once.

    Args:
        folder: of the home's secrets. The file is made when the first key is.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._by_name: dict[str, SubjectKey] = {}
        self._by_reference: dict[str, bytes | None] = {}
        self._version = -1
        self._pepper = b""

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def key_of(self, name: str) -> SubjectKey:
        """The key of a subject; a new one, on the disk when this returns, where it has none."""
        with self._lock, explained(self.path):
            connection = self._opened(make=True)
            assert connection is not None
            self._forget_if_changed(connection)
            found = self._by_name.get(name)
            if found is None:
                if len(self._by_name) >= REMEMBERED:
                    self._by_name.clear()
                found = self._by_name[name] = self._stored(connection, name) or self._made(connection, name)
            return found

    def find(self, name: str) -> SubjectKey | None:
        """The key of a subject; None where it has none, or no longer."""
        with self._lock, explained(self.path):
            connection = self._opened()
            return None if connection is None else self._stored(connection, name)

    def by_reference(self, reference: str) -> bytes | None:
        """The key behind a reference in the log; None once it was destroyed."""
        with self._lock, explained(self.path):
            connection = self._opened()
            if connection is None:
                return None
            self._forget_if_changed(connection)
            if reference not in self._by_reference:
                if len(self._by_reference) >= REMEMBERED:
                    self._by_reference.clear()
                row = connection.execute("SELECT key FROM subjects WHERE reference = ?", (reference,)).fetchone()
                self._by_reference[reference] = bytes(row[0]) if row else None
            return self._by_reference[reference]

    def erase(self, name: str, *, at: float) -> str | None:
        """Destroy the key of a subject for good; returns its reference, None where it had no key.

        Done when this returns, whatever happens then; that the log says so follows (`unlogged`).
        """
        with self._lock, explained(self.path):
            connection = self._opened()
            found = self._stored(connection, name) if connection else None
            if connection is None or found is None:
                return None
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM subjects WHERE reference = ?", (found.reference,))
            connection.execute("INSERT INTO erased VALUES (?, ?, 0)", (found.reference, at))
            connection.execute("COMMIT")
            self._by_name.clear()
            self._by_reference.clear()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return found.reference

    def unlogged(self) -> list[Erased]:
        """Erasures that the log does not know of yet, oldest first."""
        with self._lock, explained(self.path):
            connection = self._opened()
            if connection is None:
                return []
            rows = connection.execute("SELECT reference, at FROM erased WHERE logged = 0 ORDER BY at").fetchall()
            return [Erased(*row) for row in rows]

    def mark_logged(self, reference: str) -> None:
        """The log knows of this erasure."""
        with self._lock, explained(self.path):
            connection = self._opened()
            if connection is not None:
                connection.execute("UPDATE erased SET logged = 1 WHERE reference = ?", (reference,))

    def _opened(self, *, make: bool = False) -> sqlite3.Connection | None:
        if self._connection is None and (make or self.path.exists()):
            if make and not self.path.exists():
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            connection = open_writer(self.path)
            connection.executescript(_TABLES)
            connection.execute(
                "INSERT OR IGNORE INTO pepper VALUES (1, ?)", (random.token_bytes(KEY_BYTES),)
            )  # another process may have been first
            self._pepper = bytes(connection.execute("SELECT value FROM pepper").fetchone()[0])
            self._connection = connection
        return self._connection

    def _forget_if_changed(self, connection: sqlite3.Connection) -> None:
        """Another process may have destroyed a key: what is at hand must not outlive it."""
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._by_name.clear()
            self._by_reference.clear()
            self._version = version

    def _digest(self, name: str) -> bytes:
        return hmac.new(self._pepper, name.encode(), hashlib.sha256).digest()

    def _stored(self, connection: sqlite3.Connection, name: str) -> SubjectKey | None:
        row = connection.execute("SELECT reference, key FROM subjects WHERE name = ?", (self._digest(name),)).fetchone()
        if row is None:
            return None
        if len(row[1]) != KEY_BYTES:
            raise IntegrityError(f"A key in {self.path} was altered.", fix="Restore the secrets from a backup.")
        return SubjectKey(row[0], bytes(row[1]))

    def _made(self, connection: sqlite3.Connection, name: str) -> SubjectKey:
        made = SubjectKey(random.token_hex(REFERENCE_BYTES), random.token_bytes(KEY_BYTES))
        connection.execute(
            "INSERT OR IGNORE INTO subjects VALUES (?, ?, ?)", (self._digest(name), made.reference, made.key)
        )
        return self._stored(connection, name) or made
