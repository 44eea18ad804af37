"""Log probabilities in the check of an answer: used where every measuring row has them, asked for in service."""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from pathlib import Path
from typing import Any

import pytest

from rightsized.core.config import load
from rightsized.core.generation import Completion, Generation
from rightsized.core.types import Targets
from rightsized.store.home import Home
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_cascade import OpenedCascade, open_calibrated
from rightsized.tasks.chat_records import ChatPlan, ChatReport
from rightsized.tasks.opened import Encoders

WORDS = ("amber", "birch", "cedar", "delta", "ember", "frost", "glade", "heron", "ivory", "jade", "kite", "lunar")


def rows(count: int, *, given: float = 1.0) -> list[dict[str, Any]]:
    """Answers that look alike whether right or wrong; only how sure the model was of its tokens tells."""
    dice, found = random.Random(5), []
    for _ in range(count):
        right = dice.random() < 0.7
        mean = -0.05 if right else -2.0
        row: dict[str, Any] = {
            "prompt": "Name a thing: " + " ".join(dice.choices(WORDS, k=6)),
            "answers": {"small": " ".join(dice.choices(WORDS, k=4)), "large": "Something."},
            "correct": {"small": right, "large": True},
        }
        if dice.random() < given:
            row["logprobs"] = {"small": [mean * dice.uniform(0.5, 1.5) for _ in range(8)]}
        found.append(row)
    return found


def calibrated(folder: Path, given: float) -> tuple[ChatReport, OpenedCascade]:
    data = folder / "rows.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in rows(900, given=given)))
    plan = ChatPlan(str(folder), "chat", str(data), targets=Targets(max_error=0.1), encoder="")
    report = calibrate_chat(plan)
    encoders = Encoders(load(None, environment={}, flags={"home": str(folder)}))
    return report, open_calibrated(Home(folder), "chat", encoders, now=time.time())


def score(cascade: OpenedCascade, logprobs: list[float]) -> float:
    asked = Generation("chat", {"messages": [{"role": "user", "content": "Name a thing: amber kite"}]})
    told = {"content": [{"token": "x", "logprob": value} for value in logprobs]} if logprobs else None
    answer = Completion("olive frost", "stop", body={"choices": [{"logprobs": told}]})
    return asyncio.run(cascade.calibrated.verifier.after("small", asked, answer))


def test_where_every_row_has_them_they_are_read_and_the_tier_is_asked_for_them(tmp_path: Path) -> None:
    report, cascade = calibrated(tmp_path, 1.0)
    assert report.certificate.state == "certified"
    assert cascade.calibrated.logprobs == {"small"}
    assert cascade.void == ""
    assert score(cascade, [-0.05] * 8) > 0.9
    assert score(cascade, [-2.0] * 8) < 0.1
    assert math.isnan(score(cascade, []))  # asked for, not given: the check cannot be made, so it goes up


def test_where_some_rows_lack_them_they_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    report, cascade = calibrated(tmp_path, 0.8)
    assert cascade.calibrated.logprobs == frozenset()
    assert [finding.kind for finding in report.findings].count("some-logprobs") == 1
    assert score(cascade, [-0.05] * 8) == pytest.approx(score(cascade, []))  # what a client asked for changes nothing
