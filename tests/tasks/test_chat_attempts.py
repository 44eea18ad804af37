"""What a calibration of tiers that write may look at: attempts, rows too few, rules pinned, alarms outlived."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway_samples import labelled, row, settings, write_rows
from rightsized.cascade.attempts import read_book
from rightsized.cascade.estimates import can_certify
from rightsized.cascade.plan import Plan
from rightsized.cascade.scores import Scores
from rightsized.cascade.seen import FILE as ROWS
from rightsized.core.config import load
from rightsized.core.types import Targets
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.schema import EventRow
from rightsized.store.home import Home
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.chat_records import ChatPlan, ChatReport
from rightsized.tasks.chat_slices import prepare
from rightsized.tasks.chat_standing import in_force
from rightsized.tasks.opened import Encoders


def calibrated(home: Path, data: Path, **more: Any) -> ChatReport:
    plan: dict[str, Any] = {"encoder": "", "serving": serving_tiers(settings(home))}
    return calibrate_chat(ChatPlan(str(home), "chat", str(data), **(plan | more)))


def rows(count: int, seed: int = 7) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    return [row(dice) for _ in range(count)]


def test_too_few_calibrate_rows_are_not_looked_at_and_spend_nothing(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", rows(600))
    few = write_rows(tmp_path / "few.jsonl", rows(40, seed=99))
    report = calibrated(tmp_path, data, calibrate=str(few))
    assert report.state == "estimated"
    said = " ".join(finding.message for finding in report.findings)
    assert "40 calibrate rows were not looked at: at least 72 are needed" in said
    assert "fresh labels of requests drawn at random would probably do" in report.certificate.sentence
    assert report.certificate.needed is not None
    assert read_book(Home(tmp_path).path).attempts == ()
    enough = write_rows(tmp_path / "enough.jsonl", rows(600, seed=98))
    assert calibrated(tmp_path, data, calibrate=str(enough)).certificate.attempt == 1


def test_rows_that_could_certify_nothing_by_simulation_are_not_looked_at(tmp_path: Path) -> None:
    hopeless = rows(600)
    for one in hopeless:
        one["answers"]["small"] = "It is so."  # nothing tells right from wrong, and a fifth is wrong
    report = calibrated(tmp_path, write_rows(tmp_path / "rows.jsonl", hopeless))
    assert report.state in ("estimated", "none")
    assert read_book(Home(tmp_path).path).attempts == ()
    assert any(finding.kind == "too-few" for finding in report.findings)


def test_simulation_tells_hope_from_none() -> None:
    plan = Plan("selective_error", 0.05, 0.05, (1.0, 10.0))
    spread = [[i / 400] for i in range(400)]
    good = Scores(*map(_array, (spread, [[i > 40] for i in range(400)])))
    bad = Scores(*map(_array, (spread, [[i % 2 == 0] for i in range(400)])))
    assert can_certify(plan, good, 200)
    assert not can_certify(plan, bad, 200)


def _array(values: list[list[Any]]) -> Any:
    import numpy as np

    return np.array(values)


def test_another_name_for_the_tier_is_no_fresh_sample(tmp_path: Path) -> None:
    data = labelled(tmp_path / "rows.jsonl", 800)
    assert calibrated(tmp_path, data).certificate.attempt == 1
    assert calibrated(tmp_path, data).certificate.attempt == 1  # the same again
    renamed = [json.loads(line.replace('"small"', '"tiny"')) for line in data.read_text("utf-8").splitlines()]
    second = calibrated(tmp_path, write_rows(tmp_path / "renamed.jsonl", renamed))
    assert second.certificate.attempt == 2
    assert second.certificate.delta_spent == pytest.approx(0.05 / 6)


def test_altered_rules_void_the_certificate(tmp_path: Path) -> None:
    report = calibrated(tmp_path, labelled(tmp_path / "rows.jsonl", 800))
    assert report.state == "certified"
    path = Path(report.folder) / "cascade.json"
    rules = json.loads(path.read_text("utf-8"))
    rules["skips"] = [0.99]
    path.write_text(json.dumps(rules), "utf-8")
    config = settings(tmp_path)
    encoders = Encoders(config)
    try:
        force = in_force(config, encoders, None)
    finally:
        encoders.close()
    assert "rules is sha256:" in force.note
    assert force.promise.state == "none"


def alarmed(home: Path, certificate: str, created: float) -> None:
    async def alarm() -> None:
        with SqliteLedger(Home(load(None, flags={"home": str(home)}).home).decisions) as ledger:
            await ledger.note(EventRow("alarm", "chat", certificate, created, "too many were wrong"))

    asyncio.run(alarm())


def kinds(report: ChatReport) -> set[str]:
    return {finding.kind for finding in report.findings}


@pytest.fixture(scope="module")
def alarmed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a certificate over 800 rows, and an alarm after it."""
    home = tmp_path_factory.mktemp("alarmed")
    first = calibrated(home, labelled(home / "rows.jsonl", 800))
    assert first.state == "certified"
    alarmed(home, first.certificate.id, 4e9)
    return home


def test_labels_in_use_before_an_alarm_certify_nothing_more(alarmed_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(alarmed_home, tmp_path / "home"))
    again = calibrated(home, home / "rows.jsonl", targets=Targets(max_error=0.1))
    assert again.state != "certified"
    assert kinds(again) >= {"outlived"}


def test_nor_do_rows_that_trained_before_it_whatever_the_seed_and_the_labels(
    alarmed_home: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(alarmed_home, tmp_path / "home"))
    reshuffled = calibrated(
        home, home / "rows.jsonl", targets=Targets(max_error=0.1), seed=1
    )  # 48% had calibrated before, so that the attempts alone would not tell
    assert (reshuffled.state != "certified", kinds(reshuffled) >= {"outlived"}) == (True, True)
    old = [json.loads(line) for line in (home / "rows.jsonl").read_text("utf-8").splitlines()]
    trained = {row.number for row in prepare(ChatPlan(str(home), "chat", str(home / "rows.jsonl"))).train.rows}
    relabelled = [one | {"correct": one["correct"] | {"large": True}} for n, one in enumerate(old, 1) if n in trained]
    fresh = write_rows(home / "fresh.jsonl", rows(800, seed=55))
    held = write_rows(home / "held.jsonl", relabelled)
    again = calibrated(home, fresh, calibrate=str(held))
    assert (again.state != "certified", kinds(again) >= {"outlived"}) == (True, True)


def test_fresh_rows_certify_again_and_an_older_home_says_what_it_does_not_know(
    alarmed_home: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(alarmed_home, tmp_path / "home"))
    (home / ROWS).unlink()  # the version before kept none
    fresh = calibrated(home, write_rows(home / "fresh.jsonl", rows(800, seed=55)), seed=1)
    assert (fresh.state, kinds(fresh) >= {"unknown-history"}) == ("certified", True)
