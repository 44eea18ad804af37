"""Labels by a judge in `calibrate chat`: what may be said of them, the rows people check, and the watch in service."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from gateway_samples import AUDITED, CALLER, asked, row, settings, sum_of, write_rows
from rightsized.core.errors import DataError, InputError
from rightsized.core.types import Targets
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.chat_records import ChatPlan, ChatReport
from rightsized.tasks.service import LocalService
from rightsized.tasks.written import RIGHT, WRONG

JUDGE = "judge:gpt-x"


def judged(path: Path, rows: int = 1200) -> Path:
    dice = random.Random(7)
    return write_rows(path, [row(dice, label_kind=JUDGE) for _ in range(rows)])


def checked(path: Path, rows: int, *, lenient: float = 0.0) -> Path:
    """Rows that people labelled; the judge lets this share of the small tier's mistakes pass."""
    dice, found = random.Random(11), []
    for _ in range(rows):
        one = row(dice)
        passed = dice.random() < lenient
        one["judge"] = {tier: right or passed for tier, right in one["correct"].items()}
        found.append(one)
    return write_rows(path, found)


def calibrated(home: Path, data: Path, **more: Any) -> ChatReport:
    plan: dict[str, Any] = {"encoder": "", "targets": Targets(max_error=0.1), "serving": serving_tiers(settings(home))}
    return calibrate_chat(ChatPlan(str(home), "chat", str(data), **(plan | more)))


def test_people_who_checked_the_judge_let_wrong_be_said(tmp_path: Path) -> None:
    data, people = judged(tmp_path / "judged.jsonl"), checked(tmp_path / "people.jsonl", 500)
    alone = calibrated(tmp_path, data)
    assert "disagree with judge gpt-x" in alone.certificate.sentence
    report = calibrated(tmp_path, data, judge_check=str(people))
    assert report.state == "certified", report.certificate.sentence
    assert report.certificate.label_kind == "judge gpt-x, checked by people"
    assert "of the requests answered here are wrong" in report.certificate.sentence
    assert "labelled by people where the judge agreed" in report.certificate.method
    assert "data.people" in report.certificate.digests
    assert report.certificate.attempt == 2  # the same labels, another question


def test_a_judge_who_lets_mistakes_pass_certifies_nothing(tmp_path: Path) -> None:
    data = judged(tmp_path / "judged.jsonl")
    dice = random.Random(7)  # the judge of the calibrate rows calls everything right
    blind = [row(dice, label_kind=JUDGE) for _ in range(1200)]
    for one in blind:
        one["correct"] = {"small": True, "large": True}
    data = write_rows(tmp_path / "blind.jsonl", blind)
    people = checked(tmp_path / "people.jsonl", 500, lenient=1.0)
    report = calibrated(tmp_path, data, judge_check=str(people))
    assert report.state != "certified", report.certificate.sentence
    assert report.certificate.label_kind == "judge gpt-x"
    assert calibrated(tmp_path, data).state == "certified"  # which says only that the judge agrees


def test_rows_that_people_checked_never_train(tmp_path: Path) -> None:
    data = judged(tmp_path / "judged.jsonl", 400)
    rows = [json.loads(line) for line in data.read_text("utf-8").splitlines()]
    people = [{**one, "judge": one["correct"], "label_kind": "human"} for one in rows[:100]]
    plan: dict[str, Any] = {"calibrate": str(judged(tmp_path / "held.jsonl", 10))}
    alone = calibrated(tmp_path, data, **plan)
    found = calibrated(tmp_path, data, judge_check=str(write_rows(tmp_path / "people.jsonl", people)), **plan)
    assert found.n_train <= alone.n_train - 80


def test_what_cannot_be_checked_is_refused(tmp_path: Path) -> None:
    data, people = judged(tmp_path / "judged.jsonl", 60), checked(tmp_path / "people.jsonl", 60)
    with pytest.raises(InputError, match="say nothing of the loss"):
        calibrated(tmp_path, data, judge_check=str(people), loss="regret")
    plain = write_rows(tmp_path / "plain.jsonl", [row(random.Random(1)) for _ in range(60)])
    with pytest.raises(InputError, match="labels are said to be human"):
        calibrated(tmp_path, plain, judge_check=str(people))
    with pytest.raises(DataError, match="without the judge's labels"):
        calibrated(tmp_path, data, judge_check=str(plain))


def test_regret_by_a_judge_says_so(tmp_path: Path) -> None:
    report = calibrated(tmp_path, judged(tmp_path / "judged.jsonl"), loss="regret")
    assert "disagree with judge gpt-x where the answer of large would not have" in report.certificate.sentence


def test_a_promise_about_a_judge_is_watched_by_that_judge_alone(tmp_path: Path) -> None:
    assert calibrated(tmp_path, judged(tmp_path / "judged.jsonl")).state == "certified"

    async def main() -> tuple[int, int]:
        async with LocalService(settings(tmp_path, AUDITED), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            dice = random.Random(4)
            replies = [await service.gateway.generate(asked(sum_of(dice, right=True)), CALLER) for _ in range(6)]
            local = [reply for reply in replies if reply.certified]
            await service.label(local[0].id, WRONG, "ana")
            await service.label(local[1].id, WRONG, JUDGE)
            await service.label(local[2].id, RIGHT, JUDGE)
            await service.gateway.refresh()
            assert service.gateway.watch is not None
            status = service.gateway.watch.status
            assert status is not None
            return status.wrong, status.audits - (len(replies) - len(local))

    assert asyncio.run(main()) == (1, 2)
