"""The tables of `decisions.sqlite`, their numbered migrations, and the bytes that a later proof will hash.

`starts`, `ends`, `reviews` and `events` share one sequence: the n-th row written to the file has seq n, without gaps.
Each holds its record as JSON exactly as it was written; the other columns repeat parts of it for searching. Triggers
refuse UPDATE and DELETE on them. Two tables may shrink: `texts`, where retention deletes (the digests stay), and
`waiting`, the decisions that a person must still look at, which follows from the others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Literal

import msgspec

from rightsized.core.errors import StoreError
from rightsized.core.types import Decision, Frozen, Reply
from rightsized.core.verdicts import Verdict

Table = Literal["starts", "ends", "reviews", "events"]
EventKind = Literal["alarm", "shadow", "stricter-alarm"]
ReviewKind = Literal["abstained", "audit", "feedback"]
SEQUENCED: tuple[Table, ...] = ("starts", "ends", "reviews", "events")

_encoder = msgspec.json.Encoder(order="deterministic")


class End(Frozen, frozen=True):
    """How a decision ended; together with its started row it is the whole Decision.

    `verdicts` and `policy` are those of a refusal; an answer has them in its reply.
    """

    id: str
    ended: float
    phase: Literal["done", "failed"]
    reply: Reply | None = None
    error: str = ""
    verdicts: tuple[Verdict, ...] = ()
    policy: str = ""


class ReviewRow(Frozen, frozen=True):
    """A person's label for a decision, or the retraction of one (`retracts` is that row's seq)."""

    decision: str
    task: str
    kind: ReviewKind
    label: str
    reviewer: str
    created: float
    retracts: int | None = None


class EventRow(Frozen, frozen=True):
    """Something that happened to a task other than a request.

    `alarm`: its `detail` says in words what was found. `shadow` and `stricter-alarm` belong to the configurations that
    may answer after an alarm, with JSON as `detail` (tasks/fallback.py).
    """

    kind: EventKind
    task: str
    certificate: str
    created: float
    detail: str


class LogRow(Frozen, frozen=True):
    """One row of the log in order: its sequence number, its table, and its record as stored."""

    seq: int
    table: Table
    record: bytes


_decode_start = msgspec.json.Decoder(Decision)
_decode_end = msgspec.json.Decoder(End)
decode_review = msgspec.json.Decoder(ReviewRow).decode
decode_event = msgspec.json.Decoder(EventRow).decode


def encode(record: Decision | End | ReviewRow | EventRow) -> bytes:
    """The canonical JSON of a record: fields in declared order, mappings sorted."""
    return _encoder.encode(record)


def leaf(row: LogRow) -> bytes:
    """Canonical bytes of a row: table, NUL, seq as eight big-endian bytes, record as stored."""
    return row.table.encode() + b"\0" + row.seq.to_bytes(8, "big") + row.record


def decision(start: bytes, end: bytes | None, *, live: bool) -> Decision:
    """Put a decision together; a start without an end is `started` while its writer lives, else `interrupted`."""
    begun = _decode_start.decode(start)
    if end is None:
        return begun if live else msgspec.structs.replace(begun, phase="interrupted")
    last = _decode_end.decode(end)
    ruled = last.reply or last
    return msgspec.structs.replace(
        begun,
        phase=last.phase,
        ended=last.ended,
        reply=last.reply,
        error=last.error,
        verdicts=ruled.verdicts,
        policy=ruled.policy,
    )


_migrations: list[Callable[[sqlite3.Connection], None]] = []


def _migration(function: Callable[[sqlite3.Connection], None]) -> Callable[[sqlite3.Connection], None]:
    _migrations.append(function)
    return function


@_migration
def _create(connection: sqlite3.Connection) -> None:
    statements = [
        "CREATE TABLE runs (run INTEGER PRIMARY KEY, pid INTEGER NOT NULL, host TEXT NOT NULL, started REAL NOT NULL)",
        """CREATE TABLE starts (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task TEXT NOT NULL,
           started REAL NOT NULL, audit INTEGER NOT NULL, text_sha256 TEXT NOT NULL,
           run INTEGER NOT NULL, record BLOB NOT NULL)""",
        """CREATE TABLE ends (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE REFERENCES starts (id),
           task TEXT NOT NULL, status TEXT NOT NULL, tier INTEGER NOT NULL, record BLOB NOT NULL)""",
        """CREATE TABLE texts (number INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE,
           created REAL NOT NULL, text TEXT NOT NULL)""",
        """CREATE TABLE reviews (seq INTEGER PRIMARY KEY, decision TEXT NOT NULL REFERENCES starts (id),
           task TEXT NOT NULL, kind TEXT NOT NULL, created REAL NOT NULL,
           retracts INTEGER UNIQUE REFERENCES reviews (seq), record BLOB NOT NULL)""",
        """CREATE TABLE waiting (decision TEXT PRIMARY KEY REFERENCES starts (id), task TEXT NOT NULL,
           kind TEXT NOT NULL, created REAL NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX waiting_by_task ON waiting (task, created)",
        "CREATE INDEX waiting_by_age ON waiting (created)",
        "CREATE INDEX starts_by_task ON starts (task, started)",
        "CREATE INDEX starts_audited ON starts (task, seq) WHERE audit = 1",
        "CREATE INDEX ends_by_outcome ON ends (task, status, tier)",
        "CREATE INDEX reviews_by_decision ON reviews (decision)",
        "CREATE INDEX reviews_by_task ON reviews (task, kind)",
    ]
    for statement in statements:
        connection.execute(statement)
    for table in ("starts", "ends", "reviews", "runs"):
        _append_only(connection, table)


