"""Further samples end to end: collected from the tiers, calibrated on, drawn again in service, and pinned."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from gateway_samples import CALLER, asked, settings
from rightsized.core.config import Config
from rightsized.core.errors import DataError, ForbiddenError, InputError
from rightsized.core.types import Reply, Targets
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_collect import CollectPlan, CollectReport, collect
from rightsized.tasks.chat_identity import sample_plans, serving_tiers
from rightsized.tasks.chat_records import ChatPlan, ChatReport
from rightsized.tasks.service import LocalService

WORDS = ("amber", "birch", "cedar", "delta", "ember", "frost", "glade", "heron", "ivory", "jade", "kite", "lunar")
RARE = "quartz"  # of these the small tier knows nothing: it says something else each time
TIERS = f"""
[[tiers]]
name = "small"
engine = "fake"
price_out = 2.0
samples = 3
options = {{answer = "It is known", unsure = "{RARE}"}}

[[tiers]]
name = "large"
engine = "fake"
tier = 1
options = {{answer = "The large model says so."}}
"""


def prompt(dice: random.Random, rare: bool) -> str:
    words = dice.choices(WORDS, k=6)
    words[dice.randrange(6)] = RARE if rare else "garnet"
    return " ".join(words)


def prompts(path: Path, count: int = 500) -> Path:
    dice = random.Random(3)
    rows = []
    for number in range(count):
        rare = dice.random() < 0.3
        rows.append({"prompt": f"{number} {prompt(dice, rare)}", "id": number})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def labelled(path: Path) -> Path:
    """A reviewer's labels: what the small tier says of rare things is wrong."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row in rows:
        row["correct"] = {"small": RARE not in row["prompt"], "large": True}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CollectReport, ChatReport]:
    home = tmp_path_factory.mktemp("agreement")
    config = settings(home, TIERS)
    plan = CollectPlan(str(prompts(home / "prompts.jsonl")), str(home / "rows.jsonl"))
    collected = collect(config, plan)
    return home, collected, calibrated(home, config, labelled(home / "rows.jsonl"))


def calibrated(home: Path, config: Config, data: Path, **more: Any) -> ChatReport:
    plan: dict[str, Any] = {"serving": serving_tiers(config), "samples": sample_plans(config), "encoder": ""}
    return calibrate_chat(ChatPlan(str(home), "chat", str(data), targets=Targets(max_error=0.05), **(plan | more)))


def answers(home: Path, texts: list[str], toml: str = TIERS) -> tuple[list[Reply], str]:
    async def main() -> tuple[list[Reply], str]:
        async with LocalService(settings(home, toml), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            replies = [await service.gateway.generate(asked(text), CALLER) for text in texts]
            return replies, service.gateway.force.note

    return asyncio.run(main())


def test_the_samples_are_collected_as_they_are_served(made: tuple[Path, CollectReport, ChatReport]) -> None:
    home, report, _ = made
    assert (report.rows, report.calls, report.before) == (500, 500 * (1 + 3 + 1), 0)
    assert report.cost > 0
    row = json.loads((home / "rows.jsonl").read_text("utf-8").splitlines()[0])
    assert row["id"] == 0  # other fields are kept
    assert len(row["samples"]["small"]) == 3
    assert "large" not in row["samples"]
    again = collect(settings(home, TIERS), CollectPlan(str(home / "prompts.jsonl"), str(home / "rows.jsonl")))
    assert (again.rows, again.before, again.calls) == (0, 500, 0)  # what was asked is not asked again


def test_only_agreement_tells_and_it_is_certified_and_served(made: tuple[Path, CollectReport, ChatReport]) -> None:
    home, _, report = made
    assert report.state == "certified", report.certificate.sentence
    assert report.tiers[0].samples == 3
    assert (report.tiers[0].auroc or 0) > 0.99
    assert "further samples (3 of small) drawn with the same seeds" in report.certificate.sentence
    dice = random.Random(8)
    rare = [dice.random() < 0.3 for _ in range(40)]
    replies, note = answers(home, [prompt(dice, one) for one in rare])
    assert note == ""
    assert 20 < len(rare) - sum(rare) < 30
    known = [reply.certified for reply, one in zip(replies, rare, strict=True) if not one]
    assert sum(known) >= 0.9 * len(known)
    assert sum(reply.certified for reply, one in zip(replies, rare, strict=True) if one) <= 4
    for reply in replies:
        assert reply.attempts[0].samples == 3
        words = reply.attempts[0].completion
        assert words is not None
        assert reply.attempts[0].cost == pytest.approx(4 * 2.0 * words.usage.completion_tokens / 1e6)


def test_other_samples_than_calibrated_void_the_certificate(made: tuple[Path, CollectReport, ChatReport]) -> None:
    home = made[0]
    (reply,), note = answers(home, ["amber garnet"], TIERS.replace("samples = 3", "samples = 2"))
    assert "tier.small" in note
    assert not reply.certified


def test_rows_without_enough_samples_are_calibrated_without_any(
    made: tuple[Path, CollectReport, ChatReport], tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in (made[0] / "rows.jsonl").read_text("utf-8").splitlines()]
    rows[5]["samples"]["small"] = rows[5]["samples"]["small"][:2]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    report = calibrated(tmp_path, settings(tmp_path, TIERS), data)
    assert report.tiers[0].samples == 0
    assert "not every row has as many" in str(report.findings)
    assert report.certificate.rests_on == ""
    unset = calibrated(tmp_path, settings(tmp_path, TIERS), data, samples={})
    assert "its settings draw none" in str(unset.findings)


def test_collecting_keeps_the_rules_and_other_peoples_files(tmp_path: Path) -> None:
    data = prompts(tmp_path / "prompts.jsonl", 4)
    remote = TIERS.replace('engine = "fake"\ntier = 1', 'model = "big"\nurl = "http://192.0.2.1/v1"\ntier = 1').replace(
        'options = {answer = "The large model says so."}', 'data_classes = ["public"]'
    )
    config = settings(tmp_path, remote + '\n[egress]\nallow = ["192.0.2.1"]\n')
    with pytest.raises(ForbiddenError, match="may not be asked row 1: secret data"):
        collect(config, CollectPlan(str(data), str(tmp_path / "out.jsonl")))
    assert not (tmp_path / "out.jsonl").exists()
    small = CollectPlan(str(data), str(tmp_path / "out.jsonl"), ("small",))
    assert collect(config, small).rows == 4
    (tmp_path / "policy.toml").write_text('version = 1\n[[flows]]\nid = "kept"\neffect = "deny"\ntiers = ["small"]\n')
    with pytest.raises(ForbiddenError, match="kept"):
        collect(config, CollectPlan(str(data), str(tmp_path / "ruled.jsonl"), ("small",)))
    (tmp_path / "policy.toml").unlink()
    with pytest.raises(DataError, match="answers to other prompts"):
        collect(config, CollectPlan(str(prompts(tmp_path / "other.jsonl", 3)), small.out, ("small",)))
    with pytest.raises(InputError, match="is not the name"):
        collect(config, CollectPlan(str(data), str(tmp_path / "out.csv")))
