"""Group commit: one thread writes what many asyncio tasks hand in, one commit a group, then tells them.

Knows nothing of decisions: rows go in per table with one statement a chunk (each statement lets go of the
interpreter's lock once; row by row, a busy event loop would delay every row). A commit starts at once when the
writer is idle; while it runs, the next group gathers. After a group of several rows the next one starts at least
`group_ms` later; after a lone row at once.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rightsized.core.errors import BusyError, RightsizedError, StoreError
from rightsized.ledger.database import explain

GROUP_ROWS = 128  # rows in one commit at most
QUEUE_ROWS = 4096  # rows that may wait; more get BusyError
CHUNKS = (64, 16, 4, 1)  # rows in one INSERT; few sizes, so that the prepared statements are reused

# What one row may be refused for on its own: a constraint, or a value that SQLite or JSON cannot hold.
ROW_ERRORS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, ValueError, TypeError, OverflowError)

Row = tuple[Any, ...]
Work = Callable[["Batch"], Any]


class Batch:
    """One transaction: rows gathered a table, and the connection for work that must read before it writes."""

    def __init__(self, connection: sqlite3.Connection, inserts: dict[str, str], seq: int) -> None:
        self.connection = connection
        self.seq = seq
        self._inserts = inserts
        self._rows: dict[str, list[Row]] = {}

    def next_seq(self) -> int:
        """The next sequence number of the log; given back if the transaction fails."""
        self.seq += 1
        return self.seq

    def add(self, table: str, row: Row) -> None:
        """Put a row into the next INSERT for `table`."""
        self._rows.setdefault(table, []).append(row)

    def flush(self) -> None:
        """Write the gathered rows, table by table in the order of the INSERT statements."""
        for table, statement in self._inserts.items():
            rows = self._rows.pop(table, None)
            if rows:
                self._insert(statement, rows)

    def _insert(self, statement: str, rows: Sequence[Row]) -> None:
        one = "(" + ",".join("?" * len(rows[0])) + ")"
        at = 0
        while at < len(rows):
            size = next(size for size in CHUNKS if size <= len(rows) - at)
            values = [value for row in rows[at : at + size] for value in row]
            self.connection.execute(statement.replace("{rows}", ",".join([one] * size)), values)
            at += size


class _Entry:
    __slots__ = ("future", "loop", "result", "work")

    def __init__(self, work: Work, loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None


class GroupWriter:
    """The writer thread. `inserts` maps a table to its INSERT statement with `{rows}` where the values go."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        inserts: dict[str, str],
        seq: int,
        group_ms: float,
        queue_rows: int = QUEUE_ROWS,
    ) -> None:
        self._connection = connection
        self._path = path
        self._inserts = inserts
        self._seq = seq
        self._group_seconds = group_ms / 1000
        self._queue_rows = queue_rows
        self._waiting: deque[_Entry] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self.groups = 0  # commits made
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work, *, bounded: bool = True) -> asyncio.Future[Any]:
        """Hand in work; the future resolves once its transaction is on the disk.

        Args:
            work: called in the writer thread with the Batch; its return value is the future's result.
            bounded: False for rows that a started decision is owed (their number is bounded by the starts).
        Raises:
            BusyError: as many rows wait as may.
        """
        entry = _Entry(work, asyncio.get_running_loop())
        with self._wake:
            if self._closing:
                raise StoreError(f"The log {self._path} is closed; nothing more can be recorded.")
            if bounded and len(self._waiting) >= self._queue_rows:
                raise BusyError(
                    f"{len(self._waiting)} records wait to be written to {self._path.name}.", fix="Try again shortly."
                )
            self._waiting.append(entry)
            if len(self._waiting) in (1, GROUP_ROWS):
                self._wake.notify()
        return entry.future

    def close(self) -> None:
        """Write what waits, then stop the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        earliest, group = 0.0, list[_Entry]()
        try:
            while group := self._take(earliest):
                # a row that came alone (one client, one request at a time) gains nothing from waiting for company
                earliest = time.monotonic() + self._group_seconds if len(group) > 1 else 0.0
                self._write(group)
        finally:  # also if the thread dies of a mistake: those who wait must learn of it
            with self._wake:
                self._closing = True
                left = group + list(self._waiting)
                self._waiting.clear()
            _resolve(left, StoreError(f"The writer of {self._path} has stopped."))

    def _take(self, earliest: float) -> list[_Entry]:
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            pause = earliest - time.monotonic()
            if pause > 0 and len(self._waiting) < GROUP_ROWS and not self._closing:
                self._wake.wait_for(lambda: len(self._waiting) >= GROUP_ROWS or self._closing, pause)
            return [self._waiting.popleft() for _ in range(min(GROUP_ROWS, len(self._waiting)))]

    def _write(self, group: list[_Entry]) -> None:
        error = self._commit(group)
        if error is None:
            _resolve(group, None)
        elif isinstance(error, sqlite3.Error | OSError) and not isinstance(error, ROW_ERRORS):
            _resolve(group, explain(error, self._path))
        elif len(group) == 1:
            _resolve(group, error)
        else:
            for entry in group:  # one bad row must not fail its neighbours
                self._write([entry])

    def _commit(self, group: list[_Entry]) -> Exception | None:
        batch = Batch(self._connection, self._inserts, self._seq)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for entry in group:
                entry.result = entry.work(batch)
            batch.flush()
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError, RightsizedError, *ROW_ERRORS) as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            return error
        self._seq = batch.seq
        self.groups += 1
        return None


def _resolve(group: list[_Entry], error: Exception | None) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Entry]] = {}
    for entry in group:
        by_loop.setdefault(entry.loop, []).append(entry)
    for loop, entries in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, entries, error)
        except RuntimeError:  # the loop has closed: nobody waits for these any more
            continue


def _settle(entries: list[_Entry], error: Exception | None) -> None:
    for entry in entries:
        if entry.future.done():
            continue  # the caller was cancelled; its row is written all the same
        if error is None:
            entry.future.set_result(entry.result)
        elif isinstance(error, RightsizedError):
            entry.future.set_exception(type(error)(error.message, fix=error.fix))  # one each: tracebacks differ
        else:
            entry.future.set_exception(error)
