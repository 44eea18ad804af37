"""Judged questions out of a BEIR folder: rows are found by document and text, however the collection was cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from adapt_samples import WordEncoder

from rightsized.apps.search.adapt.questions import read_questions
from rightsized.apps.search.evaluate.beir import Judged, Row
from rightsized.apps.search.evaluate.collected import collect
from rightsized.apps.search.protocols import View
from rightsized.core.errors import DataError

NOTICE, RENT = "Notice is given in writing.", "The rent is due on the third, by transfer."


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    rows = (
        Row("1", NOTICE, "The lease", "lease.pdf", {}),
        Row("2", RENT, "The lease", "lease.pdf", {}),
        Row("3", NOTICE, "Other lease", "other.pdf", {}),
    )
    collection = collect(tmp_path, "made", Judged("made", rows, (), {}), WordEncoder()).collection
    yield collection.view(())
    collection.close()


def folder(tmp_path: Path, rows: list[dict[str, str]], relevant: dict[str, list[str]]) -> Path:
    place = tmp_path / "judged"
    place.mkdir()
    (place / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    asked = [{"id": name, "text": f"Question {name}?"} for name in relevant]
    (place / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)), "utf-8")
    lines = [f"{name}\t{row}\t1" for name, found in relevant.items() for row in found]
    (place / "qrels.tsv").write_text("\n".join(["query\tcorpus\tscore", *lines]), "utf-8")
    return place


def texts(view: View, rows: frozenset[int]) -> set[tuple[str, str]]:
    return {(one.document.key, one.passage.text) for one in view.found(sorted(rows))}


def test_rows_are_found_in_their_document(tmp_path: Path, view: View) -> None:
    rows = [
        {"id": "a", "doc": "lease.pdf", "text": "notice is given, in writing"},
        {"id": "b", "doc": "lease.pdf", "text": f"{NOTICE}\n\n{RENT}"},
        {"id": "c", "doc": "nowhere.pdf", "title": "Other lease", "text": NOTICE},
        {"id": "d", "doc": "lease.pdf", "text": "Dogs are allowed."},
    ]
    read = read_questions(folder(tmp_path, rows, {"one": ["a"], "two": ["b"], "three": ["c"], "four": ["d"]}), view)
    assert [one.text for one in read.questions] == ["Question one?", "Question two?", "Question three?"]
    found = [texts(view, one.relevant) for one in read.questions]
    assert found[0] == {("lease.pdf", NOTICE)}
    assert found[1] == {("lease.pdf", NOTICE), ("lease.pdf", RENT)}
    assert found[2] == {("other.pdf", NOTICE)}
    assert read.problems == ("Question 'four': none of its relevant rows is in the collection.",)


def test_a_file_is_read_as_by_tune(tmp_path: Path, view: View) -> None:
    line = {"text": "When is the rent due?", "document": "lease.pdf", "answer": "due on the third"}
    (tmp_path / "judged.jsonl").write_text(json.dumps(line), "utf-8")
    (question,) = read_questions(tmp_path / "judged.jsonl", view).questions
    assert texts(view, question.relevant) == {("lease.pdf", RENT)} and question.group == "lease.pdf"


def test_what_is_no_judged_folder_is_refused(tmp_path: Path, view: View) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "absent.jsonl"):
        with pytest.raises(DataError):
            read_questions(path, view)
