"""Checks a log offline: every entry, every kept hash, every signature, and checkpoints that were kept elsewhere.

Reads the file only; a server may go on writing, entries that come meanwhile are not looked at. What this can find, and
what only a checkpoint kept elsewhere can, is told in docs/explanation/proofs.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rightsized.core.errors import IntegrityError, ProofError, RightsizedError, StoreError
from rightsized.core.protocols import Progress, no_progress
from rightsized.ledger import columns, owed
from rightsized.ledger.findings import Findings, Verification
from rightsized.ledger.head import stored_chain
from rightsized.ledger.journal import compared, seals
from rightsized.ledger.log_keys import KeyChain
from rightsized.ledger.merkle import EMPTY_ROOT, Frontier, Kept, leaf_hash
from rightsized.ledger.migrations import TREE_VERSION
from rightsized.ledger.notes import Checkpoint, VerifierKey, parse_checkpoint
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import SEQUENCED, LogRow, Table, leaf
from rightsized.ledger.sealing import reference_of
from rightsized.ledger.tree import StoredTree

PAGE_ROWS = 2000  # entries read at a time
TEXT_PAGE = 1000

_LAST = " UNION ALL ".join(f"SELECT max(seq) AS s FROM {table}" for table in SEQUENCED)  # noqa: S608 - names of our own
_SNAPSHOT = f"""SELECT origin, size, root, note, (SELECT max(size) FROM checkpoints),
    (SELECT coalesce(max(s), 0) FROM ({_LAST})) FROM identity, head"""  # noqa: S608 - one statement: all of one moment
_STRAY_ENDS = """SELECT e.seq FROM ends e LEFT JOIN starts s ON s.id = e.id
    WHERE e.seq > ? AND e.seq <= ? AND (s.task IS NULL OR s.task <> e.task OR s.seq > e.seq) LIMIT 100"""


def verify(
    path: Path,
    *,
    trusted: Sequence[VerifierKey] = (),
    since: Checkpoint | None = None,
    against: Sequence[Checkpoint] = (),
    journal: Path | None = None,
    progress: Progress = no_progress,
) -> Verification:
    """Check the log in `path`.

    Args:
        trusted: keys of which one must have signed the log; empty trusts the keys that the file names.
        since: a checkpoint that was verified before: entries up to it are not read again.
        against: checkpoints kept elsewhere, each compared with the log as it is now.
        journal: the first file of the egress journal, compared with what the log says of it; None leaves it out.
    Raises:
        NotFoundError: there is no such file. StoreError: it cannot be read, or is from before there was a tree.
    """
    began = time.monotonic()
    with LedgerReader(path) as reader:
        reader.tolerate_bad_text()
        check = _Check(reader, trusted, against)
        if journal is not None:
            check.journal(journal)
        return check.run(since, progress, began)


class _Check:
    def __init__(self, reader: LedgerReader, trusted: Sequence[VerifierKey], against: Sequence[Checkpoint]) -> None:
        self.reader = reader
        self.trusted = trusted
        self.against = against
        self.findings = Findings()
        self.journal_bytes = 0
        if reader.query("PRAGMA user_version")[0][0] < TREE_VERSION:
            raise IntegrityError(
                f"{reader.path} was written before logs had proofs.", fix="Open it once: rightsized serve."
            )
        self._snapshot()
        self.chain = self._keys()
        self.roots: dict[int, list[tuple[Checkpoint, bool]]] = {}  # by size: checkpoints to compare; kept elsewhere?

    def run(self, since: Checkpoint | None, progress: Progress, began: float) -> Verification:
        for words in self.reader.check():
            self.findings.add("damaged", 0, f"SQLite finds the file unsound: {words}.")
        self._head()
        kept = self._kept()
        self._elsewhere(([since] if since else []) + list(self.against))
        start = self._start(since)
        self._walk(start, progress)
        self._queue()
        texts = self._texts(progress) if since is None else 0
        return Verification(
            ok=not self.findings.found,
            origin=self.origin,
            entries=self.size,
            since=since.size if since else 0,
            checkpoints=kept,
            external=len(self.against) + (since is not None),
            texts=texts,
            key=str(self.chain.at(self.size)) if self.chain else "",
            trusted=bool(self.trusted),
            checkpoint=self.note,
            findings=tuple(self.findings.found),
            seconds=time.monotonic() - began,
            journal_bytes=self.journal_bytes,
        )

    def journal(self, path: Path) -> None:
        """Compare the egress journal with what the log says of it."""
        try:
            known = seals(self.reader.query)
            self.journal_bytes = sum(seal.bytes for seal in known.values())
            for words in compared(path, known):
                self.findings.add("journal", 0, words)
        except (RightsizedError, msgspec.MsgspecError, ValueError, OSError) as error:
            self.findings.add("journal", 0, f"The egress journal cannot be compared: {error}.")

    def _snapshot(self) -> None:
        rows = self.reader.query(_SNAPSHOT)
        self.origin, self.size, self.root, self.note, newest, last = rows[0] if rows else ("", 0, b"", "", None, 0)
        if not (isinstance(self.size, int) and isinstance(self.root, bytes) and isinstance(self.note, str) and rows):
            self.findings.add("tree", 0, "The head of the log is missing or cannot be read.")
            self.size, self.root, self.note = last, b"", ""
        if last > self.size:
            self.findings.add(
                "extra", self.size + 1, f"Entries after {self.size:,}, up to {last:,}, are under no head."
            )
        if last < self.size:
            self.findings.add("missing", last + 1, f"Entries {last + 1:,} to {self.size:,} are missing.")
        if (newest or 0) > self.size:
            self.findings.add("missing", self.size + 1, f"A kept checkpoint covers {newest:,} entries.")
        self.last = min(last, self.size)

    def _keys(self) -> KeyChain | None:
        try:
            chain = stored_chain(self.reader.query)
        except (RightsizedError, msgspec.DecodeError) as error:
            self.findings.add("key", 0, f"The keys of the log cannot be read: {error}")
            return None
        for seq, words in chain.problems() if chain else ():
            self.findings.add("key", seq, words)
        if self.trusted and (chain is None or not set(chain.keys) & set(self.trusted)):
            ids = ", ".join(key.id.hex() for key in self.trusted)
            self.findings.add("key", 0, f"The log is not signed by a key that is trusted ({ids}).")
        return chain

    def _head(self) -> None:
        if not self.size:
            if self.root != EMPTY_ROOT:
                self.findings.add("tree", 0, "The head covers no entries and has a root.")
            return
        if not self.note:
            if self.chain or self.trusted:
                self.findings.add("signature", self.size, "The head of the log is not signed.")
            return
        checkpoint = self._signed(self.note, self.size, "The head")
        if checkpoint and (checkpoint.size, checkpoint.root) != (self.size, self.root):
            self.findings.add("signature", self.size, "What was signed is not the head of the log.")

    def _signed(self, note: str, size: int, what: str, since: int | None = None) -> Checkpoint | None:
        """A note of this log as a checkpoint, if the key of its size signed it.

        Args:
            since: entries of the checkpoint kept before; where keys changed since then, the one before signed too.
        """
        try:
            checkpoint = parse_checkpoint(note)
            self._check_signature(checkpoint, since)
        except ProofError as error:
            self.findings.add("signature", size, f"{what} of {size:,} entries: {error.message}")
            return None
        return checkpoint

    def _check_signature(self, checkpoint: Checkpoint, since: int | None = None) -> None:
        if checkpoint.origin != self.origin:
            raise ProofError(f"It is of another log: {checkpoint.origin}.")
        needed = self.chain.signers(checkpoint.size, since) if self.chain else set()
        if not needed or needed - set(checkpoint.note.signed_by(self.chain.keys if self.chain else ())):
            raise ProofError("It is not signed by the key of this log.")

    def _kept(self) -> int:
        rows = self.reader.query("SELECT size, note FROM checkpoints WHERE size <= ? ORDER BY size", (self.size,))
        before = 0
        for size, note in rows:
            checkpoint = self._signed(str(note), size, "The kept checkpoint", before)
            before = size
            if size == self.size and note != self.note:
                self.findings.add("signature", size, "The head is not the checkpoint that was kept of it.")
            if checkpoint and checkpoint.size != size:
                self.findings.add("signature", size, f"The checkpoint kept for {size:,} entries is another one.")
            elif checkpoint:
                self.roots.setdefault(size, []).append((checkpoint, False))
        return len(rows)

    def _elsewhere(self, checkpoints: Sequence[Checkpoint]) -> None:
        for checkpoint in checkpoints:
            try:
                self._check_signature(checkpoint)
            except ProofError as error:
                words = f"A checkpoint of {checkpoint.size:,} entries kept elsewhere: {error.message}"
                self.findings.add("signature", checkpoint.size, words)
            if checkpoint.size > self.size:
                words = f"A checkpoint kept elsewhere covers {checkpoint.size:,} entries; the log has {self.size:,}."
                self.findings.add("rollback", self.size, words)
            elif checkpoint.origin == self.origin:
                self.roots.setdefault(checkpoint.size, []).append((checkpoint, True))

    def _start(self, since: Checkpoint | None) -> Frontier:
        if since is None or since.size > self.size:
            return Frontier()
        try:
            frontier = StoredTree(self.reader.query).frontier(since.size)
        except IntegrityError as error:
            self.findings.add("missing", since.size, error.message)
            return Frontier()
        self._compare(frontier)
        return frontier

    def _walk(self, frontier: Frontier, progress: Progress) -> None:
        """Every entry in order: none missing, each as hashed; roots and kept hashes as they were written."""
        kept = list[Kept]()
        first = frontier.size
        for page in range(first, self.last, PAGE_ROWS):
            until = min(self.last, page + PAGE_ROWS)
            for row in self._rows(page, until):
                while (
                    frontier.size + 1 < row.seq and not self.findings.full
                ):  # keep counting, so that what follows is looked at too
                    self.findings.add("missing", frontier.size + 1, f"Entry {frontier.size + 1:,} is missing.")
                    frontier.append(EMPTY_ROOT, kept)
                    self._compare(frontier)
                if row.seq == frontier.size + 1:
                    frontier.append(leaf_hash(leaf(row)), kept)
                    self._compare(frontier)
            if self.findings.full:
                return
            progress("entries", until, self.last)
        for (seq,) in self.reader.query(_STRAY_ENDS, (first, self.last)):
            self.findings.add("copy", seq, f"Entry {seq:,} ends a decision that did not start, or names another task.")
        self._kept_hashes(kept, first)
        if frontier.size != self.size or frontier.root() != self.root:
            self.findings.add("altered", frontier.size, "The entries are not those under the head of the log.")

    def _rows(self, after: int, until: int) -> Iterator[LogRow]:
        found: list[tuple[int, Table, tuple[Any, ...], Any]] = []
        for table, names in columns.NAMES.items():
            sql = f"SELECT seq, record, {', '.join(names)} FROM {table} WHERE seq > ? AND seq <= ?"  # noqa: S608 - names of our own
            found += [(seq, table, tuple(at), record) for seq, record, *at in self.reader.query(sql, (after, until))]
        found.sort(key=lambda entry: entry[0])
        before = after
        for seq, table, values, record in found:
            if seq == before:
                self.findings.add("extra", seq, f"There are two entries {seq:,}.")
            before = seq
            if type(record) is not bytes:
                self.findings.add("altered", seq, f"Entry {seq:,} in {table} is not the bytes that were written.")
                record = str(record).encode()
            try:
                expected = columns.of_record(table, record)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.findings.add("altered", seq, f"Entry {seq:,} in {table} cannot be read.")
            else:
                if values != expected:
                    self.findings.add("copy", seq, f"The columns of entry {seq:,} in {table} differ from its record.")
            yield LogRow(seq, table, record)

    def _compare(self, frontier: Frontier) -> None:
        for checkpoint, elsewhere in self.roots.get(frontier.size, ()):
            if frontier.root() == checkpoint.root:
                continue
            if elsewhere:
                words = (
                    f"The log is not the one that a checkpoint of {checkpoint.size:,} entries kept elsewhere covers."
                )
                self.findings.add("rewritten", checkpoint.size, words)
            else:
                words = f"The first {checkpoint.size:,} entries are not those that were signed."
                self.findings.add("altered", checkpoint.size, words)

    def _kept_hashes(self, computed: Sequence[Kept], first: int) -> None:
        rows = self.reader.query("SELECT level, number, hash FROM subtrees")
        stored = {(level, number): hashed for level, number, hashed in rows}
        for level, number, hashed in computed:
            start, end = number << level, (number + 1) << level
            if start >= first and stored.get((level, number)) != hashed:
                words = f"Entries {start + 1:,} to {end:,} are not those whose hash was kept."
                self.findings.add("tree", start + 1, words)
        now = self.reader.query("SELECT size FROM head")  # a server that goes on writing adds some
        grown = now[0][0] if now and isinstance(now[0][0], int) else self.size
        expected = {(level, n) for level in range(8, 64, 8) for n in range(self.size >> level)}
        late = {(level, n) for level in range(8, 64, 8) for n in range(self.size >> level, grown >> level)}
        if set(stored) - late != expected:
            self.findings.add("tree", 0, "Kept hashes are missing, or there are more than entries.")

    def _queue(self) -> None:
        """What waits for a person follows from the entries, and is written in their transactions."""
        with contextlib.suppress(StoreError):  # an entry that cannot be read is a finding already
            for words in owed.problems(self.reader.query):
                self.findings.add("queue", 0, words)

    def _texts(self, progress: Progress) -> int:
        """Texts are kept apart from their records, under their digest; deleted ones are no finding."""
        total, at = 0, 0
        while page := self.reader.query(
            "SELECT number, sha256, text FROM texts WHERE number > ? ORDER BY number LIMIT ?", (at, TEXT_PAGE)
        ):
            at = page[-1][0]
            for _, digest, text in page:
                if not self._is_text(str(digest), str(text)):
                    self.findings.add("text", 0, f"The text kept under {digest} is another one.")
            total += len(page)
            progress("texts", total, 0)
        return total

    def _is_text(self, digest: str, text: str) -> bool:
        """Whether a text is the one that its digest names. A sealed one whose key is gone says nothing any more."""
        if reference_of(digest):
            try:
                self.reader.text_of(digest)
            except RightsizedError:
                return False
            return True
        return hashlib.sha256(text.encode()).hexdigest() == digest
