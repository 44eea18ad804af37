"""Counts attempts on the same calibration labels, since each one spends part of delta.

Looking again until a test passes is how honest tests come to lie: ten seeds on one file raised false certificates from
3% to 22%. So the j-th attempt on overlapping labels tests at delta / (j (j + 1)), which adds up to delta over all j,
or by a schedule declared with the first. The count stands in one JSON file under the home, written before the test.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from rightsized.core.errors import DataError, StoreError
from rightsized.core.types import Frozen

FILE, LOCK = "attempts.json", "attempts.lock"


class PastAttempt(Frozen, frozen=True):
    """One attempt: on which set of labels, what made it differ from others, and when (seconds since the epoch).

    `decisions` are the requests that the labels are of, where they come from the record.
    """

    task: str
    labels: str
    trial: str
    number: int
    looks: tuple[float, ...] = ()
    created: float = 0.0
    decisions: tuple[str, ...] = ()


class _Book(Frozen, frozen=True):
    sets: dict[str, tuple[str, ...]]
    attempts: tuple[PastAttempt, ...]


def count_attempt(
    home: Path,
    *,
    task: str,
    rows: Sequence[str],
    trial: str,
    looks: tuple[float, ...] = (),
    decisions: Sequence[str] = (),
) -> int:
    """The number of this attempt, from 1; recorded before it is returned, so that no look goes uncounted.

    Attempts overlap where their calibration labels share a row or a request, directly or through attempts between them.

    Args:
        home: folder of the home.
        rows: a digest of each calibration row, label included: fresh labels are fresh rows.
        trial: digest of everything that could change the outcome (models, promise, budget, seed). The same trial on
            the same rows is the same attempt, however often it is run.
        looks: shares of delta for all attempts, declared with the first; empty takes 1 / (j (j + 1)).
        decisions: requests that the rows are of, where they are on record: known again under another label.
    Raises:
        DataError: another schedule was declared for these labels, or the declared one is used up.
        StoreError: the record of past attempts cannot be read.
    """
    if len(looks) and not (all(look > 0 for look in looks) and sum(looks) <= 1 + 1e-12):
        raise DataError(f"The declared looks {looks} must be positive shares of delta that add up to at most 1.")
    labels = _labels(rows)
    with locked(home):
        book = read_book(home)
        earlier = _overlapping(book, rows, decisions)
        same = [a.number for a in earlier if (a.labels, a.trial) == (labels, trial)]
        if same:
            return min(same)
        number = 1 + max((a.number for a in earlier), default=0)
        _check_looks(earlier, looks, number)
        now = PastAttempt(task, labels, trial, number, looks, time.time(), tuple(sorted(decisions)))
        write_durably(home / FILE, _Book(book.sets | {labels: tuple(sorted(set(rows)))}, (*book.attempts, now)))
    return number


def number_of(home: Path, rows: Sequence[str], trial: str) -> int:
    """The number that `count_attempt` would give this attempt; nothing is recorded. Raises StoreError."""
    earlier = _overlapping(read_book(home), rows)
    same = [attempt.number for attempt in earlier if (attempt.labels, attempt.trial) == (_labels(rows), trial)]
    return min(same) if same else 1 + max((attempt.number for attempt in earlier), default=0)


def _labels(rows: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def share_of_delta(attempt: int, looks: tuple[float, ...] = ()) -> float:
    """The share of delta that the attempt may spend."""
    return looks[attempt - 1] if looks else 1 / (attempt * (attempt + 1))


def read_book(home: Path) -> _Book:
    """All attempts so far. Raises StoreError where the file cannot be read: attempts are never forgotten silently."""
    path = home / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Book)
    except FileNotFoundError:
        return _Book({}, ())
    except (msgspec.DecodeError, OSError) as error:
        raise StoreError(
            f"The record of calibration attempts {path} cannot be read: {error}.",
            fix="Restore the file. Without it, calibrate again on fresh labels only.",
        ) from None


def _overlapping(book: _Book, rows: Iterable[str], decisions: Iterable[str] = ()) -> list[PastAttempt]:
    """Past attempts connected with these rows by chains of shared rows or requests."""
    reached, asked, frontier = set(rows), set(decisions), True
    joined: set[str] = set()
    while frontier:
        met = {a.labels for a in book.attempts if not asked.isdisjoint(a.decisions)}
        joins = (key for key, kept in book.sets.items() if key in met or not reached.isdisjoint(kept))
        found = [key for key in joins if key not in joined]
        for key in found:
            joined.add(key)
            reached.update(book.sets[key])
            asked.update(*(a.decisions for a in book.attempts if a.labels == key))
        frontier = bool(found)
    return [attempt for attempt in book.attempts if attempt.labels in joined]


def decisions_tested(home: Path, task: str) -> set[str]:
    """Requests whose labels have tested a version of this task. Raises StoreError."""
    return {one for attempt in read_book(home).attempts if attempt.task == task for one in attempt.decisions}


def _check_looks(earlier: list[PastAttempt], looks: tuple[float, ...], number: int) -> None:
    declared = {attempt.looks for attempt in earlier}
    if declared and declared != {looks}:
        raise DataError(
            f"These calibration labels were first used with the schedule {sorted(declared)[0] or 'of falling shares'};"
            f" {looks or 'falling shares'} cannot be declared now.",
            fix="Keep the first schedule, or calibrate on fresh labels.",
        )
    if looks and number > len(looks):
        raise DataError(
            f"All {len(looks)} declared looks at these calibration labels are used.", fix="Calibrate on fresh labels."
        )


def write_durably(path: Path, value: msgspec.Struct) -> None:
    """Put a record in place of the one before, whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(msgspec.json.encode(value))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """One process counts at a time: two fits at once are two attempts."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
