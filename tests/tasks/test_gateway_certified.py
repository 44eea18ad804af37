"""A cascade calibrated on labelled exchanges, then served: certified where it was shown, stopped where it is void."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from rightsized.core.config import Config, load
from rightsized.core.generation import Caller, Generation
from rightsized.core.types import Reply
from rightsized.store.home import Home
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_cascade import gateways
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.chat_records import ChatPlan, ChatReport
from rightsized.tasks.service import LocalService

TIERS = """
[[tiers]]
name = "small"
engine = "fake"

[[tiers]]
name = "large"
engine = "fake"
tier = 1
options = {answer = "The large model says so."}
"""
WARD = Caller(tenant="ward-3")


def sum_of(dice: random.Random, *, right: bool) -> str:
    """A prompt that the small tier repeats: its sum is right or wrong, and the answer shows which."""
    a, b = dice.randint(2, 90), dice.randint(2, 90)
    return f"Please copy this line: {a} + {b} = {a + b if right else a + b + dice.randint(1, 9)}"


def labelled(path: Path, rows: int = 1400) -> Path:
    """Exchanges in which the small tier is right on four of five prompts."""
    dice = random.Random(7)
    lines = []
    for number in range(rows):
        right = dice.random() < 0.8
        prompt = sum_of(dice, right=right)
        answers = {"small": " ".join(prompt.split()[-12:]), "large": "The large model says so."}
        correct = {"small": right, "large": dice.random() < 0.95}
        lines.append(json.dumps({"id": str(number), "prompt": prompt, "answers": answers, "correct": correct}))
    path.write_text("\n".join(lines), "utf-8")
    return path


def settings(home: Path, toml: str = TIERS) -> Config:
    file = home / "rightsized.toml"
    file.write_text(toml)
    return load(file, environment={}, flags={"home": str(home)})


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ChatReport]:
    home = tmp_path_factory.mktemp("gateway")
    data = labelled(home / "labelled.jsonl")
    plan = ChatPlan(home=str(home), name="chat", data=str(data), encoder="", serving=serving_tiers(settings(home)))
    return home, calibrate_chat(plan)


def asked(prompt: str, **more: Any) -> Generation:
    return Generation("chat", {"messages": [{"role": "user", "content": prompt}]}, **more)


def answers(home: Path, prompts: list[str], toml: str = TIERS) -> tuple[list[Reply], str]:
    async def main() -> tuple[list[Reply], str]:
        async with LocalService(settings(home, toml), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            replies = [await service.gateway.generate(asked(prompt), WARD) for prompt in prompts]
            return replies, service.gateway.force.note

    return asyncio.run(main())


def test_sure_answers_stay_and_are_certified_doubtful_ones_go_up(calibrated: tuple[Path, ChatReport]) -> None:
    home, report = calibrated
    assert report.certificate.state == "certified"
    dice = random.Random(99)
    truth = [dice.random() < 0.8 for _ in range(120)]
    replies, note = answers(home, [sum_of(dice, right=right) for right in truth])
    assert note == ""
    local = [(reply, right) for reply, right in zip(replies, truth, strict=True) if reply.rung == "small"]
    assert len(local) >= 60
    assert all(reply.certified and reply.state == "certified" for reply, _ in local)
    assert sum(not right for _, right in local) <= 0.15 * len(local)  # 5% promised; 120 draws leave room
    assert all(not reply.certified for reply in replies if reply.rung == "large")
    assert {reply.certificate for reply in replies} == {report.certificate.id}


def test_another_model_behind_a_tier_voids_the_certificate(calibrated: tuple[Path, ChatReport]) -> None:
    home, _ = calibrated
    (reply,), note = answers(
        home, ["hello"], TIERS.replace('engine = "fake"\n', 'engine = "fake"\nmodel = "other"\n', 1)
    )
    assert "tier.small" in note
    assert (reply.rung, reply.state, reply.certified) == ("large", "none", False)


def test_a_tier_that_is_gone_voids_it(calibrated: tuple[Path, ChatReport]) -> None:
    home, _ = calibrated
    (reply,), note = answers(home, ["hello"], TIERS.replace('"small"', '"tiny"'))
    assert "'small'" in note
    assert not reply.certified


def test_a_cascade_calibrated_while_serving_is_taken_up(calibrated: tuple[Path, ChatReport], tmp_path: Path) -> None:
    home, _ = calibrated
    source = gateways(Home(home))
    version = source.current("chat")

    async def main() -> None:
        async with LocalService(settings(tmp_path), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            prompt = sum_of(random.Random(1), right=True)
            assert not (await service.gateway.generate(asked(prompt), WARD)).certified
            (tmp_path / "gateways").symlink_to(home / "gateways")
            (tmp_path / "secrets").rename(tmp_path / "own-secrets")
            (tmp_path / "secrets").symlink_to(home / "secrets")
            await service.gateway.refresh()
            assert service.gateway.force.version == version
            assert (await service.gateway.generate(asked(prompt), WARD)).certified

    asyncio.run(main())
