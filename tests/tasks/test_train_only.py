"""Rows whose label the model or a user picked: `fit` trains on them, and no slice that measures ever holds one."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rightsized.core.errors import DataError
from rightsized.data import path as sample
from rightsized.tasks.dataset import SOURCE_COLUMN, Columns, read
from rightsized.tasks.slices import FitPlan, Slices, prepare

COLUMNS = Columns(label="department")


def ordinary() -> list[dict[str, str]]:
    rows = []
    for name in ("support_train.csv", "support_calibrate.csv"):
        with sample(name).open(encoding="utf-8", newline="") as stream:
            rows += [{"text": row["text"], "department": row["department"]} for row in csv.DictReader(stream)]
    return rows


def picked(count: int, source: str = "queue") -> list[dict[str, str]]:
    """Rows as `queue export` writes them."""
    words = ["anvil", "bobbin", "candle", "drawer", "easel", "funnel", "gasket", "hinge", "ingot", "jigsaw"]
    return [
        {
            "text": f"{words[i % 10]} {words[(i // 10) % 10]} {words[(i * 7 + 3) % 10]} case {i * 7919} keeps rattling",
            "department": "delivery",
            SOURCE_COLUMN: source,
            "conversation": f"q{i}",
        }
        for i in range(count)
    ]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    names = ["text", "department", SOURCE_COLUMN, "conversation"]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def sliced(path: Path, **more: Any) -> Slices:
    return prepare(FitPlan(home="unused", task="t", file=str(path), columns=more.pop("columns", COLUMNS), **more))


def test_picked_rows_train_and_the_others_are_split_as_without_them(tmp_path: Path) -> None:
    alone = sliced(write(tmp_path / "alone.csv", ordinary()))
    rows = ordinary()
    mixed = sliced(write(tmp_path / "mixed.csv", [*picked(40), *rows, *picked(30, "correction")]))
    assert alone.calibrate is not None
    assert mixed.calibrate is not None
    assert mixed.calibrate.texts == alone.calibrate.texts
    assert mixed.report is not None
    assert alone.report is not None
    assert mixed.report.texts == alone.report.texts
    new = {row["text"] for row in [*picked(40), *picked(30, "correction")]}
    assert new <= set(mixed.train.texts)
    assert len(mixed.train) == len(alone.train) + 70
    [finding] = [f for f in mixed.findings if f.kind == "train-only"]
    assert "70 rows carry a label" in finding.message
    assert finding.rows[0] == 1
    assert "70 more train only" in mixed.split.note
    assert not [f for f in alone.findings if f.kind == "train-only"]


def test_no_seed_ever_measures_on_a_picked_row(tmp_path: Path) -> None:
    path = write(tmp_path / "mixed.csv", [*ordinary(), *picked(300)])
    for seed in range(10):
        found = sliced(path, seed=seed)
        assert found.calibrate is not None
        assert found.report is not None
        assert not any(found.calibrate.sources) and not any(found.report.sources)
        assert sum(map(bool, found.train.sources)) == 300


def test_a_conversation_of_which_a_row_was_picked_may_still_measure(tmp_path: Path) -> None:
    """Taking it out of calibrate because the model handed one of its messages up would bias the sample."""
    rows = ordinary()
    for place, row in enumerate(rows):
        row["conversation"] = f"c{place}"
    extra = [{**row, "conversation": f"c{place}"} for place, row in enumerate(picked(len(rows)))]
    columns = Columns(label="department", group="conversation")
    alone = sliced(write(tmp_path / "alone.csv", rows), columns=columns)
    mixed = sliced(write(tmp_path / "mixed.csv", [*rows, *extra]), columns=columns)
    assert alone.calibrate is not None
    assert mixed.calibrate is not None
    assert mixed.calibrate.texts == alone.calibrate.texts
    measured = {group for part in (mixed.calibrate, mixed.report) if part for group in part.groups}
    assert measured.isdisjoint(mixed.train.groups)  # those picked rows are left out of training instead


def test_calibrating_on_a_picked_row_is_refused_by_name(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", ordinary()[:300])
    bad = write(tmp_path / "bad.csv", [*ordinary()[300:400], *picked(2, "correction")])
    with pytest.raises(DataError, match=r"bad.csv, row 101: this label comes from the correction .* 2 such rows"):
        sliced(train, calibrate=str(bad))
    good = write(tmp_path / "good.csv", ordinary()[300:400])
    mixed = write(tmp_path / "mixed.csv", [*ordinary()[:300], *picked(5)])
    found = sliced(mixed, calibrate=str(good))
    assert sum(map(bool, found.train.sources)) == 5
    assert [f.rows for f in found.findings if f.kind == "train-only"] == [(301, 302, 303, 304, 305)]


def test_an_unknown_source_is_named_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "odd.csv", [*ordinary()[:10], *picked(1, "audit")])
    with pytest.raises(DataError, match=r"odd.csv, row 11: rightsized_source is 'audit'"):
        read(path, COLUMNS)


def test_few_rows_all_train_and_the_finding_says_what_the_figures_hold(tmp_path: Path) -> None:
    found = sliced(write(tmp_path / "few.csv", [*ordinary()[:60], *picked(10)]))
    assert found.split.mode == "cross-fitted"
    assert found.calibrate is None
    [finding] = [f for f in found.findings if f.kind == "train-only"]
    assert "out-of-fold figures count them" in finding.message


def test_none_fits_is_read_as_the_queue_wrote_it(tmp_path: Path) -> None:
    rows = [*ordinary()[:30], {**picked(1)[0], "department": "out_of_scope"}]
    for row in rows[:30]:
        row["department"] = row["department"].replace("out_of_scope", "other")
    data = read(write(tmp_path / "own.csv", rows), Columns(label="department", out_of_scope="other"))
    assert data.labels[-1] == ()
    assert "out_of_scope" not in {label for row in data.labels for label in row}


def test_the_column_is_found_in_every_format(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{"text": "a b c", "label": "x"}, {"text": "d e f", "label": "y", SOURCE_COLUMN: "queue"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (tmp_path / "r.jsonl").write_bytes(lines)
    (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "r.tsv").write_text(f"text\tlabel\t{SOURCE_COLUMN}\na b c\tx\t\nd e f\ty\tqueue\n", "utf-8")
    pq.write_table(pa.Table.from_pylist([{SOURCE_COLUMN: None, **row} for row in rows]), tmp_path / "r.parquet")
    for name in ("r.jsonl", "r.jsonl.gz", "r.tsv", "r.parquet"):
        assert read(tmp_path / name, Columns()).sources == ["", "queue"], name
