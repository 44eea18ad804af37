"""The columns beside each record, which repeat parts of it so that SQLite can search them."""

from __future__ import annotations

from typing import Any

from rightsized.core.types import Decision
from rightsized.ledger.schema import (
    End,
    EventRow,
    ReviewRow,
    Table,
    decode_end,
    decode_event,
    decode_review,
    decode_start,
)

NO_TIER = -1  # tier column of a decision that failed
DRY_RUN = "dry-run/"  # before the task of a decision that counts for nothing; no task's name holds a slash

# Columns that follow from the record, in the order of the functions below. `starts.run` does not.
NAMES: dict[Table, tuple[str, ...]] = {
    "starts": ("id", "task", "started", "audit", "text_sha256"),
    "ends": ("id", "status", "tier"),
    "reviews": ("decision", "task", "kind", "created", "retracts"),
    "events": ("kind", "task", "certificate", "created"),
}


def of_start(start: Decision) -> tuple[Any, ...]:
    return start.id, counts_for(start), start.started, int(start.audit), start.text_sha256


def counts_for(start: Decision) -> str:
    """The task in whose figures a decision stands. Those of a dry run stand apart, so that no query of a task's
    traffic, audits or labels can take them in by mistake."""
    return f"{DRY_RUN}{start.task}" if start.dry_run else start.task


def of_end(end: End) -> tuple[Any, ...]:
    """Without the task, which the started row has."""
    return end.id, end.reply.status if end.reply else "failed", end.reply.tier if end.reply else NO_TIER


def of_review(row: ReviewRow) -> tuple[Any, ...]:
    return row.decision, row.task, row.kind, row.created, row.retracts


def of_event(event: EventRow) -> tuple[Any, ...]:
    return event.kind, event.task, event.certificate, event.created


def of_record(table: Table, record: bytes) -> tuple[Any, ...]:
    """What the columns beside a record ought to say. Raises msgspec.DecodeError where it is no such record."""
    if table == "starts":
        return of_start(decode_start(record))
    if table == "ends":
        return of_end(decode_end(record))
    return of_review(decode_review(record)) if table == "reviews" else of_event(decode_event(record))
