"""The head of the log: size, root and signed checkpoint, written in the transaction of the rows they cover.

So whatever a crash or a full disk leaves, rows and head agree; and every decision that was acknowledged is under a
signature. Every few minutes, or some thousand entries, a checkpoint is kept for good, so that a later one can be
compared with it. Runs in the writer's thread; rows and their order are the log's business (log.py).
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from rightsized.core.errors import IntegrityError, ProofError
from rightsized.ledger import columns
from rightsized.ledger.group import Batch
from rightsized.ledger.log_keys import KeyChain, LogKeys, Secrets, handover_note, read_chain
from rightsized.ledger.merkle import Frontier, Kept
from rightsized.ledger.notes import Signer, VerifierKey, checkpoint_text, parse_checkpoint
from rightsized.ledger.schema import EventRow, Query, decode_event, encode, last_seq
from rightsized.ledger.tree import StoredTree

log = logging.getLogger("rightsized.ledger")

KEEP_SECONDS = 300.0  # a checkpoint is kept for good once the last kept one is so old
KEEP_ENTRIES = 4096  # or once so many entries stand behind it
_SUCCESSOR = "successor"  # of a batch: the key that its transaction hands over to


def stored_chain(query: Query) -> KeyChain | None:
    """The keys of a log as its file names them; None where nobody has signed yet. Raises ProofError."""
    origin, first = query("SELECT origin, key FROM identity", ())[0]
    if not first:
        return None
    rows = query("SELECT seq, record FROM events WHERE kind = 'log-key' ORDER BY seq", ())
    return read_chain(origin, first, [(seq, _detail(seq, record)) for seq, record in rows])


def _detail(seq: int, record: bytes) -> str:
    try:
        return decode_event(record).detail
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ProofError(f"Entry {seq:,} hands over to another key and cannot be read.") from None


class TreeHead:
    """The tree of a log open for writing, and the key that signs it.

    Args:
        connection: the writer's, its schema the newest.
        path: the file, for error messages.
        secrets: where the signing keys are; None signs nothing.
        lost: open although the signing key is lost, for nothing but `hand_over(lost=True)`.
        clock: seconds since the epoch.
    Raises:
        IntegrityError: rows and head do not agree, the head is not signed by the log's key, or the key is missing.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        secrets: Secrets | None,
        *,
        lost: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock
        self._origin: str = self._query("SELECT origin FROM identity")[0][0]
        size, root, note = self._query("SELECT size, root, note FROM head")[0]
        self._note: str = note
        if last_seq(self._query) != size:
            raise self._altered(f"its head covers {size:,} entries, and there are {last_seq(self._query):,}")
        self._frontier = StoredTree(self._query).frontier(size)
        if self._frontier.root() != bytes(root):
            raise self._altered("its last entries are not those under its head")
        kept = self._query("SELECT size, created FROM checkpoints ORDER BY size DESC LIMIT 1")
        self._kept_size, self._kept_at = kept[0] if kept else (0, 0.0)
        self._time = 0  # of the last checkpoint: time never runs backwards in a log
        self._keys = LogKeys(secrets, self._origin) if secrets else None
        try:
            chain = stored_chain(self._query)
        except ProofError as error:
            raise self._altered(f"its keys cannot be read ({error.message.rstrip('.')})") from None
        self._signer = self._first_key() if chain is None else self._resumed(chain, lost=lost)

    @property
    def note(self) -> str:
        """The signed checkpoint of the last commit; empty where nobody signs or there are no entries."""
        return self._note

    @property
    def size(self) -> int:
        """Entries committed."""
        return self._frontier.size

    def seal(self, batch: Batch) -> Callable[[], None]:
        """Write the head over a transaction's rows, before its COMMIT; call what is returned after it."""
        successor = batch.facts.get(_SUCCESSOR)
        signers = [s for s in (self._signer, successor) if s]
        frontier, kept = self._frontier.copy(), list[Kept]()
        for leaf in batch.leaves:
            frontier.append(leaf, kept)
        if kept:
            self._connection.executemany("INSERT INTO subtrees VALUES (?, ?, ?)", kept)
        note = self._signed(frontier, signers) if signers else ""
        now = self._clock()
        old = now - self._kept_at >= KEEP_SECONDS or frontier.size - self._kept_size >= KEEP_ENTRIES
        keep = bool(signers) and (old or successor is not None)
        self._write(frontier, note, keep=keep)

        def committed() -> None:
            self._frontier, self._note = frontier, note
            if keep:
                self._kept_size, self._kept_at = frontier.size, now
            if successor is not None:
                self._signer = successor

        return committed

    def keep(self) -> str:
        """Keep the checkpoint of the last commit for good; in the writer's thread. Returns it."""
        if self._note:
            self._connection.execute(
                "INSERT OR IGNORE INTO checkpoints VALUES (?, ?, ?)", (self.size, self._clock(), self._note)
            )
        return self._note

    def hand_over(self, batch: Batch, *, lost: bool = False) -> str:
        """Let a new key sign from this transaction on. Returns it as a verifier key.

        Args:
            lost: the key so far is not at hand, so it cannot sign the handover.
        """
        if self._keys is None or (self._signer is None and not lost):
            raise IntegrityError(f"The log {self._path} was opened without its keys.")
        after = self._keys.create()
        note = handover_note(None if lost else self._signer, after)
        event = EventRow("log-key", "", "", self._clock(), note)
        batch.append("events", columns.of_event(event), encode(event))
        batch.facts[_SUCCESSOR] = after
        return str(after.key)

    def _resumed(self, chain: KeyChain, *, lost: bool) -> Signer | None:
        if self._keys is None:
            raise IntegrityError(
                f"The log {self._path} is signed, and was opened without its keys.",
                fix="Open it through the home that it belongs to.",
            )
        key = chain.at(self.size)
        if self.size:
            self._check_signed(key)
        try:
            return self._keys.signer(key)
        except IntegrityError:
            if lost:
                return None
            raise

    def _check_signed(self, key: VerifierKey) -> None:
        try:
            checkpoint = parse_checkpoint(self._note)
            if key not in checkpoint.note.signed_by([key]):
                raise ProofError("another key signed it")
        except ProofError as error:
            raise self._altered(f"its head is not signed by its key ({error.message.rstrip('.')})") from None
        if (checkpoint.size, checkpoint.root) != (self.size, self._frontier.root()):
            raise self._altered("its head is not the one that was signed")
        self._time = checkpoint.time

    def _first_key(self) -> Signer | None:
        """Make the log's first key, and sign what stands there already."""
        if self._keys is None:
            return None
        there, others = self._keys.all(), self._keys.strangers()
        if there and self.size:
            raise self._altered("it names no key, and there is one for it")
        if others and self.size:
            raise self._altered("it is not signed, and this home signed another log before")
        if others:
            log.warning("A new log begins", extra={"reason": "This home has signed another one before."})
        signer = there[0] if there else self._keys.create()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("UPDATE identity SET key = ?", (str(signer.key),))
        if self.size:
            self._note = self._signed(self._frontier, [signer])
            self._write(self._frontier, self._note, keep=True)
        self._connection.execute("COMMIT")
        return signer

    def _signed(self, frontier: Frontier, signers: list[Signer]) -> str:
        self._time = max(self._time, int(self._clock()))
        text = checkpoint_text(self._origin, frontier.size, frontier.root(), self._time)
        return text + "\n" + "".join(signer.line(text) for signer in signers)

    def _write(self, frontier: Frontier, note: str, *, keep: bool) -> None:
        self._connection.execute("UPDATE head SET size = ?, root = ?, note = ?", (frontier.size, frontier.root(), note))
        if keep:
            self._connection.execute(
                "INSERT OR IGNORE INTO checkpoints VALUES (?, ?, ?)", (frontier.size, self._clock(), note)
            )

    def _altered(self, what: str) -> IntegrityError:
        return IntegrityError(
            f"The log {self._path} was altered from outside: {what}.",
            fix="See what is wrong: rightsized ledger verify. Restore a backup, or move the file away to begin anew.",
        )

    def _query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters).fetchall()