@_migration
def _events(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE events (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, task TEXT NOT NULL,
           certificate TEXT NOT NULL, created REAL NOT NULL, record BLOB NOT NULL)"""
    )
    connection.execute("CREATE INDEX events_by_certificate ON events (certificate)")
    _append_only(connection, "events")


def _append_only(connection: sqlite3.Connection, table: str) -> None:
    for verb in ("UPDATE", "DELETE"):
        connection.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no {verb} on {table}'); END"
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest schema, one migration a transaction. Raises StoreError on a newer file."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_migrations):
        raise StoreError(
            f"The decisions file has schema {version}; this version of Rightsized knows up to {len(_migrations)}.",
            fix="Install the version that wrote it, or a newer one.",
        )
    for number, change in enumerate(_migrations[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            change(connection)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def last_seq(connection: sqlite3.Connection) -> int:
    """The highest sequence number written; 0 in an empty file."""
    query = " UNION ALL ".join(f"SELECT max(seq) AS s FROM {t}" for t in SEQUENCED)  # noqa: S608 - names of our own
    highest: int = connection.execute(f"SELECT coalesce(max(s), 0) FROM ({query})").fetchone()[0]  # noqa: S608 - names of our own
    return highest


def in_force(
    connection: sqlite3.Connection, decision_id: str, kinds: tuple[ReviewKind, ...]
) -> tuple[int, ReviewRow] | None:
    """The label of the first of these kinds that has one in force, with its sequence number."""
    sql = """SELECT r.seq, r.record FROM reviews r WHERE r.decision = ? AND r.kind = ? AND r.retracts IS NULL
             AND NOT EXISTS (SELECT 1 FROM reviews u WHERE u.retracts = r.seq) ORDER BY r.seq DESC LIMIT 1"""
    for kind in kinds:
        found = connection.execute(sql, (decision_id, kind)).fetchone()
        if found:
            return found[0], decode_review(found[1])
    return None


def waits(reply: Reply, *, audit: bool) -> bool:
    """Whether a person has to look: nothing was answered, or the coin came up and the label would tell something.

    An audit of text that no certificate stood behind says nothing about a promise, so it costs nobody's time.
    """
    return reply.status == "abstained" or (audit and (reply.completion is None or reply.certified))


def retraction(seq: int, row: ReviewRow, *, reviewer: str, created: float) -> ReviewRow:
    """The row that takes another one back."""
    return msgspec.structs.replace(row, label="", reviewer=reviewer, created=created, retracts=seq)
