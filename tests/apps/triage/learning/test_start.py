"""A first model from labels' names and descriptions: it suggests, it answers nothing, and it claims nothing."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

import pytest

from rightsized.apps.triage.learning.candidate import described
from rightsized.apps.triage.learning.start import rows_of, start
from rightsized.core.config import Config
from rightsized.core.errors import DataError, InputError
from rightsized.core.types import Targets
from rightsized.data import path as sample
from rightsized.explain.neighbours import open_examples
from rightsized.store.home import Home
from rightsized.tasks.fit import fit_task
from rightsized.tasks.service import LocalService
from rightsized.tasks.versions import TaskStore

LABELS = {
    "orders": "change or cancel an order, an order number is missing",
    "returns": "send an item back, exchange a size",
    "rental": "hire a bike, kayak or tent for a weekend",
    "account": "sign in, password, delete my data",
    "billing": "charged twice, invoice, refund to my card",
    "delivery": "the parcel is late or went to another address",
    "warranty": "the item broke, repair it",
    "product_advice": "which product suits me, is it waterproof",
}


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["label,description,example", *rows]) + "\n", encoding="utf-8")
    return path


def test_names_and_descriptions_alone_suggest_and_answer_nothing(home: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "labels.csv", *(f'{label},"{words}",' for label, words in LABELS.items()))
    report = start(Home(home), "first", file, fit_task, targets=Targets(max_error=0.05))
    assert report.state == "none"
    assert report.certificate.thresholds == (None, None)
    assert "There is no labelled message yet: no figure here means anything." in [f.message for f in report.findings]
    texts = open_examples(TaskStore(Home(home)).folder("first")).texts
    assert described(Home(home), "first", texts) == tuple(range(1, 2 * len(LABELS) + 1))
    with sample("support_train.csv").open(encoding="utf-8", newline="") as stream:
        mail = [row for row in csv.DictReader(stream) if row["department"] in LABELS][:60]

    async def suggested() -> int:
        async with LocalService(Config(home=str(home)), purpose="test", record=True) as service:
            replies = [await service.classify("first", row["text"]) for row in mail]
            assert {reply.status for reply in replies} == {"abstained"}
            said = [reply.suggestion.label for reply in replies if reply.suggestion]
        return sum(label == row["department"] for label, row in zip(said, mail, strict=True))

    assert asyncio.run(suggested()) > 60 * 3 / len(LABELS), "three times what chance gives"
    with pytest.raises(InputError, match="There is a task 'first' already"):
        start(Home(home), "first", file, fit_task, targets=Targets())


def test_a_table_of_labels_says_each_thing_once(tmp_path: Path) -> None:
    file = table(
        tmp_path / "a.csv", "late_parcel,it is late,where is my parcel", "late_parcel,,still nothing", "other,x,"
    )
    texts, labels, words = rows_of(file)
    assert texts == ["late parcel", "it is late", "other", "x", "where is my parcel", "still nothing"]
    assert labels == ["late_parcel", "late_parcel", "other", "other", "late_parcel", "late_parcel"]
    assert words == 4
    with pytest.raises(DataError, match="'it is late' stands for 'late_parcel' and for 'other'"):
        rows_of(table(tmp_path / "b.csv", "late_parcel,it is late,", "other,,it is late"))
    with pytest.raises(DataError, match=r"row 2: the label is 'out_of_scope'"):
        rows_of(table(tmp_path / "c.csv", "a,b,", "out_of_scope,,"))
