"""Reading and counting of the personal-data benchmark, on rows small enough to count by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.pii import OURS, data_sets, spans, structured
from benchmarks.pii_data import Labelled, Span, labelled, read_conll, read_synthetic
from benchmarks.pii_metrics import count

CONLL = "@\tB-PER\nanna\tB-PER\nmet\tO\nJohn\tB-person\nSmith\tI-person\nat\tO\nIBM\tB-corporation\n\nhi\tO\n"


def test_conll_becomes_texts_with_spans(tmp_path: Path) -> None:
    path = tmp_path / "x.conll"
    path.write_text(CONLL, "utf-8")
    first, second = map(labelled, read_conll(path))
    assert first.text == "@anna met John Smith at IBM"
    assert [(first.text[s.start : s.end], s.type) for s in first.spans] == [
        ("@anna", "person"),
        ("John Smith", "person"),
        ("IBM", "organisation"),
    ]
    assert second == Labelled("hi", (), ((0, 2),))
    assert data_sets(path) == ([], {"x": [first, second]})


def test_synthetic_rows(tmp_path: Path) -> None:
    span = {"entity_type": "CREDIT_CARD", "entity_value": "42", "start_position": 5, "end_position": 7}
    path = tmp_path / "pii_rows.json"
    path.write_text(json.dumps([{"full_text": "card 42", "spans": [span], "template_id": 3}]), "utf-8")
    rows = read_synthetic(path)
    assert rows == [Labelled("card 42", (Span(5, 7, "CREDIT_CARD"),), template=3)]
    assert data_sets(tmp_path) == (rows, {})
    with pytest.raises(FileNotFoundError):
        data_sets(tmp_path / "nothing")


def test_counts() -> None:
    row = Labelled("ab cd ef", (Span(0, 2, "x"), Span(3, 5, "x")), ((0, 2), (3, 5), (6, 8)))
    said = [Span(0, 2, "x"), Span(4, 5, "x"), Span(6, 8, "x"), Span(3, 4, "y")]
    figures = count([row], [said], ["x"])["x"].figures()
    assert figures["recall"] == 0.5
    assert figures["precision"] == 0.3333
    assert (figures["recall_overlap"], figures["precision_overlap"]) == (1.0, 0.6667)
    assert figures["covered"] == 1.0  # the other type covers what is left of the second span
    assert (figures["token_recall"], figures["token_precision"]) == (1.0, 0.6667)


def test_types_are_mapped_and_summed() -> None:
    assert spans([[0, 2, "payment_card", 1.0], [3, 4, "new", 1.0]], {"payment_card": "CREDIT_CARD"}) == [
        Span(0, 2, "CREDIT_CARD"),
        Span(3, 4, "new"),
    ]
    row = Labelled("42 43", (Span(0, 2, "CREDIT_CARD"), Span(3, 5, "IBAN_CODE")))
    counted = {k: c.figures() for k, c in count([row], [[Span(0, 2, "CREDIT_CARD")]], OURS).items()}
    assert structured(counted) == {"real": 2, "recall": 0.5, "precision": 1.0}
