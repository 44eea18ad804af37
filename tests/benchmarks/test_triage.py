"""The benchmarks of triage: files of any shape, figures that can be counted by hand, and labels saved."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.triage_data import from_files
from benchmarks.triage_learning import _needed
from benchmarks.triage_scores import Answers, difference, figures


def test_files_with_one_label_several_columns_and_a_test_file(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv.gz", tmp_path / "test.csv"
    train.write_bytes(gzip.compress(b"title,body,kind\nA,b,bug\nC,,question\n,,bug\nD,e,\n"))
    test.write_text("title,body,kind\nF,g,bug\n", "utf-8")
    found = from_files(train, ["title", "body"], "kind", False, test)
    assert (found.texts, found.labels) == (["A\nb", "C"], [("bug",), ("question",)])
    assert (found.held_texts, found.held_labels, found.several) == (["F\ng"], [("bug",)], False)
    with pytest.raises(SystemExit, match="no column 'words'"):
        from_files(train, ["words"], "kind", False)
    with pytest.raises(SystemExit, match="0 label in column 'sort'"):
        from_files(train, ["title"], "sort", False)


def test_lists_of_labels_are_several_and_an_empty_one_stays(tmp_path: Path) -> None:
    rows = [{"text": "a", "intents": ["x", "y"]}, {"text": "b", "intents": []}, {"text": "c", "intents": ["y"]}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    found = from_files(path, ["text"], "intents", False)
    assert (found.several, found.labels, found.names) == (True, [("x", "y"), (), ("y",)], ["x", "y"])


def test_figures_by_hand_and_their_paired_difference() -> None:
    true = [("a",), ("a",), ("b",), ("b",), ("c",)]
    said = [("a",), ("b",), ("b",), ("b",), ("a",)]
    answers = Answers.of(said, true, ["a", "b", "c"])
    found = figures(answers)
    assert found["accuracy"]["value"] == pytest.approx(0.6)
    assert found["macro_f1"]["value"] == pytest.approx((0.5 + 0.8 + 0.0) / 3)
    assert found["micro_f1"]["value"] == pytest.approx(0.6)
    for one in found.values():
        assert one["low"] <= one["value"] <= one["high"]
    right = Answers.of(true, true, ["a", "b", "c"])
    gain = difference(right, answers)
    assert gain["accuracy"]["value"] == pytest.approx(0.4)
    assert gain["accuracy"]["low"] >= 0, "never worse on any row: no resample says otherwise"
    assert difference(right, right)["accuracy"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert figures(answers.take(np.array([0, 2, 3])))["accuracy"]["value"] == 1.0


def test_several_labels_are_right_only_as_a_whole_set() -> None:
    found = figures(Answers.of([("x",), ("x", "y"), ()], [("x", "y"), ("x", "y"), ()], ["x", "y"]))
    assert found["accuracy"]["value"] == pytest.approx(2 / 3)
    assert found["micro_f1"]["value"] == pytest.approx(2 * 3 / (3 + 4))


def test_labels_needed_are_read_off_the_curve_between_its_points() -> None:
    points = [(100, 0.5), (200, 0.7), (300, 0.8)]
    assert _needed(points, 0.6) == pytest.approx(150)
    assert _needed(points, 0.8) == pytest.approx(300)
    assert _needed(points, 0.4) == 100
    assert _needed(points, 0.9) == 300
