"""The records in the tables of `decisions.sqlite` (made by migrations.py), and the bytes of each that the tree hashes.

`starts`, `ends`, `reviews` and `events` share one sequence: the n-th row written to the file has seq n, without gaps.
Each holds its record as JSON exactly as it was written; the other columns repeat parts of it for searching. Triggers
refuse UPDATE and DELETE on them. Two tables may shrink: `texts`, where retention deletes (the digests stay), and
`waiting`, the decisions that a person must still look at, which follows from the others. `subtrees`, `head` and
`checkpoints` hold the tree over the rows and what was signed of it (tree.py, head.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from rightsized.core.types import ANSWER, Attempt, Decision, Frozen, Reply
from rightsized.core.verdicts import Verdict

Query = Callable[[str, tuple[Any, ...]], list[tuple[Any, ...]]]  # rows of a SELECT
Table = Literal["starts", "ends", "reviews", "events"]
EventKind = Literal[
    "alarm",
    "shadow",
    "stricter-alarm",
    "log-key",
    "erased",
    "retention",
    "journal",
    "access",
    "policy",
    "keys",
    "action",
]
ReviewKind = Literal["abstained", "audit", "feedback"]
SEALED = "text_sha256 >= 'hmac-sha256:' AND text_sha256 < 'hmac-sha256;'"  # starts whose text is sealed (sealing.py)
SEQUENCED: tuple[Table, ...] = ("starts", "ends", "reviews", "events")

_encoder = msgspec.json.Encoder(order="deterministic")


class End(Frozen, frozen=True):
    """How a decision ended; together with its started row it is the whole Decision.

    `verdicts` and `policy` are those of a refusal, `attempts` those of a failure; an answer has them in its reply.
    `sealed`: the words of an error, where only the subject's key opens them.
    """

    id: str
    ended: float
    phase: Literal["done", "failed"]
    reply: Reply | None = None
    error: str = ""
    verdicts: tuple[Verdict, ...] = ()
    policy: str = ""
    attempts: tuple[Attempt, ...] | None = None
    sealed: str = ""


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
    may answer after an alarm, with JSON as `detail` (tasks/fallback.py). `log-key`, `erased`, `retention` and `journal`
    belong to no task: another key signs (log_keys.py), a subject's key was destroyed (erasure.py), texts were deleted,
    the egress journal has grown (journal.py). So do `access`: somebody was shown recorded texts (tasks/accesses.py),
    and `policy` and `keys`: something else governs requests (tasks/governance.py).
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


decode_start = msgspec.json.Decoder(Decision).decode
decode_end = msgspec.json.Decoder(End).decode
decode_review = msgspec.json.Decoder(ReviewRow).decode
decode_event = msgspec.json.Decoder(EventRow).decode


def encode(record: Decision | End | ReviewRow | EventRow) -> bytes:
    """The canonical JSON of a record: fields in declared order, mappings sorted."""
    return _encoder.encode(record)


def leaf(row: LogRow) -> bytes:
    """Canonical bytes of a row: table, NUL, seq as eight big-endian bytes, record as stored."""
    return row.table.encode() + b"\0" + row.seq.to_bytes(8, "big") + row.record


def decision(start: bytes, end: bytes | None, *, live: bool) -> Decision:
    """A decision from its two records, as they are stored."""
    return assembled(decode_start(start), decode_end(end) if end is not None else None, live=live)


def assembled(begun: Decision, last: End | None, *, live: bool) -> Decision:
    """Put a decision together; a start without an end is `started` while its writer lives, else `interrupted`."""
    if last is None:
        return begun if live else msgspec.structs.replace(begun, phase="interrupted")
    ruled = last.reply or last
    return msgspec.structs.replace(
        begun,
        phase=last.phase,
        ended=last.ended,
        reply=last.reply,
        error=last.error,
        verdicts=ruled.verdicts,
        policy=ruled.policy,
        attempts=last.attempts,
        sealed=begun.sealed or last.sealed,
    )


def last_seq(query: Query) -> int:
    """The highest sequence number written; 0 in an empty file."""
    each = " UNION ALL ".join(f"SELECT max(seq) AS s FROM {t}" for t in SEQUENCED)  # noqa: S608 - names of our own
    highest: int = query(f"SELECT coalesce(max(s), 0) FROM ({each})", ())[0][0]  # noqa: S608 - names of our own
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


def waits(reply: Reply, *, audit: bool, operation: str = "") -> bool:
    """Whether a person has to look: nothing was answered, or the coin came up and the label would tell something.

    An audit of text that no certificate stood behind says nothing about a promise, so it costs nobody's time. Where
    documents answered nothing, whoever asked reads them.
    """
    if operation == ANSWER:
        return audit and reply.certified
    return reply.status == "abstained" or (audit and (reply.completion is None or reply.certified))


def retraction(seq: int, row: ReviewRow, *, reviewer: str, created: float) -> ReviewRow:
    """The row that takes another one back."""
    return msgspec.structs.replace(row, label="", reviewer=reviewer, created=created, retracts=seq)
