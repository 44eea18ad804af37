"""Group commit: one thread writes what many asyncio tasks hand in, one commit a group, then tells them.

Knows nothing of decisions: rows go in per table, many with one statement (a fifth less CPU than row by row). Entries of
the log get their number and their hash here; `seal` writes the head over them before the commit.

When a group is written. Work is urgent (somebody waits for it) or patient (nothing is held up by it yet): patient work
goes with the next urgent one, or by itself after `PATIENCE_SECONDS`. Urgent work is written at once when the writer is
idle and no more is expected; else groups start at least `group_ms` apart, and while one is written the next gathers.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rightsized.core.errors import BusyError, RightsizedError, StoreError
from rightsized.ledger.database import explain
from rightsized.ledger.merkle import leaf_hash
from rightsized.ledger.schema import LogRow, Table, leaf

GROUP_ROWS = 128  # rows in one commit at most
PATIENCE_SECONDS = 0.02  # the longest that patient work waits for company
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
        self.leaves: list[bytes] = []  # hash of each entry of the log, in order
        self.facts: dict[str, Any] = {}  # what work tells the seal of this transaction
        self._inserts = inserts
        self._rows: dict[str, list[Row]] = {}

    def append(self, table: Table, columns: Row, record: bytes) -> int:
        """Put an entry of the log into the next INSERT for `table`: its sequence number, columns, record.

        Returns the sequence number; it is given back if the transaction fails.
        """
        self.seq += 1
        self.leaves.append(leaf_hash(leaf(LogRow(self.seq, table, record))))
        self.add(table, (self.seq, *columns, record))
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


class Entry:
    """Work handed in: its future for the caller, and once written, its result or its error."""

    __slots__ = ("error", "future", "loop", "result", "work")

    def __init__(self, work: Work, loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: Exception | None = None


@dataclass(frozen=True)
class GroupSetup:
    """How a GroupWriter works.

    Args:
        inserts: a table's INSERT statement with `{rows}` where the values go; written in this order.
        group_ms: groups start at least this many milliseconds apart while more is expected.
        queue_rows: entries that may wait; more get BusyError.
        expecting: whether more urgent work is on its way.
        seal: called with the batch before COMMIT; what it returns is called once that has succeeded.
    """

    inserts: dict[str, str]
    group_ms: float
    queue_rows: int
    expecting: Callable[[], bool]
    seal: Callable[[Batch], Callable[[], None]]


class GroupWriter:
    """The writer thread. `seq` is the last sequence number in the file."""

    def __init__(self, connection: sqlite3.Connection, path: Path, setup: GroupSetup, *, seq: int) -> None:
        self._connection = connection
        self._path = path
        self._setup = setup
        self._seq = seq
        self._waiting: deque[Entry] = deque()
        self._wake = threading.Condition()
        self._go = False  # something urgent waits, or something patient has waited long enough
        self._nudge_at = 0.0  # when the nudge under way comes, by the clock of its loop
        self._nudge_loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self.groups = 0  # commits made
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work, *, bounded: bool = True, urgent: bool = True) -> Entry:
        """Hand in work; its future resolves once its transaction is on the disk. Order is kept.

        Args:
            work: called in the writer thread with the Batch; its return value is the future's result.
            bounded: False for rows that a started decision is owed (their number is bounded by the starts).
            urgent: False where nobody is held up yet.
        Raises:
            BusyError: as many rows wait as may. StoreError: the writer has stopped.
        """
        entry = Entry(work, asyncio.get_running_loop())
        with self._wake:
            if self._closing:
                raise StoreError(f"The log {self._path} is closed; nothing more can be recorded.")
            if bounded and len(self._waiting) >= self._setup.queue_rows:
                raise BusyError(
                    f"{len(self._waiting)} records wait to be written to {self._path.name}.", fix="Try again shortly."
                )
            self._waiting.append(entry)
            if len(self._waiting) >= GROUP_ROWS or (urgent and not self._go):
                self._go = True
                self._wake.notify()
        if not urgent:
            self._nudge_later(entry.loop)
        return entry

    def _nudge_later(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        if loop is not self._nudge_loop or now > self._nudge_at:  # none under way
            self._nudge_loop, self._nudge_at = loop, now + PATIENCE_SECONDS
            loop.call_later(PATIENCE_SECONDS, self._nudge)

    def _nudge(self) -> None:
        with self._wake:
            if self._waiting and not self._go:
                self._go = True
                self._wake.notify()

    def close(self) -> None:
        """Write what waits, then stop the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        earliest, group = 0.0, list[Entry]()
        try:
            while group := self._take(earliest):
                earliest = time.monotonic() + self._setup.group_ms / 1000
                self._write(group)
        finally:  # also if the thread dies of a mistake: those who wait must learn of it
            with self._wake:
                self._closing = True
                left = group + list(self._waiting)
                self._waiting.clear()
            _resolve(left, StoreError(f"The writer of {self._path} has stopped."))

    def _take(self, earliest: float) -> list[Entry]:
        with self._wake:
            while not self._go and not self._closing:
                self._wake.wait()
            pause = earliest - time.monotonic()
            if pause > 0 and self._setup.expecting():
                self._wake.wait_for(lambda: len(self._waiting) >= GROUP_ROWS or self._closing, pause)
            group = [self._waiting.popleft() for _ in range(min(GROUP_ROWS, len(self._waiting)))]
            self._go = bool(self._waiting)
            return group

    def _write(self, group: list[Entry]) -> None:
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

    def _commit(self, group: list[Entry]) -> Exception | None:
        batch = Batch(self._connection, self._setup.inserts, self._seq)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for entry in group:
                entry.result = entry.work(batch)
            batch.flush()
            sealed = self._setup.seal(batch) if batch.leaves else None
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError, RightsizedError, *ROW_ERRORS) as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            return error
        if sealed is not None:
            sealed()
        self._seq = batch.seq
        self.groups += 1
        return None


def _resolve(group: list[Entry], error: Exception | None) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[Entry]] = {}
    for entry in group:
        entry.error = error
        by_loop.setdefault(entry.loop, []).append(entry)
    for loop, entries in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, entries, error)
        except RuntimeError:  # the loop has closed: nobody waits for these any more
            continue


def _settle(entries: list[Entry], error: Exception | None) -> None:
    for entry in entries:
        if entry.future.done():
            continue  # the caller was cancelled; its row is written all the same
        if error is None:
            entry.future.set_result(entry.result)
        elif isinstance(error, RightsizedError):
            entry.future.set_exception(type(error)(error.message, fix=error.fix))  # one each: tracebacks differ
        else:
            entry.future.set_exception(error)
