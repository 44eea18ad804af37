"""Rows are held against the rules of tiers as requests are: calibrating and serving agree about every one of them."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from gateway_samples import CALLER, LARGE, settings, sum_of, write_rows
from rightsized.core.generation import Generation
from rightsized.core.types import Reply, Targets
from rightsized.engines.verifier import open_verifier
from rightsized.store.home import Home
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_cascade import CascadeFile, verifier_folder
from rightsized.tasks.chat_data import ChatRow
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.chat_records import ChatPlan, ChatReport
from rightsized.tasks.chat_scoring import Reader, Rules, score
from rightsized.tasks.chat_slices import prepare
from rightsized.tasks.service import LocalService

TIERS = f"""
[[tiers]]
name = "small"
engine = "fake"
context = 100
data_classes = ["public", "internal"]

[[tiers]]
name = "middle"
engine = "fake"
model = "other"
region = "eu"

[[tiers]]
name = "large"
engine = "fake"
tier = 1
options = {{answer = "{LARGE}"}}
"""
PADDING = "Please read this first, it is of no matter. " * 12  # 540 characters: more than the small tier reads
KINDS: tuple[dict[str, Any], ...] = (
    {"data_class": "internal"},
    {"data_class": "internal"},
    {"data_class": "public", "region": "eu"},
    {"data_class": "internal", "region": "us"},  # the middle tier is in the eu
    {"data_class": "health"},  # the small tier may not be sent it
    {"data_class": "internal", "long": True},
    {"data_class": "internal", "max_tokens": 90},  # fits what the small tier reads only without the answer
)


def row(dice: random.Random) -> dict[str, Any]:
    """The small tier is right on four of five; on rows that it may not have, nobody has labelled it."""
    kind = dict(dice.choice(KINDS))
    right = dice.random() < 0.8
    prompt = (PADDING if kind.pop("long", False) else "") + sum_of(dice, right=right)
    said = " ".join(prompt.split()[-12:])
    found = {
        "prompt": prompt,
        "answers": {"small": said, "middle": said, "large": LARGE},
        "correct": {"small": right, "middle": right, "large": True},
    }
    if kind["data_class"] == "health":
        del found["answers"]["small"], found["correct"]["small"]
    return found | kind


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ChatPlan, ChatReport]:
    home = tmp_path_factory.mktemp("admission")
    dice = random.Random(11)
    data = write_rows(home / "rows.jsonl", [row(dice) for _ in range(1400)])
    config = settings(home, TIERS)
    plan = ChatPlan(
        str(home), "chat", str(data), targets=Targets(0.1), encoder="", serving=serving_tiers(config), settings=config
    )
    return home, plan, calibrate_chat(plan)


@pytest.fixture
def copied(made: tuple[Path, ChatPlan, ChatReport], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "home"))


def answered_by(made: tuple[Path, ChatPlan, ChatReport], rows: list[ChatRow]) -> list[str]:
    """By calibration: the first tier whose score clears its threshold; empty where none does."""
    home, plan, report = made
    folder = Path(report.folder)
    record = msgspec.json.decode((folder / "cascade.json").read_bytes(), type=CascadeFile)
    tiers = record.names[: len(record.thresholds)]
    verifiers = {tier: open_verifier(verifier_folder(folder, tier), None) for tier in tiers}
    scored = score(Rules(verifiers, record.skips, None, plan.loss), rows, Reader(Home(home), None)).scores
    bars = np.array([np.inf if t is None else t for t in report.certificate.thresholds])
    taken = scored >= bars
    return [tiers[int(np.argmax(one))] if one.any() else "" for one in taken]


def generation_of(one: ChatRow) -> Generation:
    body = one.body | ({"max_tokens": one.declared.max_tokens} if one.declared.max_tokens else {})
    return Generation("chat", body, data_class=one.declared.data_class or "secret", region=one.declared.region)


def served(home: Path, asked: list[Generation], toml: str = TIERS) -> tuple[list[Reply], str]:
    async def main() -> tuple[list[Reply], str]:
        async with LocalService(settings(home, toml), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            replies = [await service.gateway.generate(one, CALLER) for one in asked]
            return replies, service.gateway.force.note

    return asyncio.run(main())


def test_serving_and_calibrating_agree_about_every_row(made: tuple[Path, ChatPlan, ChatReport]) -> None:
    report = made[2]
    assert report.state == "certified", report.certificate.sentence
    held = prepare(made[1]).calibrate
    assert held is not None
    expected = answered_by(made, held.rows)
    replies, note = served(made[0], [generation_of(one) for one in held.rows])
    assert note == ""
    assert [reply.rung if reply.certified else "" for reply in replies] == expected
    local = [bool(tier) for tier in expected]
    assert 0.3 < np.mean(local) < 0.6  # of the kinds above, four of seven may be answered here
    kept_back = [one for one in held.rows if "small" in one.barred]
    assert len(kept_back) > 100
    uncertified = [reply for reply, one in zip(replies, held.rows, strict=True) if "small" in one.barred]
    assert {reply.rung for reply in uncertified} >= {"middle"} or report.certificate.thresholds[1] is None
    assert not any(reply.certified for reply in uncertified)
    assert report.certificate.local_share.value == pytest.approx(np.mean(local), abs=0.02)


def test_the_report_says_how_many_rows_no_tier_would_get(made: tuple[Path, ChatPlan, ChatReport]) -> None:
    said = [finding.message for finding in made[2].findings if finding.kind == "vetoed"]
    assert any("calibrate rows would not be given to 'small' in service" in message for message in said)
    assert any("would not be given to 'middle'" in message and "must stay in us" in message for message in said)


def test_rows_that_the_settings_keep_from_the_first_tier_certify_nothing(tmp_path: Path) -> None:
    dice = random.Random(5)
    rows = [one for one in (row(dice) for _ in range(900)) if "small" in one["answers"]]
    for one in rows:
        one.pop("data_class")  # a request that says nothing is secret, which the small tier may not be sent
    config = settings(tmp_path, TIERS)
    plan = ChatPlan(str(tmp_path), "chat", str(write_rows(tmp_path / "rows.jsonl", rows)), encoder="", settings=config)
    plan = msgspec.structs.replace(plan, targets=Targets(0.1), serving=serving_tiers(config))
    silent = calibrate_chat(plan)
    assert silent.state != "certified"
    assert "all-vetoed" in {finding.kind for finding in silent.findings}
    told = calibrate_chat(msgspec.structs.replace(plan, data_class="internal"))
    assert told.state == "certified", told.certificate.sentence


CHANGES = [
    ("context = 100", "context = 200", "limits.small"),
    ('["public", "internal"]', '["public"]', "limits.small"),
    ('region = "eu"', 'region = "us"', "limits.middle"),
    ('name = "small"\n', 'name = "small"\nlanguages = ["en"]\n', "limits.small"),
    ('name = "small"\n', 'name = "small"\noperations = ["chat"]\n', "limits.small"),
    ("[[tiers]]", '[gateway]\ndata_class = "internal"\n\n[[tiers]]', "routing"),
    ("tier = 1\n", 'tier = 1\ncontext = 4000\nregion = "eu"\n', ""),  # it answers nothing under the promise
    ('name = "small"\n', 'name = "small"\nprice_in = 3.0\ntimeout_s = 9.0\n', ""),
]


@pytest.mark.parametrize(("old", "new", "voids"), CHANGES)
def test_other_limits_of_a_tier_void_the_certificate(copied: Path, old: str, new: str, voids: str) -> None:
    assert old in TIERS
    asked = [Generation("chat", {"messages": [{"role": "user", "content": "hello"}]}, data_class="public")]
    (reply,), note = served(copied, asked, TIERS.replace(old, new, 1))
    assert note.startswith(f"{voids} is sha256:") if voids else note == ""
    assert reply.state == ("none" if voids else "certified")


def test_another_policy_voids_it_at_once_and_other_words_do_not(copied: Path) -> None:
    policy = copied / "policy.toml"

    async def main() -> list[str]:
        notes = []
        async with LocalService(settings(copied, TIERS), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            for text in (
                "version = 1\n",
                'version = 1\n[[flows]]\nid = "no"\neffect = "deny"\ntiers = ["small"]\ntenants = ["ward-9"]\n',
            ):
                policy.write_text(text)
                service.gateway._policy.refresh()
                await service.gateway.refresh()
                notes.append(service.gateway.force.note)
        return notes

    empty, other = asyncio.run(main())
    assert empty.startswith("routing is sha256:")
    assert other.startswith("routing is sha256:")


def test_a_policy_is_part_of_what_is_tested(copied: Path, made: tuple[Path, ChatPlan, ChatReport]) -> None:
    policy = copied / "policy.toml"
    rule = '[[flows]]\nid = "{}"\neffect = "deny"\ntiers = ["small"]\ntenants = ["ward-3"]\nreason = "{}"\n'
    policy.write_text("version = 1\n" + rule.format("ward", "they asked"))
    config = settings(copied, TIERS)
    plan = msgspec.structs.replace(made[1], home=str(copied), settings=config)
    slices = prepare(plan)
    assert slices.calibrate is not None
    assert "unsaid" in {finding.kind for finding in slices.findings}  # no row names its tenant
    rows = [json.loads(line) | {"tenant": "ward-3"} for line in (copied / "rows.jsonl").read_text("utf-8").splitlines()]
    plan = msgspec.structs.replace(plan, data=str(write_rows(copied / "named.jsonl", rows)))
    held = prepare(plan).calibrate
    assert held is not None
    assert all("the policy's rule ward denies it: they asked" in one.barred["small"] for one in held.rows)
    calibrate_chat(plan)
    policy.write_text("version = 1\n" + rule.format("other-name", "for another reason"))
    assert served(copied, [generation_of(held.rows[0])])[1] == ""


def test_a_tier_whose_key_is_not_at_hand_can_be_looked_at(
    made: tuple[Path, ChatPlan, ChatReport], tmp_path: Path
) -> None:
    remote = TIERS.replace(
        f'engine = "fake"\ntier = 1\noptions = {{answer = "{LARGE}"}}\n',
        'tier = 1\nmodel = "big"\nurl = "https://192.0.2.1/v1"\nkey_env = "NO_SUCH_KEY"\ndata_classes = ["public"]\n',
    )
    plan = msgspec.structs.replace(made[1], home=str(tmp_path), settings=settings(tmp_path, remote))
    barred = [one.barred for one in prepare(plan).every()]
    assert {why.get("large", "") for why in barred} == {
        "internal data may not be sent there",
        "health data may not be sent there",
        "the data must stay in eu; this tier is in no region that is named",  # public data, of which it may have all
    }
