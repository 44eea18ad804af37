"""The cascade: who answers, what is recorded of the others, and when a reply may call itself certified."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsized.cascade.path import as_configuration, outcomes
from rightsized.cascade.route import Cascade, CascadeSetup
from rightsized.cascade.scores import Scores
from rightsized.core.errors import BusyError, ConfigError, InputError, StoreError
from rightsized.core.protocols import Scored
from rightsized.core.types import TIER_PERSON, TIER_TASK, LabelScore, Prediction, Reply, Request


class Fixed:
    """A rung that always gives one score, or raises."""

    tier = TIER_TASK

    def __init__(self, name: str, score: float | Exception, cost: float = 0.25) -> None:
        self.name, self._score, self.cost, self.asked = name, score, cost, 0
        self.model = f"sha256:{name}"

    async def score(self, text: str) -> Scored:
        self.asked += 1
        if isinstance(self._score, Exception):
            raise self._score
        return Scored(Prediction(self.name, (self.name,), (LabelScore(self.name, 0.9),)), self._score, text == "long")


def setup(
    *scores: float | Exception, thresholds: tuple[float | None, ...] = (0.5, 0.8), **more: object
) -> CascadeSetup:
    rungs = tuple(Fixed(name, score) for name, score in zip("abc", scores, strict=False))
    values = {"state": "certified", "certificate": "sha256:cert", **more}
    return CascadeSetup("support", "v1", rungs, thresholds, **values)


def ask(cascade: Cascade, text: str = "hello") -> Reply:
    return asyncio.run(cascade.answer(Request("support", text, id="d1")))


def test_the_first_rung_that_is_sure_enough_answers() -> None:
    cascade = Cascade(setup(0.5, 0.9))
    reply = ask(cascade)
    assert (reply.label, reply.rung, reply.status, reply.certified) == ("a", "a", "answered", True)
    assert (reply.id, reply.certificate, reply.confidence, reply.model) == ("d1", "sha256:cert", 0.5, "sha256:a")
    assert cascade.setup.rungs[1].asked == 0


def test_what_is_not_sure_goes_up_and_every_try_is_recorded() -> None:
    reply = ask(Cascade(setup(0.49, 0.8)))
    assert (reply.label, reply.certified, reply.cost) == ("b", True, 0.5)
    assert [(a.rung, a.score, a.threshold, a.accepted) for a in reply.attempts] == [
        ("a", 0.49, 0.5, False),
        ("b", 0.8, 0.8, True),
    ]
    assert reply.attempts[0].reason == "not sure enough: 0.4900 is below 0.5000"


def test_after_the_last_rung_stands_a_person() -> None:
    reply = ask(Cascade(setup(0.1, 0.2)))
    assert (reply.status, reply.output, reply.tier, reply.rung, reply.certified) == (
        "abstained",
        None,
        TIER_PERSON,
        "person",
        False,
    )
    assert reply.suggestion is not None
    assert reply.suggestion.label == "b"


def test_nan_goes_up_and_stays_out_of_the_record() -> None:
    reply = ask(Cascade(setup(math.nan, 0.9, thresholds=(0.0, 0.8))))
    assert reply.label == "b"
    assert reply.attempts[0].score == 0.0
    assert reply.attempts[0].reason == "the score nan is no probability"
    assert msgspec.json.decode(msgspec.json.encode(reply), type=Reply) == reply


@pytest.mark.parametrize("score", [math.inf, 1.5, -0.5])
def test_a_score_that_is_no_probability_is_never_accepted(score: float) -> None:
    assert ask(Cascade(setup(score, 0.1))).output is None


def test_a_rung_that_never_answers_is_not_asked_unless_it_is_the_last() -> None:
    cascade = Cascade(setup(1.0, 1.0, thresholds=(None, None)))
    reply = ask(cascade)
    assert reply.output is None
    assert [rung.asked for rung in cascade.setup.rungs] == [0, 1]
    assert reply.attempts[0].reason == "this rung never answers under the promise"


def test_a_last_rung_without_threshold_answers_what_reaches_it_uncertified() -> None:
    reply = ask(Cascade(setup(0.1, 0.0, thresholds=(0.5,))))
    assert (reply.label, reply.certified, reply.attempts[-1].threshold) == ("b", False, None)
    assert ask(Cascade(setup(0.6, 0.0, thresholds=(0.5,)))).certified


@pytest.mark.parametrize(
    "failure", [StoreError("gone"), OSError("cut"), TimeoutError(), RuntimeError("x"), ValueError("y")]
)
def test_after_a_failure_local_answers_are_uncertified(failure: Exception) -> None:
    reply = ask(Cascade(setup(failure, 0.9)))
    assert (reply.label, reply.certified, reply.state) == ("b", False, "certified")
    assert reply.attempts[0].reason.startswith(f"failed: {type(failure).__name__}")
    assert reply.attempts[0].prediction is None


def test_when_every_rung_fails_a_person_is_asked() -> None:
    reply = ask(Cascade(setup(OSError("a"), OSError("b"))))
    assert (reply.status, reply.suggestion, reply.confidence) == ("abstained", None, 0.0)


@pytest.mark.parametrize("failure", [BusyError("full"), InputError("empty"), TypeError("a bug")])
def test_busy_bad_input_and_bugs_are_raised_on(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        ask(Cascade(setup(failure, 0.9)))


@pytest.mark.parametrize("state", ["estimated", "none", "suspended"])
def test_only_a_certified_state_certifies(state: str) -> None:
    reply = ask(Cascade(setup(0.9, 0.9, state=state)))
    assert not reply.certified
    assert reply.state == state


def test_an_estimated_task_answers() -> None:
    assert ask(Cascade(setup(0.9, 0.9, state="estimated"))).label == "a"


def test_expiry_in_time_stops_local_answers_but_keeps_the_suggestion() -> None:
    now = [100.0]
    cascade = Cascade(setup(0.9, 0.9, expires=200.0, clock=lambda: now[0]))
    assert ask(cascade).certified
    now[0] = 200.0
    reply = ask(cascade)
    assert (reply.output, reply.state, reply.certified) == (None, "none", False)
    assert "the certificate expired on 1970-01-01" in reply.attempts[0].reason
    assert reply.suggestion is not None


def test_expiry_in_requests_counts_from_what_was_used_before() -> None:
    cascade = Cascade(setup(0.9, 0.9, expires_requests=10, requests=8))
    assert [ask(cascade).certified for _ in range(4)] == [True, True, False, False]
    assert "was for 10 requests" in ask(cascade).attempts[0].reason


def test_by_choice_local_answers_go_on_uncertified() -> None:
    cascade = Cascade(setup(0.9, 0.9, expires=0.0, stop_when_void=False))
    reply = ask(cascade)
    assert (reply.label, reply.certified, reply.state) == ("a", False, "none")


def test_an_alarm_suspends_at_once() -> None:
    cascade = Cascade(setup(0.9, 0.9))
    assert ask(cascade).certified
    cascade.suspend("the monitor raised an alarm")
    reply = ask(cascade)
    assert (reply.output, reply.state, cascade.state) == (None, "suspended", "suspended")
    assert reply.attempts[0].reason == "local answers are stopped: the monitor raised an alarm"


def test_a_suspended_task_starts_suspended() -> None:
    assert ask(Cascade(setup(0.9, 0.9, state="suspended"))).output is None


def test_suspended_lets_the_last_rung_answer() -> None:
    reply = ask(Cascade(setup(0.9, 0.1, state="suspended", thresholds=(0.5,))))
    assert (reply.label, reply.certified) == ("b", False)


def test_truncation_of_any_rung_asked_is_told() -> None:
    assert ask(Cascade(setup(0.1, 0.9)), "long").truncated
    assert not ask(Cascade(setup(0.1, 0.9))).truncated


def test_thresholds_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 thresholds do not fit 2 rungs"):
        Cascade(setup(0.1, 0.2, thresholds=(0.1, 0.2, 0.3)))


VALUES = st.sampled_from([0.0, 0.3, 0.5, 0.5000001, 1.0, math.nan])
THRESHOLDS = st.one_of(st.none(), st.sampled_from([0.0, 0.3, 0.5, 1.0]))


@settings(max_examples=150, deadline=None)
@given(scores=st.tuples(VALUES, VALUES), thresholds=st.tuples(THRESHOLDS, THRESHOLDS))
def test_serving_routes_exactly_as_calibration_counted(
    scores: tuple[float, float], thresholds: tuple[float | None, float | None]
) -> None:
    rows = Scores(np.array([scores]), np.array([[True, False]]))
    seen = outcomes(as_configuration(thresholds)[None, :], rows)
    reply = ask(Cascade(setup(*scores, thresholds=thresholds)))
    assert (reply.output is not None) == bool(seen.local[0, 0])
    assert (reply.label == "b") == bool(seen.wrong[0, 0])


def test_many_at_once_keep_their_order() -> None:
    async def several(make: Callable[[], Cascade]) -> list[str]:
        replies = await make().answer_many([Request("support", "x", id=str(i)) for i in range(20)])
        return [reply.id for reply in replies]

    assert asyncio.run(several(lambda: Cascade(setup(0.9, 0.9)))) == [str(i) for i in range(20)]
