"""The ledger: decisions go in through one writer with group commit; nothing once written is changed. Every commit
writes the head of the Merkle tree over all entries with it, signed.

`begin` returns once the started row is on the disk, `finish` once its end is. Both write even if the caller is
cancelled after the call. `finish` may be called before `begin` has returned: the two rows then share a commit. The log
does not know what a good answer is, nor who reviews it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import platform
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.types import Decision
from rightsized.ledger import columns
from rightsized.ledger.database import FileLock, explained, open_writer
from rightsized.ledger.erasure import ErasureNote, log_erasure
from rightsized.ledger.group import QUEUE_ROWS, ROW_ERRORS, Batch, Entry, GroupSetup, GroupWriter
from rightsized.ledger.head import TreeHead
from rightsized.ledger.log_keys import Secrets
from rightsized.ledger.migrations import migrate
from rightsized.ledger.reader import SECRETS, LedgerReader
from rightsized.ledger.retention import (
    PURGE_ROWS,
    delete_texts,
    due,
    empty_write_ahead_log,
    forget_unreadable,
    vacuum,
)
from rightsized.ledger.schema import (
    End,
    EventRow,
    ReviewKind,
    ReviewRow,
    encode,
    in_force,
    retraction,
    waits,
)
from rightsized.ledger.sealing import Sealer
from rightsized.ledger.subjects import PERSON, TENANT, SubjectKeys

T = TypeVar("T")

PROBE_BYTES = 32_768  # as much as a decision with a long text takes

_INSERTS = {
    "starts": "INSERT INTO starts (seq, id, task, started, audit, text_sha256, run, record) VALUES {rows}",
    "texts": "INSERT INTO texts (sha256, created, text) VALUES {rows} "
    "ON CONFLICT (sha256) DO UPDATE SET created = max(created, excluded.created)",
    "ends": "INSERT INTO ends (seq, id, task, status, tier, record) VALUES {rows}",
    "waiting": "INSERT INTO waiting (decision, task, kind, created) VALUES {rows}",
    "reviews": "INSERT INTO reviews (seq, decision, task, kind, created, retracts, record) VALUES {rows}",
    "events": "INSERT INTO events (seq, kind, task, certificate, created, record) VALUES {rows}",
}


class SqliteLedger:
    """The log of one home folder, open for writing. Implements core.protocols.Ledger.

    Args:
        path: the database file; made where absent.
        group_ms: while other decisions are being answered, commits start at least this many milliseconds apart.
        queue_rows: rows that may wait; more get BusyError.
        secrets: where the keys are that sign every commit; without, nothing is signed.
        tenants: a request that names no subject is about its tenant.
        key_lost: open although the signing key is lost, to put another in its place and for nothing else.
    Raises:
        HomeLockedError: another process writes to this file.
        IntegrityError: the file is damaged, was altered from outside, or its key is missing.
        StoreError: the file cannot be opened.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        group_ms: float = 2.0,
        queue_rows: int = QUEUE_ROWS,
        secrets: Secrets | None = None,
        key_lost: bool = False,
        tenants: bool = False,
    ) -> None:
        self.path = Path(path)
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path)
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock.release)
            self._connection = open_writer(self.path)
            undo.callback(self._connection.close)
            with explained(self.path):
                migrate(self._connection)
                self.run = self._begin_run()
                self._head = TreeHead(self._connection, self.path, secrets, lost=key_lost)
            self._subjects = SubjectKeys(self.path.parent / SECRETS)
            self._tenants = tenants
            self.reader = LedgerReader(self.path, self._subjects)
            undo.pop_all()
        self._open: dict[str, Entry] = {}  # decisions begun here and not yet ended
        setup = GroupSetup(_INSERTS, group_ms, queue_rows, lambda: bool(self._open), self._head.seal)
        self._writer = GroupWriter(self._connection, self.path, setup, seq=self._head.size)

    def __enter__(self) -> SqliteLedger:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def groups(self) -> int:
        """Commits made since opening."""
        return self._writer.groups

    @property
    def checkpoint(self) -> str:
        """The signed checkpoint of the last commit; empty where nothing is signed, or nothing recorded."""
        return self._head.note

    async def probe(self) -> None:
        """Write some pages and take them back, to see whether the log can be written.

        Raises DiskFullError, StoreError.
        """
        await self._write(_probe)

    async def keep_checkpoint(self) -> str:
        """Keep the checkpoint of the last commit for good, and return it."""
        return await self._write(lambda _: self._head.keep())

    async def mark_published(self, sink: str, size: int, cosignatures: str) -> None:
        """Remember that a sink has the checkpoint of `size` entries, and what it signed."""

        def mark(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO published VALUES (?, ?, ?)", (sink, size, time.time()))
            if cosignatures:
                connection.execute("INSERT OR REPLACE INTO cosignatures VALUES (?, ?, ?)", (size, sink, cosignatures))

        await self._write(mark)

    async def rotate_key(self, *, lost: bool = False) -> str:
        """Let a new key sign from now on; the one so far signs the handover unless it is `lost`.

        Returns the new key as a verifier key. Raises DiskFullError, IntegrityError, StoreError.
        """
        key: str = await self._writer.submit(lambda batch: self._head.hand_over(batch, lost=lost), bounded=False).future
        return key

    async def begin(self, decision: Decision, text: str, *, urgent: bool = False) -> None:
        """Record that a decision has started; returns once that is on the disk.

        Unless `urgent`, nothing is held up by it: it may wait some milliseconds for company (group.PATIENCE_SECONDS).
        Raises BusyError, DiskFullError, InputError (the id is taken), StoreError.
        """

        def work(batch: Batch) -> Sealer | None:
            d, kept, sealer = decision, (decision.text_sha256, text), self._sealer(decision)
            if sealer is not None:
                d, kept = sealer.start(d, text, tenant=not d.subject)
            batch.append("starts", (*columns.of_start(d), self.run), encode(d))
            batch.add("texts", (kept[0], d.started, kept[1]))
            return sealer

        if decision.id in self._open:  # its end would be taken for that of the one under way
            raise InputError(f"Decision {decision.id} is being answered already.", fix="Give each request its own id.")
        entry = self._open[decision.id] = self._writer.submit(work, urgent=urgent)
        try:
            await entry.future
        except ROW_ERRORS as error:
            raise InputError(f"Decision {decision.id} could not be started: {error}.") from None
        finally:
            if entry.error is not None and self._open.get(decision.id) is entry:
                del self._open[decision.id]

    async def finish(self, decision: Decision, texts: Sequence[tuple[str, str]] = ()) -> None:
        """Record how a decision begun here ended (`done` or `failed`); returns once start and end are on the disk.

        `texts` is what was written, as (sha256, text); retention deletes it like the texts that were asked.

        Raises DiskFullError, InputError (never started, or ended already), StoreError.
        """
        if decision.phase not in ("done", "failed"):
            raise InputError(f"A decision ends as done or failed, not as {decision.phase!r}.")
        end = End(
            decision.id,
            ended=time.time() if decision.ended is None else decision.ended,
            phase=decision.phase,
            reply=decision.reply,
            error=decision.error,
            verdicts=() if decision.reply else decision.verdicts,
            policy="" if decision.reply else decision.policy,
            attempts=None if decision.reply else decision.attempts,
        )
        start = self._open.pop(decision.id, None)
        if start is None:
            raise InputError(f"Decision {decision.id} was not started here, or has ended.")

        def work(batch: Batch) -> None:
            if start.error is not None:
                raise InputError(f"Decision {decision.id} was never started: {start.error}.")
            last, kept = start.result.end(end, list(texts)) if start.result is not None else (end, texts)
            decision_id, status, tier = columns.of_end(last)
            batch.append("ends", (decision_id, columns.counts_for(decision), status, tier), encode(last))
            for digest, text in kept:
                batch.add("texts", (digest, end.ended, text))
            if (
                decision.reply
                and not decision.dry_run
                and waits(decision.reply, audit=decision.audit, operation=decision.operation)
            ):
                kind = "audit" if decision.audit else "abstained"  # both: the reviewer must see no suggestion
                batch.add("waiting", (end.id, decision.task, kind, decision.started))

        try:
            await self._writer.submit(work, bounded=False).future
        except ROW_ERRORS as error:
            raise InputError(f"Decision {decision.id} could not be ended: {error}.") from None

    def get(self, decision_id: str) -> Decision | None:
        """The decision as recorded so far, or None."""
        return self.reader.get(decision_id)

    async def review(self, row: ReviewRow) -> None:
        """Append a label; one of the same kind already in force for the decision is retracted with it.

        The decision then no longer waits (feedback leaves it waiting). Raises BusyError, DiskFullError, InputError.
        """

        def work(batch: Batch) -> None:
            batch.flush()
            if (earlier := in_force(batch.connection, row.decision, (row.kind,))) is not None:
                _append(batch, retraction(*earlier, reviewer=row.reviewer, created=row.created))
            _append(batch, row)
            batch.flush()
            if row.kind != "feedback":
                batch.connection.execute("DELETE FROM waiting WHERE decision = ?", (row.decision,))

        try:
            await self._writer.submit(work).future
        except ROW_ERRORS as error:
            raise InputError(f"The label for decision {row.decision} could not be recorded: {error}.") from None

    async def retract(self, decision_id: str, kinds: tuple[ReviewKind, ...], *, reviewer: str) -> ReviewRow:
        """Take back the label in force of the first of these kinds that has one; the decision waits again.

        Returns the label taken back. Raises NotFoundError where there is none.
        """

        def work(batch: Batch) -> ReviewRow:
            batch.flush()
            found = in_force(batch.connection, decision_id, kinds)
            if found is None:
                raise NotFoundError(f"Decision {decision_id} has no label to take back.")
            row = found[1]
            _append(batch, retraction(*found, reviewer=reviewer, created=time.time()))
            batch.flush()
            if row.kind != "feedback":
                batch.connection.execute(
                    "INSERT OR IGNORE INTO waiting (decision, task, kind, created) "
                    "SELECT id, task, ?, started FROM starts WHERE id = ?",
                    (row.kind, decision_id),
                )
            return row

        taken: ReviewRow = await self._writer.submit(work).future
        return taken

    async def note(self, event: EventRow) -> None:
        """Append an event; returns once it is on the disk. Raises DiskFullError, StoreError."""

        def work(batch: Batch) -> None:
            _append_event(batch, event)

        await self._writer.submit(work, bounded=False).future

    async def log_erasures(self) -> list[ErasureNote]:
        """Delete the texts of subjects whose key was destroyed, and say so in the log; returns what was newly said."""
        done = []
        for erased in await asyncio.to_thread(self._subjects.unlogged):
            note = await self._writer.submit(functools.partial(log_erasure, erased=erased), bounded=False).future
            if note is not None:
                done.append(note)
                await self._write(forget_unreadable)
            await asyncio.to_thread(self._subjects.mark_logged, erased.reference)
        if done:
            await self._give_back()
        return done

    async def purge_texts(self, older_than: float, labelled_older_than: float | None = None) -> int:
        """Delete texts last used before `older_than` (seconds since the epoch) and give their space back.

        Decisions keep the digest. Works in small transactions, so that recording goes on; returns the texts deleted.

        Args:
            labelled_older_than: texts of decisions whose label may train go only if last used before this; None makes
                no difference.
        """
        labelled = older_than if labelled_older_than is None else min(older_than, labelled_older_than)
        numbers = await asyncio.to_thread(due, self.path, older_than, labelled)  # reads the whole table
        deleted = 0
        for at in range(0, len(numbers), PURGE_ROWS):
            chunk = numbers[at : at + PURGE_ROWS]
            deleted += await self._write(functools.partial(delete_texts, numbers=chunk, older_than=older_than))
        if deleted:
            await self._write(forget_unreadable)
            await self._give_back()
            await self.note(EventRow("retention", "", "", time.time(), f"{deleted} texts were deleted"))
        return deleted

    async def _give_back(self) -> None:
        while await self._write(vacuum):
            pass
        await asyncio.to_thread(empty_write_ahead_log, self.path)

    def _sealer(self, decision: Decision) -> Sealer | None:
        """Seals under the key of whom the decision is about; in the writer's thread. None where it names nobody."""
        if decision.subject:
            return Sealer(self._subjects.key_of(PERSON + decision.subject))
        if self._tenants and decision.tenant:
            return Sealer(self._subjects.key_of(TENANT + decision.tenant))
        return None

    async def _write(self, function: Callable[[sqlite3.Connection], T]) -> T:
        def work(batch: Batch) -> T:
            batch.flush()
            return function(batch.connection)

        result: T = await self._writer.submit(work, bounded=False).future
        return result

    def close(self) -> None:
        """Write what waits, keep the last checkpoint, and let the file go to the next writer."""
        self._writer.close()
        with contextlib.suppress(sqlite3.Error):  # a full disk must not stop a server from ending
            self._head.keep()
        self.reader.close()
        self._subjects.close()
        self._connection.close()
        self._lock.release()

    def _begin_run(self) -> int:
        self._connection.execute("BEGIN IMMEDIATE")
        cursor = self._connection.execute(
            "INSERT INTO runs (pid, host, started) VALUES (?, ?, ?)", (os.getpid(), platform.node(), time.time())
        )
        self._connection.execute("COMMIT")
        assert cursor.lastrowid is not None
        return cursor.lastrowid


def _append(batch: Batch, row: ReviewRow) -> None:
    batch.append("reviews", columns.of_review(row), encode(row))


def _append_event(batch: Batch, event: EventRow) -> None:
    batch.append("events", columns.of_event(event), encode(event))


def _probe(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE probe (filler BLOB)")
    connection.execute("INSERT INTO probe VALUES (zeroblob(?))", (PROBE_BYTES,))
    connection.execute("DROP TABLE probe")
