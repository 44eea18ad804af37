"""Texts of others in a CSV file: no spreadsheet takes one for a formula, and none is changed on the way."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from rightsized.tasks.dataset import Columns, read
from rightsized.tasks.exported import write_training_rows
from rightsized.tasks.queue import TrainingRow

TEXTS = (
    '=HYPERLINK("http://evil.example","Your refund")',
    "+1 234 is my number",
    "-- thanks",
    "@SUM(A1)",
    "\t=cmd|' /C calc'!A0",
    "'=quoted already",
    "''=twice",
    "'an apostrophe",
    "plain = text",
)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_there_and_back(tmp_path: Path, name: str) -> None:
    rows = [TrainingRow(f"d{n}", text, "=label", "feedback", "-c") for n, text in enumerate(TEXTS)]
    write_training_rows(tmp_path / name, rows)
    data = read(tmp_path / name, Columns())
    assert [one.strip() for one in data.texts] == [one.strip() for one in TEXTS]
    assert set(data.labels) == {("=label",)}


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    write_training_rows(tmp_path / "rows.csv", [TrainingRow("=d", one, "+x", "abstained", "@c") for one in TEXTS])
    with (tmp_path / "rows.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert [cell for cell in cells if cell[:1] in "=+-@\t\r\n"] == []


def test_a_file_of_the_users_own_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("text,label\n'=a,x\nb,y\n")
    assert read(path, Columns()).texts == ["'=a", "b"]
