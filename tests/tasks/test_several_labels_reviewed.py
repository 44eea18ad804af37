"""Reviews of a task where a text may have several labels: from the service to the rows that train."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

import pytest

from rightsized.core.config import load
from rightsized.core.errors import InputError
from rightsized.data import path as sample
from rightsized.tasks.dataset import Columns, read
from rightsized.tasks.exported import write_training_rows
from rightsized.tasks.fit import fit_task
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.service import LocalService, open_service
from rightsized.tasks.slices import FitPlan


def rows() -> tuple[list[str], list[list[str]]]:
    """Messages with their tone, and with `question` where they ask something."""
    with sample("tone.csv").open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    labels = [[row["tone"], "question"] if "?" in row["text"] else [row["tone"]] for row in found]
    return [row["text"] for row in found], labels


def test_none_fits_can_be_said_alone_and_not_beside_a_label(home: Path, tmp_path: Path) -> None:
    fit_task(FitPlan(home=str(home), task="topics", rows=rows(), columns=Columns(multi_label=True)))

    async def label(service: LocalService) -> None:
        first = (await service.classify("topics", "zxcv qwer asdf")).id
        second = (await service.classify("topics", "where is my tent, I am furious?")).id
        with pytest.raises(InputError, match="says that no label fits, and that calm does"):
            await service.feedback(first, "calm|out_of_scope", "kim")
        with pytest.raises(InputError, match="no label 'loud'"):
            await service.feedback(first, "calm|loud", "kim")
        assert (await service.feedback(first, "out_of_scope", "kim")).label == "out_of_scope"
        assert (await service.feedback(second, " question | calm|question", "kim")).label == "question|calm"
        assert [review.label for review in service.labels_of(second)] == ["question|calm"]

    async def scenario() -> None:
        settings = load(flags={"home": str(home), "audit.rate": 0.0})
        async with open_service(settings, purpose="test", record=True) as service:
            await label(service)
            write_training_rows(tmp_path / "labels.csv", ReviewQueue(service._records()).training_rows("topics"))

    asyncio.run(scenario())
    assert sorted(read(tmp_path / "labels.csv", Columns(multi_label=True)).labels) == [(), ("question", "calm")]
