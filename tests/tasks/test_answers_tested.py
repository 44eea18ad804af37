"""Tests of answers, from labelled rows to what is served: the same signal, weighed, recorded, refused by role."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rightsized.core.config import Config
from rightsized.core.errors import ConfigError, DataError, ForbiddenError, InputError, UnsupportedError
from rightsized.core.generation import Caller, GivenTests
from rightsized.core.run_tests import RunTestsConfig
from rightsized.core.types import Reply
from rightsized.engines.signals.signal import Exchange
from rightsized.engines.testrun.runner import Runner, digest
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.answer_tests import RunsInService, admit, as_sent, taken_apart
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_certify import correct
from rightsized.tasks.chat_data import read_chat
from rightsized.tasks.chat_exchange import exchange_of
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.chat_records import ChatPlan, ChatReport
from rightsized.tasks.chat_rows import chat_rows
from rightsized.tasks.chat_scoring import Reader, Rules, score
from rightsized.tasks.chat_tested import run_tests
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.service import LocalService
from tests.gateway_samples import asked, settings, write_rows

pytestmark = pytest.mark.needs_userns

LARGE = "def f(a, b): return a + b"
TIERS = f"""
[tests]
run = true

[[tiers]]
name = "small"
engine = "fake"

[[tiers]]
name = "large"
engine = "fake"
tier = 1
options = {{answer = "{LARGE}"}}
"""
CODE = {"sum": "def f(a, b): return a + b + 0 + 0 #", "difference": "def f(a, b): return a - b + 0 + 0 #"}
TESTS = {"sum": "assert f(5, 2) == 7", "difference": "assert f(5, 2) == 3"}


def prompt_of(number: int, wanted: str, written: str) -> str:
    """A prompt whose last words, twelve of them, the small tier repeats as its answer."""
    marks = " ".join(f"{random.Random(number + at / 100).getrandbits(32):x}" for at in range(12))  # no two are alike
    return f"{marks}. The {wanted} of two numbers. Please copy this line: {CODE[written]}"


def row(dice: random.Random, number: int) -> dict[str, Any]:
    """An exchange of which the small tier is right on half; nothing but its tests tells which."""
    wanted, written = dice.choice(list(CODE)), dice.choice(list(CODE))
    return {
        "prompt": prompt_of(number, wanted, written),
        "answers": {"small": CODE[written], "large": LARGE},
        "correct": {"small": wanted == written, "large": wanted == "sum"},
        "tests": TESTS[wanted],
        "label_kind": "tests",
    }


@pytest.fixture(scope="module", autouse=True)
def _enclosures() -> None:
    if why := Runner(RunTestsConfig()).missing():
        pytest.skip(why)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ChatReport]:
    home = tmp_path_factory.mktemp("tested")
    dice = random.Random(3)
    data = write_rows(home / "labelled.jsonl", [row(dice, number) for number in range(360)])
    config = settings(home, TIERS)
    plan = ChatPlan(
        home=str(home), name="chat", data=str(data), encoder="", serving=serving_tiers(config), settings=config
    )
    return home, calibrate_chat(plan)


def served(config: Config, asks: list[tuple[str, str | None]], caller: Caller | None = None) -> tuple[list[Reply], str]:
    """Prompts with their tests, asked one after the other; and why no promise stands."""

    async def main() -> tuple[list[Reply], str]:
        async with LocalService(config, purpose="serve", record=True, gateway=True) as service:
            gateway = service.gateway
            assert gateway is not None
            generations = [asked(prompt, tests=GivenTests(code) if code else None) for prompt, code in asks]
            return [await gateway.generate(one, caller or Caller()) for one in generations], gateway.force.note

    return asyncio.run(main())


def test_answers_that_pass_stay_and_those_that_fail_go_up(calibrated: tuple[Path, ChatReport]) -> None:
    home, report = calibrated
    assert report.certificate.state == "certified"
    assert report.tiers[0].auroc is not None
    assert report.tiers[0].auroc > 0.99  # its tests tell what the texts do not
    pairs = [(wanted, written) for wanted in CODE for written in CODE]
    asks = [(prompt_of(5000 + n, *pair), TESTS[pair[0]]) for n, pair in enumerate(pairs)]
    replies, note = served(settings(home, TIERS), [*asks, (asks[0][0], None)])
    assert note == ""
    *replies, without = replies
    assert [reply.rung for reply in replies] == ["small" if one == other else "large" for one, other in pairs]
    assert all(reply.certified for reply in replies if reply.rung == "small")
    assert not without.certified  # no answer was tested without tests


def test_without_its_tests_nothing_tells_a_right_answer(tmp_path: Path) -> None:
    """The same rows where none are run: what the other signals see is chance."""
    config = settings(tmp_path, TIERS.replace("run = true", "run = false"))
    dice = random.Random(3)
    data = write_rows(tmp_path / "labelled.jsonl", [row(dice, number) for number in range(160)])
    report = calibrate_chat(ChatPlan(home=str(tmp_path), name="chat", data=str(data), encoder="", settings=config))
    assert "tests-left-out" in [one.kind for one in report.findings]
    assert report.tiers[0].auroc is not None
    assert report.tiers[0].auroc < 0.7


def test_the_record_holds_the_outcome_and_digests_and_the_tests_stand_with_the_text(
    calibrated: tuple[Path, ChatReport],
) -> None:
    home, _ = calibrated
    (reply,), _ = served(settings(home, TIERS), [(prompt_of(7000, "sum", "difference"), TESTS["sum"])])

    async def main() -> tuple[Any, str | None]:
        async with LocalService(settings(home, TIERS), purpose="serve", record=True, gateway=True) as service:
            return service.decision(reply.id), service.decision_text(reply.id)

    decision, text = asyncio.run(main())
    small = decision.reply.attempts[0].completion.tested
    assert (small.outcome, small.reason, small.ran) == ("failed", "an assertion does not hold", 0)
    assert small.tests == digest(TESTS["sum"])
    assert text is not None
    assert json.loads(text)["rightsized"]["tests"]["code"] == TESTS["sum"]


def test_rows_and_requests_are_read_alike(calibrated: tuple[Path, ChatReport]) -> None:
    home, _ = calibrated
    data = read_chat(home / "labelled.jsonl")
    data.rows = data.rows[:2]
    run_tests(data, settings(home, TIERS))
    replies, _ = served(
        settings(home, TIERS), [(one.prompt, one.tests.code if one.tests else None) for one in data.rows]
    )
    for one, reply in zip(data.rows, replies, strict=True):
        written = reply.attempts[0].completion
        assert written is not None
        told = exchange_of(one.generation, written)
        assert msgspec.structs.asdict(one.tested["small"])["outcome"] == written.tested.outcome  # type: ignore[union-attr]  # it had tests
        assert one.exchange("small").tested == told.tested
        assert (one.exchange("small").answer, one.exchange("small").prompt) == (told.answer, told.prompt)


@pytest.mark.parametrize("change", [("run = true", "run = false"), ("run = true", 'run = true\nrule = "require-pass"')])
def test_a_promise_made_with_tests_ends_with_their_settings(
    calibrated: tuple[Path, ChatReport], change: tuple[str, str]
) -> None:
    home, _ = calibrated
    _, note = served(settings(home, TIERS.replace(*change)), [])
    assert "routing" in note


class Trusts:
    """A check that is always sure."""

    digest = "sha256:1"

    def judge(self, exchange: Exchange, vector: object) -> float:
        return 0.9

    def before(self, prompt: str, vector: object) -> float:
        return 0.0


def test_a_row_that_a_rule_refuses_has_no_score_however_sure_its_check_is(tmp_path: Path) -> None:
    config = settings(tmp_path, TIERS.replace("run = true", 'run = true\nrule = "reject-failed"'))
    dice = random.Random(1)
    data = read_chat(write_rows(tmp_path / "rows.jsonl", [row(dice, number) for number in range(12)]))
    run_tests(data, config)
    assert [bool(one.refused.get("small")) for one in data.rows] == [not one.correct["small"] for one in data.rows]
    rules = Rules({"small": Trusts()}, (None,), None, "error")  # type: ignore[dict-item]  # as much of one as is asked
    found = score(rules, data.rows, Reader(Home(str(tmp_path)), None)).scores[:, 0]
    assert [bool(value > 0) for value in found] == [one.correct["small"] for one in data.rows]
    large = [one.correct["large"] for one in data.rows]
    assert any(
        not right for right in large
    )  # by the rule it would not answer these: whatever is wrong below stays wrong
    assert correct(data, ("small",), "regret")[:, 0].tolist() == [one.correct["small"] for one in data.rows]


def test_rows_lose_their_tests_where_none_are_run(tmp_path: Path) -> None:
    data = read_chat(write_rows(tmp_path / "rows.jsonl", [row(random.Random(1), 1)]))
    run_tests(data, None)
    assert data.rows[0].tests is None
    assert [one.kind for one in data.findings] == ["tests-left-out"]


@pytest.mark.parametrize("tests", ["assert (", "import nothing_of_that_name"])
def test_tests_that_cannot_be_run_calibrate_nothing(tmp_path: Path, tests: str) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [row(random.Random(1), 1) | {"tests": tests}])
    with pytest.raises(DataError, match="row 1: its tests cannot be run"):
        run_tests(read_chat(path), settings(tmp_path, TIERS))


def test_rows_whose_tests_are_no_tests_are_refused(tmp_path: Path) -> None:
    for wrong in (3, {"language": "cobol", "code": "x"}, " "):
        path = write_rows(tmp_path / "rows.jsonl", [row(random.Random(1), 1) | {"tests": wrong}])
        with pytest.raises(DataError, match="row 1"):
            read_chat(path)


def test_a_machine_without_enclosures_calibrates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner, "missing", lambda self: "no namespaces")
    data = read_chat(write_rows(tmp_path / "rows.jsonl", [row(random.Random(1), 1)]))
    with pytest.raises(ConfigError, match="no namespaces"):
        run_tests(data, settings(tmp_path, TIERS))


def test_what_is_on_record_is_taken_apart_again() -> None:
    """A shadow call asks the last tier what is on record: without what no model is shown, and with its tests."""
    chat = asked("p", tests=GivenTests("assert f()"))
    sent = msgspec.json.decode(msgspec.json.encode(as_sent(chat)))
    assert sent["rightsized"] == {"tests": {"code": "assert f()", "language": "python"}}
    assert taken_apart(sent) == (chat.body, chat.tests)
    assert taken_apart(chat.body) == (chat.body, None)


def test_what_people_said_of_a_tested_answer_is_a_row_with_its_tests(calibrated: tuple[Path, ChatReport]) -> None:
    home, _ = calibrated
    (reply,), _ = served(settings(home, TIERS), [(prompt_of(8000, "sum", "difference"), TESTS["sum"])])

    async def main() -> list[dict[str, Any]]:
        async with LocalService(settings(home, TIERS), purpose="serve", record=True, gateway=True) as service:
            await service.feedback(reply.id, "wrong", "anna")
        with LedgerReader(Home(str(home)).decisions) as reader:
            return chat_rows(ReviewQueue(reader), "chat")[0]

    (found,) = asyncio.run(main())
    assert found["tests"]["code"] == TESTS["sum"]
    assert "rightsized" not in found


def test_who_may_send_tests() -> None:
    chat, on = asked("p", tests=GivenTests("assert f()")), RunTestsConfig(run=True)
    admit(on, chat, Caller())  # whoever reaches a server on loopback is its admin
    admit(on, chat, Caller(key="k1", roles=("admin",)))
    admit(RunTestsConfig(), asked("p"), Caller(key="k1"))
    admit(RunTestsConfig(run=True, roles=("client",)), chat, Caller(key="k1", roles=("client",)))
    for caller in (Caller(key="k1", roles=("client",)), Caller(key="k1")):
        with pytest.raises(ForbiddenError, match=r"Tests may be sent by admin"):
            admit(on, chat, caller)
    with pytest.raises(UnsupportedError, match="not run here"):
        admit(RunTestsConfig(), chat, Caller())
    with pytest.raises(UnsupportedError, match="chats only"):
        admit(on, msgspec.structs.replace(chat, operation="completions"), Caller())
    with pytest.raises(InputError, match="1 KiB"):
        admit(RunTestsConfig(run=True, max_kb=1), asked("p", tests=GivenTests("#" * 1025)), Caller())


def test_a_run_that_nobody_waits_for_is_ended() -> None:
    async def main() -> int:
        runs = RunsInService(RunTestsConfig(run=True, at_once=1, seconds=60))
        waiting = asyncio.create_task(runs(GivenTests("f()"), "def f():\n    while True: pass"))
        await asyncio.sleep(0.5)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        found = await runs(GivenTests("assert f()"), "def f(): return 1")
        runs.close()
        return found.ran

    assert asyncio.run(asyncio.wait_for(main(), 30)) == 1
