"""A prompt unlike those calibrated on: passed up before anything is asked, by a rule that the certificate covers."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from chat_samples import sum_rows, write_rows
from gateway_samples import CALLER, asked, settings
from rightsized.core.types import Reply, Targets
from rightsized.engines.domain import FILE
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.chat_records import ChatPlan, ChatReport
from rightsized.tasks.service import LocalService
from tests.conftest import copy_home

ROWS = sum_rows(500)
WHOLE_HEADS = True
STRANGE = (
    "Write a sonnet about the sea in the manner of an old sailor who has lost his ship.",
    "Bitte fasse den folgenden Arztbrief für die Patientin in einfacher Sprache zusammen.",
    "def f(x): return x  # why does mypy complain here?",
)


@pytest.fixture(scope="module")
def made(encoder_home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ChatReport]:
    home = tmp_path_factory.mktemp("domain")
    shutil.copytree(encoder_home / "models", home / "models", copy_function=os.link)
    data = write_rows(home / "rows.jsonl", ROWS, "expected", "domain")
    plan = ChatPlan(str(home), "chat", str(data), targets=Targets(max_error=0.2), serving=serving_tiers(settings(home)))
    return home, calibrate_chat(plan)


def answers(home: Path, prompts: list[str]) -> tuple[list[Reply], str]:
    async def main() -> tuple[list[Reply], str]:
        async with LocalService(settings(home), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            replies = [await service.gateway.generate(asked(prompt), CALLER) for prompt in prompts]
            return replies, service.gateway.force.note

    return asyncio.run(main())


@pytest.mark.slow
def test_strange_prompts_go_up_with_the_reason_and_the_certificate_says_how_many(
    made: tuple[Path, ChatReport],
) -> None:
    home, report = made
    assert report.state == "certified", report.certificate.sentence
    assert "domain" in report.certificate.digests
    outside = report.certificate.out_of_scope_rows
    assert outside <= 0.05 * report.n_calibrate
    assert f"({outside} too unlike the training prompts to be answered here)" in report.certificate.sentence
    replies, note = answers(home, [*STRANGE, *(row["prompt"] for row in sum_rows(20, seed=9))])
    assert note == ""
    for reply in replies[: len(STRANGE)]:
        assert reply.rung == "large"
        assert "too unlike the prompts it was calibrated on: distance" in reply.attempts[0].reason
        assert reply.attempts[0].completion is None  # nothing was asked, so nothing was paid
    assert sum("too unlike" in reply.attempts[0].reason for reply in replies[len(STRANGE) :]) <= 2


@pytest.mark.slow
def test_another_limit_voids_the_certificate(made: tuple[Path, ChatReport], tmp_path: Path) -> None:
    home = copy_home(made[0], tmp_path / "home")
    folder = home / "gateways" / "chat" / made[1].version
    rules = json.loads((folder / "cascade.json").read_text("utf-8"))
    assert rules["domain"] is True
    (folder / "cascade.json").write_text(json.dumps(rules | {"domain": False}), "utf-8")
    (reply,), note = answers(home, [STRANGE[0]])
    assert "rules is sha256:" in note or "domain is absent" in note
    assert not reply.certified
    (folder / FILE).unlink()
