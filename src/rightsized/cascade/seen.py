"""Remembers when each labelled row first came to this home, whatever it was used for: by digests, never texts.

After an alarm only labels of later traffic can certify again. Rows that calibrated before it are known from the record
of attempts; this record also knows those that trained, which another seed would move into calibrate. It begins with the
version that writes it: what a home used before then is not known.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from rightsized.cascade.attempts import locked, read_book, write_durably
from rightsized.core.errors import StoreError
from rightsized.core.types import Frozen

FILE = "rows.json"
DIGITS = 16  # hexadecimal, of a digest: 64 bits tell millions of rows apart


class Batch(Frozen, frozen=True):
    """Rows that were first seen at one moment (seconds since the epoch), each by the first digits of its digest."""

    created: float
    rows: tuple[str, ...]


class Record(Frozen, frozen=True):
    """All rows of a home, oldest first. `since`: when the record began."""

    since: float
    batches: tuple[Batch, ...] = ()

    def before(self, moment: float) -> set[str]:
        """Rows that were there before a moment."""
        return {row for batch in self.batches if batch.created < moment for row in batch.rows}


def begin_record(home: Path, *, now: float | None = None) -> None:
    """Begin the record where there is none: before the first attempt, so that nothing older is unknown.

    Raises StoreError where it cannot be read.
    """
    with locked(home):
        if read_record(home) is None:
            write_durably(home / FILE, Record(_moment(now)))


def note_rows(home: Path, texts: Iterable[str], *, now: float | None = None) -> None:
    """Remember that these rows are here.

    Args:
        texts: a digest of each row's text alone, without its label, hexadecimal.
        now: seconds since the epoch; None reads the clock.
    Raises:
        StoreError: the record cannot be read.
    """
    when = _moment(now)
    with locked(home):
        record = read_record(home) or Record(when)
        fresh = tuple(sorted({text[:DIGITS] for text in texts} - record.before(float("inf"))))
        if fresh:
            write_durably(home / FILE, Record(record.since, (*record.batches, Batch(when, fresh))))


def _moment(now: float | None) -> float:
    return time.time() if now is None else now


def read_record(home: Path) -> Record | None:
    """The record; None where none was begun. Raises StoreError: a damaged one is never taken for an empty one."""
    path = home / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError) as error:
        raise StoreError(
            f"The record of rows used so far {path} cannot be read: {error}.",
            fix="Restore the file. Without it, calibrate again on labels of traffic after the last alarm only.",
        ) from None


def share_seen_before(home: Path, rows: Sequence[tuple[str, str]], moment: float) -> float:
    """The share of these rows, each text once, that were here before `moment`, in whatever use: 0 for fresh ones.

    Args:
        rows: for each row its digest as attempts know it, and that of its text alone.
    Raises:
        StoreError: a record cannot be read.
    """
    book, record = read_book(home), read_record(home)
    tested = {row for attempt in book.attempts if attempt.created < moment for row in book.sets[attempt.labels]}
    held = record.before(moment) if record is not None else set()
    distinct = {text for _, text in rows}
    old = {text for row, text in rows if row in tested or text[:DIGITS] in held}
    return len(old) / len(distinct) if distinct else 0.0


def unknown_before(home: Path, moment: float) -> bool:
    """Whether rows may have trained before `moment` of which nothing is known: attempts older than the record."""
    record = read_record(home)
    since = record.since if record is not None else float("inf")
    return any(attempt.created < min(since, moment) for attempt in read_book(home).attempts)
