"""Erasing a subject: its key is destroyed at once; the log deletes the texts sealed under it and says what it did.

The order. `SubjectKeys.erase` destroys the key, by whichever process was asked; from then on nothing sealed under it
can be read. The log's one writer then deletes the ciphertexts that are kept apart, and appends an event that names the
subject's reference. Entries stay as they were hashed, so every proof still holds.
"""

from __future__ import annotations

import sqlite3

import msgspec

from rightsized.core.frozen import Frozen
from rightsized.ledger import columns
from rightsized.ledger.group import Batch
from rightsized.ledger.schema import SEALED, EventRow, Query, decode_event, encode
from rightsized.ledger.sealing import within as within_of
from rightsized.ledger.subjects import Erased


class ErasureNote(Frozen, frozen=True):
    """The `detail` of an `erased` event, as JSON: the reference, decisions sealed under it, texts deleted."""

    subject: str
    decisions: int
    texts: int


def log_erasure(batch: Batch, erased: Erased) -> ErasureNote | None:
    """Delete a subject's texts and append the event; None where the log has it already."""
    batch.flush()
    connection = batch.connection
    if _is_logged(connection, erased.reference):
        return None
    within = within_of(erased.reference)
    sql = f"SELECT count(*) FROM starts WHERE text_sha256 >= ? AND text_sha256 < ? AND {SEALED}"  # noqa: S608 - fixed words
    (decisions,) = connection.execute(sql, within).fetchone()
    texts = connection.execute("DELETE FROM texts WHERE sha256 >= ? AND sha256 < ?", within).rowcount
    note = ErasureNote(erased.reference, decisions, texts)
    event = EventRow("erased", "", "", erased.at, msgspec.json.encode(note).decode())
    batch.append("events", columns.of_event(event), encode(event))
    return note


def erasures(query: Query) -> list[EventRow]:
    """What the log says of erasures, oldest first."""
    rows = query("SELECT record FROM events WHERE kind = 'erased' ORDER BY seq", ())
    return [decode_event(record) for (record,) in rows]


def _is_logged(connection: sqlite3.Connection, reference: str) -> bool:
    said = erasures(lambda sql, values: connection.execute(sql, values).fetchall())
    return any(reference in event.detail for event in said)
