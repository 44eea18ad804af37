"""Tests of requests on the way up the ladder: run once an answer is there, weighed by its check, held as a rule."""

from __future__ import annotations

from typing import Any

import pytest

from rightsized.cascade.answer_tests import AnswerTests, Rule, why_refused
from rightsized.cascade.generate import Calibrated, Ladder
from rightsized.core.errors import BusyError
from rightsized.core.generation import Completion, GivenTests, RunResult
from rightsized.core.types import Begun, Reply
from tests.cascade.test_generate import Told, answer, ask, ladder, stream, text, tier

GIVEN = GivenTests("assert f() == 1")
TESTED = ("{}", '{"rightsized.tests":true}')


class Said:
    """Runs nothing: says what it is told to of each answer's text."""

    def __init__(self, outcomes: dict[str, str], fail: Exception | None = None) -> None:
        self._outcomes, self._fail = outcomes, fail
        self.asked: list[str] = []

    async def __call__(self, tests: GivenTests, answer: str) -> RunResult:
        self.asked.append(answer)
        if self._fail:
            raise self._fail
        return RunResult(self._outcomes[answer], "no namespace" if "not" in self._outcomes[answer] else "")  # type: ignore[arg-type]  # words of tests


class Reads(Told):
    """A check that trusts what passed its tests."""

    async def after(self, tier: str, generation: Any, completion: Completion, samples: Any = ()) -> float:
        return 0.9 if completion.tested is not None and completion.tested.outcome == "passed" else 0.1


def with_tests(outcomes: dict[str, str], rule: Rule = "weigh", scores: float | None = None, **more: Any) -> Ladder:
    """small (0.8) -> large; the check reads the tests, or says `scores` whatever they came to."""
    verifier = Reads({}) if scores is None else Told({"small": scores, "large": scores})
    calibrated = Calibrated(("small", "large"), (0.8,), (), verifier, parameters=more.pop("parameters", TESTED))
    tiers = (tier("small", "s"), tier("large", "l", tier=1))
    run = more.pop("run", None) or Said(outcomes)
    return ladder(*tiers, state="certified", calibrated=calibrated, tests=AnswerTests(run, rule), **more)


def test_what_the_tests_came_to_is_weighed_and_put_down() -> None:
    reply = answer(with_tests({"s": "passed"}), ask(tests=GIVEN))
    assert (reply.rung, reply.certified) == ("small", True)
    assert reply.attempts[0].completion is not None
    assert reply.attempts[0].completion.tested == RunResult("passed")
    reply = answer(with_tests({"s": "failed", "l": "passed"}), ask(tests=GIVEN))
    found = [one.completion.tested for one in reply.attempts if one.completion is not None]
    assert (reply.rung, found) == ("large", [RunResult("failed"), RunResult("passed")])


@pytest.mark.parametrize("outcome", ["failed", "timeout"])
@pytest.mark.parametrize("rule", ["reject-failed", "require-pass"])
def test_by_rule_no_failed_answer_is_accepted_however_sure_its_check_is(outcome: str, rule: Rule) -> None:
    reply = answer(with_tests({"s": outcome, "l": "passed"}, rule, 1.0), ask(tests=GIVEN))
    assert (reply.rung, reply.attempts[0].reason) == ("large", f"its tests: {outcome}")
    assert answer(with_tests({"s": outcome}, "weigh", 1.0), ask(tests=GIVEN)).rung == "small"


def test_by_rule_a_person_stands_behind_the_last_tier() -> None:
    reply = answer(with_tests({"s": "failed", "l": "failed"}, "reject-failed", 1.0), ask(tests=GIVEN))
    assert (reply.status, reply.completion) == ("abstained", None)
    named = ask(tests=GIVEN, model="large")
    assert answer(with_tests({"l": "failed"}, "reject-failed"), named).status == "abstained"
    assert answer(with_tests({"l": "failed"}, "weigh"), named).rung == "large"


def test_tests_that_were_not_run_are_no_result_and_no_promise() -> None:
    reply = answer(with_tests({"s": "not-run"}, "reject-failed", 1.0), ask(tests=GIVEN))
    assert (reply.rung, reply.certified) == ("small", False)
    assert reply.completion is not None
    assert reply.completion.warnings == ("Not certified: its tests were not run: no namespace.",)
    assert answer(with_tests({"s": "not-run", "l": "passed"}, "require-pass", 1.0), ask(tests=GIVEN)).rung == "large"


def test_a_promise_made_without_tests_does_not_cover_a_request_with_them() -> None:
    assert not answer(with_tests({"s": "passed"}, parameters=("{}",)), ask(tests=GIVEN)).certified
    assert not answer(with_tests({}, scores=1.0, parameters=TESTED[1:]), ask()).certified
    assert answer(with_tests({}, scores=1.0), ask()).certified


def test_a_stream_waits_for_its_tests() -> None:
    run = Said({"l": "passed"})
    pieces = stream(with_tests({}, run=run), ask(tests=GIVEN, model="large", stream=True))
    assert text(pieces) == "l"
    assert isinstance(pieces[0], Begun)
    assert run.asked == ["l"]
    failed = stream(with_tests({"l": "failed"}, "reject-failed"), ask(tests=GIVEN, model="large", stream=True))
    assert [type(piece) for piece in failed] == [Reply]


def test_being_busy_is_no_outcome() -> None:
    request = ask(tests=GIVEN)
    with pytest.raises(BusyError):
        answer(with_tests({}, run=Said({}, BusyError("too many"))), request)


def test_tests_are_run_only_where_some_came() -> None:
    run = Said({})
    answer(with_tests({}, run=run, scores=1.0), ask())
    assert run.asked == []


def test_what_each_rule_refuses() -> None:
    found = {
        rule: [bool(why_refused(rule, RunResult(one))) for one in ("passed", "failed", "timeout", "not-run")]
        for rule in ("weigh", "reject-failed", "require-pass")
    }
    assert found == {
        "weigh": [False] * 4,
        "reject-failed": [False, True, True, False],
        "require-pass": [False, True, True, True],
    }
