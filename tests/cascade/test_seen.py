"""Rows are known again by when they first came, whatever they were used for, and the record is never lost silently."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rightsized.cascade.attempts import count_attempt
from rightsized.cascade.seen import FILE, begin_record, note_rows, read_record, share_seen_before, unknown_before
from rightsized.core.errors import StoreError

ROWS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(50)]


def pairs(*texts: str) -> list[tuple[str, str]]:
    return [(f"{text} with its label", text) for text in texts]


def test_a_row_keeps_the_moment_at_which_it_first_came(tmp_path: Path) -> None:
    note_rows(tmp_path, ROWS, now=10.0)
    note_rows(tmp_path, [*ROWS, "f" * 64], now=20.0)
    assert share_seen_before(tmp_path, pairs(*ROWS), 15.0) == 1.0
    assert share_seen_before(tmp_path, pairs(*ROWS), 10.0) == 0.0
    assert share_seen_before(tmp_path, pairs(*ROWS[:1], "f" * 64), 15.0) == 0.5
    assert share_seen_before(tmp_path, pairs(*ROWS[:1], *ROWS[:1], "e" * 64), 30.0) == 0.5  # each text once
    record = read_record(tmp_path)
    assert record is not None
    assert [len(batch.rows) for batch in record.batches] == [50, 1]


def test_rows_that_calibrated_are_known_from_the_attempts_too(tmp_path: Path) -> None:
    count_attempt(tmp_path, task="support", rows=[row for row, _ in pairs(*ROWS)], trial="a")
    assert share_seen_before(tmp_path, pairs(*ROWS, "e" * 64), float("inf")) == pytest.approx(50 / 51)
    assert share_seen_before(tmp_path, pairs(*ROWS), 0.0) == 0.0
    assert share_seen_before(tmp_path, [], float("inf")) == 0.0


def test_what_was_used_before_the_record_began_is_unknown(tmp_path: Path) -> None:
    assert not unknown_before(tmp_path, float("inf"))  # nothing was used at all
    count_attempt(tmp_path, task="support", rows=ROWS, trial="a")
    assert unknown_before(tmp_path, float("inf"))
    assert not unknown_before(tmp_path, 1.0)  # the alarm is older than all attempts
    note_rows(tmp_path, ROWS)
    assert unknown_before(tmp_path, float("inf"))  # it began after the attempt


def test_a_record_that_began_first_leaves_nothing_unknown(tmp_path: Path) -> None:
    begin_record(tmp_path, now=5.0)
    begin_record(tmp_path)  # it began once
    count_attempt(tmp_path, task="support", rows=ROWS, trial="a")
    assert not unknown_before(tmp_path, float("inf"))


def test_a_damaged_record_is_never_taken_for_an_empty_one(tmp_path: Path) -> None:
    note_rows(tmp_path, ROWS)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match="cannot be read"):
        share_seen_before(tmp_path, pairs(*ROWS), 1.0)
    with pytest.raises(StoreError, match="cannot be read"):
        note_rows(tmp_path, ROWS)
