"""Reads the log: one decision, searches, counts, every row in order. Opens read-only; many may read at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from rightsized.core.errors import StoreError
from rightsized.core.types import Decision, Frozen
from rightsized.ledger.database import explained, open_reader, writer_lives
from rightsized.ledger.schema import (
    SEALED,
    EventRow,
    LogRow,
    ReviewRow,
    assembled,
    decode_end,
    decode_event,
    decode_review,
    decode_start,
    encode,
    last_seq,
)
from rightsized.ledger.sealing import Sealer, opened_end, opened_start, reference_of, within
from rightsized.ledger.subjects import PERSON, SubjectKey, SubjectKeys
from rightsized.ledger.tree import log_rows

SECRETS = "secrets"  # folder beside the file
SEALERS_AT_HAND = 1000
_BEGUN = '(instr(s.record, ?) OR NOT instr(s.record, CAST(\'"sealed":""\' AS BLOB)))'
_ENDED = "instr(e.record, ?)"

_SELECT = "SELECT s.seq, s.run, s.record, e.record FROM starts s LEFT JOIN ends e ON e.id = s.id"


class Search(Frozen, frozen=True):
    """Which decisions to read. Times in seconds since the epoch; `since` is included, `until` is not.

    `status` is answered, abstained or failed, or `open` for those without an end (running or interrupted). `begun` and
    `ended` are words that the start's and the end's record must hold, as JSON strings: a quick sieve, since they may
    stand in another field. A start that is sealed passes it. `subject`: the reference under which the text is sealed.
    """

    task: str | None = None
    since: float | None = None
    until: float | None = None
    status: Literal["answered", "abstained", "failed", "open"] | None = None
    tier: int | None = None
    audit: bool | None = None
    begun: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    subject: str | None = None


class LedgerReader:
    """A read-only view of `decisions.sqlite`; may be used from any thread.

    What was sealed under a subject's key is opened with it. In SQL, `opened(t.sha256, t.text)` is a text in the clear
    (NULL without its key), and `opened_start(s.record)` a started record with what was sealed in its place.

    Args:
        subjects: the keys; by default those in the folder of secrets beside the file.
    Raises:
        NotFoundError: there is no file. IntegrityError: it is damaged.
    """

    def __init__(self, path: Path | str, subjects: SubjectKeys | None = None) -> None:
        self.path = Path(path)
        self._connection = open_reader(self.path)
        self._lock = threading.Lock()
        self._subjects = subjects or SubjectKeys(self.path.parent / SECRETS)
        self._sealers: dict[str, tuple[bytes, Sealer]] = {}
        self._connection.create_function("opened", 2, self._opened_text)
        self._connection.create_function("opened_start", 1, self._opened_start)

    def __enter__(self) -> LedgerReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, once a query under way in another thread has ended: SQLite must not lose it in mid-query."""
        with self._lock:
            self._connection.close()
            self._subjects.close()

    def tolerate_bad_text(self) -> None:
        """Read text that is not UTF-8 with marks in place of what cannot be read, instead of raising."""
        self._connection.text_factory = lambda data: data.decode("utf-8", "replace")

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a SELECT on the tables of ledger/schema.py."""
        with self._lock, explained(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    def get(self, decision_id: str) -> Decision | None:
        """The decision, or None. Without an end it reads `started` while its writer lives, else `interrupted`."""
        return next(iter(self._decisions(f"{_SELECT} WHERE s.id = ?", (decision_id,))), None)

    def text(self, decision_id: str) -> str | None:
        """The text of a decision; None once retention has deleted it, or where there is no such decision."""
        rows = self.query(
            "SELECT opened(t.sha256, t.text) FROM starts s JOIN texts t ON t.sha256 = s.text_sha256 WHERE s.id = ?",
            (decision_id,),
        )
        return rows[0][0] if rows else None

    def text_of(self, digest: str) -> str | None:
        """A text that is kept apart, by its digest; None once it was deleted."""
        rows = self.query("SELECT opened(sha256, text) FROM texts WHERE sha256 = ?", (digest,))
        return rows[0][0] if rows else None

    def text_key(self, decision_id: str) -> bytes:
        """The key of the digests of a sealed decision's texts, which shows that they are those; empty where none is
        needed, or left."""
        rows = self.query("SELECT record FROM starts WHERE id = ?", (decision_id,))
        begun = decode_start(rows[0][0]) if rows else None
        sealer = self._sealer(begun.subject) if begun is not None and begun.sealed else None
        return sealer.text_key(decision_id) if sealer else b""

    def search(self, search: Search, *, limit: int = 100, before: str | None = None) -> list[Decision]:
        """Decisions that match, newest first; `before` is the id of the last one of the page before."""
        where, values = _conditions(search)
        if before is not None:
            where.append("(s.started, s.id) < (SELECT started, id FROM starts WHERE id = ?)")
            values.append(before)
        sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY s.started DESC, s.id DESC LIMIT ?"
        return self._decisions(sql, (*values, limit))

    def count(self, search: Search) -> int:
        """How many decisions match."""
        where, values = _conditions(search)
        clause = " AND ".join(where)
        if search.status in ("answered", "abstained", "failed") and _only_outcome(search):
            clause = clause.replace("s.", "e.")
            return int(self.query(f"SELECT count(*) FROM ends e WHERE {clause}", tuple(values))[0][0])  # noqa: S608 - fixed words
        sql = f"SELECT count(*) FROM starts s LEFT JOIN ends e ON e.id = s.id WHERE {clause}"  # noqa: S608 - fixed words
        return int(self.query(sql, tuple(values))[0][0])

    def rows(self, after: int = 0) -> Iterator[LogRow]:
        """Every row of the log in order of its sequence number, from the first one after `after`."""
        yield from log_rows(self.query, after, last_seq(self.query))

    def reference(self, subject: str) -> str | None:
        """What stands for a person in the log; None where they have no key, or no longer."""
        found = self._subjects.find(PERSON + subject)
        return found.reference if found else None

    def reviews(self, task: str) -> list[tuple[int, ReviewRow]]:
        """Labels in force for a task, with their sequence numbers, oldest first; retracted ones are left out."""
        sql = """SELECT r.seq, r.record FROM reviews r WHERE r.task = ? AND r.retracts IS NULL
                 AND NOT EXISTS (SELECT 1 FROM reviews u WHERE u.retracts = r.seq) ORDER BY r.seq"""
        return [(seq, decode_review(record)) for seq, record in self.query(sql, (task,))]

    def events(self, certificate: str) -> list[EventRow]:
        """What happened under a certificate, oldest first."""
        rows = self.query("SELECT record FROM events WHERE certificate = ? ORDER BY seq", (certificate,))
        return [decode_event(record) for (record,) in rows]

    def check(self) -> list[str]:
        """What SQLite finds wrong with the file; empty where it is sound."""
        return [row[0] for row in self.query("PRAGMA integrity_check") if row[0] != "ok"]

    def live_run(self) -> int | None:
        """Number of the run that writes at this moment; None where no process does."""
        if not writer_lives(self.path):
            return None
        newest: int | None = self.query("SELECT max(run) FROM runs")[0][0]
        return newest

    def _decisions(self, sql: str, values: tuple[Any, ...]) -> list[Decision]:
        rows = self.query(sql, values)
        live = self.live_run() if any(end is None for *_, end in rows) else None
        return [self._decision(start, end, live=run == live) for _, run, start, end in rows]

    def _decision(self, start: bytes, end: bytes | None, *, live: bool) -> Decision:
        begun, last = decode_start(start), decode_end(end) if end is not None else None
        if begun.sealed or (last and last.sealed):
            sealer = self._sealer(begun.subject)
            begun, last = opened_start(begun, sealer), opened_end(last, sealer) if last else None
        return assembled(begun, last, live=live)

    def _sealer(self, reference: str) -> Sealer | None:
        try:
            key = self._subjects.by_reference(reference)
        except StoreError:  # whoever may read the log and not the keys sees what is in clear
            key = None
        if key is None:
            self._sealers.pop(reference, None)
            return None
        held = self._sealers.get(reference)
        if held is None or held[0] != key:
            if len(self._sealers) >= SEALERS_AT_HAND:
                self._sealers.clear()
            held = self._sealers[reference] = key, Sealer(SubjectKey(reference, key))
        return held[1]

    def _opened_text(self, digest: str, text: str) -> str | None:
        reference = reference_of(digest)
        if not reference:
            return text
        sealer = self._sealer(reference)
        return sealer.open(text, digest) if sealer else None

    def _opened_start(self, record: bytes) -> bytes:
        if b'"sealed":""' in record or b'"sealed":"' not in record:
            return record
        begun = decode_start(record)
        return encode(opened_start(begun, self._sealer(begun.subject)))


def _only_outcome(search: Search) -> bool:
    return search.since is None and search.until is None and search.audit is None


def _conditions(search: Search) -> tuple[list[str], list[Any]]:
    given = {
        "s.task = ?": search.task,
        "s.started >= ?": search.since,
        "s.started < ?": search.until,
        "e.status = ?": None if search.status == "open" else search.status,
        "e.tier = ?": search.tier,
        "s.audit = ?": None if search.audit is None else int(search.audit),
    }
    where = [condition for condition, value in given.items() if value is not None] or ["1 = 1"]
    values: list[Any] = [value for value in given.values() if value is not None]
    if search.status == "open":
        where.append("e.id IS NULL")
    for words, sieve in ((search.begun, _BEGUN), (search.ended, _ENDED)):
        where += [sieve] * len(words)
        values += [msgspec.json.encode(word) for word in words]
    if search.subject is not None:
        where.append(f"s.text_sha256 >= ? AND s.text_sha256 < ? AND s.{SEALED.replace(' AND ', ' AND s.')}")
        values += within(search.subject)
    return where, values
