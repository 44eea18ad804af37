"""`calibrate chat` end to end: honest splits, a signed certificate whose sentence is true, files that open again."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from chat_samples import sum_rows, write_rows
from rightsized.cascade.certificate import verify_certificate
from rightsized.core.config import load
from rightsized.core.errors import CertificateError, DataError, InputError, IntegrityError, NotFoundError
from rightsized.core.generation import Completion, Generation
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Targets
from rightsized.store.home import Home
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_cascade import OpenedCascade, open_calibrated
from rightsized.tasks.chat_data import is_right, read_chat
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.chat_records import ChatPlan, ChatReport
from rightsized.tasks.chat_skips import choose_skips
from rightsized.tasks.opened import Encoders

ROWS = sum_rows(700)
WHOLE_HEADS = True


def digests(*tiers: TierConfig) -> dict[str, str]:
    return serving_tiers(msgspec.structs.replace(load(None), tiers=tiers))


MODELS = digests(TierConfig("small", engine="fake"), TierConfig("large", engine="fake", model="big"))


def calibrated(home: Path, data: Path, **more: Any) -> ChatReport:
    plan = {"targets": Targets(max_error=0.1), "encoder": "", "serving": MODELS}
    return calibrate_chat(ChatPlan(home=str(home), name="chat", data=str(data), **(plan | more)))


def opened(home: Path, serving: dict[str, str] | None = None, now: float | None = None) -> OpenedCascade:
    encoders = Encoders(load(None, flags={"home": str(home)}))
    try:
        when = time.time() if now is None else now
        return open_calibrated(Home(home), "chat", encoders, serving=MODELS if serving is None else serving, now=when)
    finally:
        encoders.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ChatReport]:
    folder = tmp_path_factory.mktemp("chat")
    return folder / "home", calibrated(folder / "home", write_rows(folder / "rows.jsonl", ROWS, "expected"))


@pytest.fixture
def copied(made: tuple[Path, ChatReport], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "home"))


def request_of(row: dict[str, Any]) -> Generation:
    return Generation("chat", {"messages": [{"role": "user", "content": row["prompt"]}]})


def test_certified_and_true_of_fresh_traffic(made: tuple[Path, ChatReport]) -> None:
    report = made[1]
    assert report.state == "certified", report.certificate.sentence
    assert report.n_train + report.n_calibrate == len(ROWS)
    assert "at most 10% of the requests answered here are wrong" in report.certificate.sentence
    assert "the rest goes to large" in report.certificate.sentence
    assert report.tiers[0].auroc is not None and report.tiers[0].auroc > 0.9
    cascade = opened(made[0])
    assert cascade.void == ""
    fresh = sum_rows(300, seed=9)
    threshold, skip = cascade.calibrated.thresholds[0], cascade.calibrated.skips[0]
    assert threshold is not None

    async def answered(row: dict[str, Any]) -> bool:
        verifier, request = cascade.calibrated.verifier, request_of(row)
        if not await verifier.before("small", request) >= skip:
            return False
        return await verifier.after("small", request, Completion(text=row["answers"]["small"])) >= threshold

    async def every() -> list[bool]:
        return [await answered(row) for row in fresh]

    local = np.array(asyncio.run(every()))
    right = np.array([row["correct"]["small"] for row in fresh])
    assert local.mean() == pytest.approx(report.certificate.local_share.value, abs=0.12)
    assert (~right[local]).mean() <= 0.1


def test_the_certificate_is_signed_and_pins_what_answers(made: tuple[Path, ChatReport], copied: Path) -> None:
    certificate = made[1].certificate
    verify_certificate(certificate)
    names = set(certificate.digests)
    assert {"verifier.small", "encoder", "runtime", "data.train", "data.calibrate", "tier.small", "tier.large"} <= names
    assert "tier.small" in opened(copied, {**MODELS, "tier.small": "sha256:other"}).void
    assert "expired" in opened(copied, now=certificate.expires + 1).void
    path = next((copied / "gateways" / "chat").glob("*/certificate.json"))
    path.write_text(path.read_text("utf-8").replace('"epsilon": 0.1', '"epsilon": 0.01'), "utf-8")
    with pytest.raises(CertificateError):
        opened(copied)


def test_a_changed_verifier_is_refused_and_a_changed_reference_voids(copied: Path) -> None:
    folder = next(path for path in (copied / "gateways" / "chat").iterdir() if path.is_dir())
    reference = folder / "reference.json"
    content = json.loads(reference.read_text("utf-8"))
    content["scores"][0][0] = 0.123
    reference.write_text(json.dumps(content), "utf-8")
    assert opened(copied).void
    settings = folder / "verifier-small" / "verifier.json"
    settings.write_text(settings.read_text("utf-8").replace('"bias"', '"bios"'), "utf-8")
    with pytest.raises(IntegrityError):
        opened(copied)


def test_nothing_calibrated_says_how(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        opened(tmp_path)
    assert "rightsized calibrate chat --data FILE --name chat" in caught.value.fix


def test_a_judge_is_named_and_expected_text_is_matched(tmp_path: Path) -> None:
    judged = write_rows(tmp_path / "judged.jsonl", [{**row, "label_kind": "judge:gpt-x"} for row in ROWS], "expected")
    report = calibrated(tmp_path / "a", judged)
    assert "disagree with judge gpt-x" in report.certificate.sentence
    matched = write_rows(tmp_path / "matched.jsonl", ROWS, "correct")
    assert calibrated(tmp_path / "b", matched).certificate.label_kind == "exact match"


def test_regret_and_a_person_last(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", ROWS, "expected")
    regret = calibrated(tmp_path / "home", data, loss="regret", targets=Targets(0.05, 0.95, "wrong_local_rate"))
    assert "are wrong where large would have been right" in regret.certificate.sentence
    assert opened(tmp_path / "home").void == ""
    person = calibrated(tmp_path / "home", data, person=True)
    assert person.certificate.rungs == ("small", "large", "person")
    assert len(person.certificate.thresholds) == 2
    assert person.certificate.attempt == 2  # the same labels, another question
    assert calibrated(tmp_path / "home", data, person=True).certificate.attempt == 2  # the same again is no new look
    with pytest.raises(InputError, match="person stands last"):
        calibrated(tmp_path / "home", data, person=True, loss="regret")


def test_few_rows_are_estimated(tmp_path: Path) -> None:
    report = calibrated(tmp_path / "home", write_rows(tmp_path / "rows.jsonl", ROWS[:40], "expected"))
    assert report.state in ("estimated", "none") and report.n_calibrate == 0
    assert "not certified" in report.certificate.sentence or "Nothing is promised" in report.certificate.sentence


def test_conversations_and_repeats_never_straddle(tmp_path: Path) -> None:
    rows = [{**row, "conversation": f"c{i // 2}"} for i, row in enumerate(ROWS)]
    report = calibrated(tmp_path / "home", write_rows(tmp_path / "rows.jsonl", rows, "expected"))
    assert report.certificate.unit == "conversations"
    assert report.certificate.n <= report.n_calibrate // 2 + 1
    repeated = calibrated(tmp_path / "home2", write_rows(tmp_path / "twice.jsonl", ROWS + ROWS, "expected"))
    assert any(finding.kind == "near-duplicate" for finding in repeated.findings)
    assert repeated.n_train < len(ROWS)


def test_rows_of_the_queue_only_train(tmp_path: Path) -> None:
    rows = [{**row, "rightsized_source": "queue" if i % 2 else ""} for i, row in enumerate(ROWS)]
    report = calibrated(tmp_path / "home", write_rows(tmp_path / "rows.jsonl", rows, "expected"))
    assert report.n_calibrate <= len(ROWS) // 2 // 2 + 1
    queue = write_rows(tmp_path / "queue.jsonl", rows[1::2], "expected")
    with pytest.raises(DataError, match="cannot calibrate"):
        calibrated(tmp_path / "home", tmp_path / "rows.jsonl", calibrate=str(queue))


def test_a_row_without_the_answer_of_a_tier_that_would_be_asked_is_named(tmp_path: Path) -> None:
    rows = [*ROWS[:59], ROWS[59] | {"answers": {"small": "x"}, "correct": {"small": True}}]
    with pytest.raises(DataError, match="row 60: there is no answer of tier 'large'; it has: small"):
        calibrated(tmp_path, write_rows(tmp_path / "rows.jsonl", rows, "expected"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": ""}, "row 1: there is no prompt"),
        ({"answers": {"small": 3, "large": "x"}}, "row 2: the answer of tier 'small' is 3"),
        ({"answers": {"middle": "x"}}, "row 2: there is no answer of any of small, large; it has: middle"),
        ({"answers": "x"}, "row 1: 'answers' is 'x'"),
        ({"correct": {"small": 1.5, "large": True}}, "row 1: 'correct' of tier 'small' is 1.5"),
        ({"correct": None}, "row 1: 'correct' is None"),
        ({"logprobs": {"small": "x"}}, "row 1: 'logprobs' of tier 'small' is not a list"),
        ({"label_kind": "judge:a"}, "mixes labels of different kinds"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    rows = [{**row} for row in ROWS[:60]]
    rows[0] |= change
    if "answers" in change and isinstance(change["answers"], dict):
        rows = rows[1:2] + rows[:1] + rows[2:]
    with pytest.raises(DataError, match=words):
        read_chat(write_rows(tmp_path / "rows.jsonl", rows, "expected"))


def test_nowhere_to_escalate_to(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", ROWS[:60], "expected")
    with pytest.raises(InputError, match="one tier only"):
        calibrated(tmp_path / "home", data, tiers=("small",))
    with pytest.raises(InputError, match="3 costs"):
        calibrated(tmp_path / "home", data, costs=(1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [
        ("7 + 7 = 14\n#### 14", "14", True),
        ("7 + 7 = 14\n#### 14", "7", False),
        ("Paris.", "paris", True),
        ("The answer is Paris.", "Paris", True),
        ("It costs $1,200.", "1200", True),
        ("", "5", False),
        ("Lyon", "Paris", False),
    ],
)
def test_exact_match(answer: str, expected: str, right: bool) -> None:
    assert is_right(answer, expected) is right


def test_skips_pay_for_themselves() -> None:
    random = np.random.default_rng(0)
    before = random.random((2000, 1))
    after = np.where(random.random((2000, 1)) < before, 0.9, 0.1)  # likely prompts are accepted
    (cheap,) = choose_skips(before, after, (0.5,), (1.0, 100.0))
    (dear,) = choose_skips(before, after, (0.5,), (50.0, 100.0))
    assert (cheap or 0.0) < 0.1
    assert dear is not None and dear == pytest.approx(0.5, abs=0.12)  # asked where acceptance is worth half the cost
    assert choose_skips(before, after, (None,), (1.0, 2.0)) == (None,)


def test_tier_digests_change_with_the_model_only() -> None:
    base = TierConfig("small", engine="fake", model="a")
    assert digests(base) == digests(msgspec.structs.replace(base, price_in=3.0, timeout_s=1.0))
    assert digests(base) != digests(msgspec.structs.replace(base, model="b"))
