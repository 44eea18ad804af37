"""The monitor: false alarms under unkind reviewers, delay under real trouble, and its state over a restart.

Quick forms; the long ones are `python -m benchmarks.monitor_delay`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsized.cascade.chain import ChainMonitor, answering_rung, nested_chain
from rightsized.cascade.monitor import RESTART, Monitor, MonitorPlan, MonitorState, stakes
from rightsized.core.errors import ConfigError, InputError

DELTA, EPSILON = 0.1, 0.05
RUNS, AUDITS = 120, 1500
ALLOWED = DELTA + 3.5 * math.sqrt(DELTA * (1 - DELTA) / RUNS)
PLAN = MonitorPlan("selective_error", EPSILON, DELTA, 0.02)


def audit(monitor: Monitor, number: int, wrong: bool | None) -> None:
    """One audited local answer; None is never answered."""
    monitor.watch(str(number), local=True, audit=True, probability=0.02)
    if wrong is not None:
        monitor.label(str(number), wrong=wrong)


def alarms(run: Callable[[np.random.Generator], Monitor]) -> float:
    return float(np.mean([run(np.random.default_rng([seed, 77])).alarmed for seed in range(RUNS)]))


def test_no_more_false_alarms_than_said_at_the_limit() -> None:
    def run(random: np.random.Generator) -> Monitor:
        monitor = Monitor(PLAN)
        for number, wrong in enumerate(random.random(AUDITS) < EPSILON):
            audit(monitor, number, bool(wrong))
        return monitor

    share = alarms(run)
    assert 0 < share <= ALLOWED  # the limit itself: some alarms are due


def test_wrong_audits_that_return_sooner_raise_no_more() -> None:
    """Wrong answers are reported at once, right ones 200 audits later."""

    def run(random: np.random.Generator) -> Monitor:
        monitor, waiting = Monitor(PLAN), []
        for number, wrong in enumerate(random.random(AUDITS) < EPSILON):
            monitor.watch(str(number), local=True, audit=True, probability=0.02)
            if wrong:
                monitor.label(str(number), wrong=True)
            else:
                waiting.append(number)
            if len(waiting) > 200:
                monitor.label(str(waiting.pop(0)), wrong=False)
        return monitor

    assert alarms(run) <= ALLOWED


def test_right_audits_that_never_return_raise_no_more() -> None:
    def run(random: np.random.Generator) -> Monitor:
        monitor = Monitor(PLAN)
        for number, wrong in enumerate(random.random(AUDITS) < EPSILON):
            audit(monitor, number, True if wrong else None if random.random() < 0.7 else False)
        return monitor

    assert alarms(run) <= ALLOWED


def test_uneven_sampling_raises_no_more() -> None:
    """Half of the requests are audited at 2%, half at 20%, and all errors fall in one half."""
    plan = MonitorPlan("selective_error", EPSILON, DELTA, 0.1, weighted=True)

    def run(random: np.random.Generator) -> Monitor:
        monitor = Monitor(plan)
        for number in range(6000):
            rate = 0.02 if number % 2 else 0.2
            wrong = number % 2 == 0 and random.random() < 2 * EPSILON
            toss = bool(random.random() < rate)
            if monitor.watch(str(number), local=True, audit=toss, probability=rate):
                monitor.label(str(number), wrong=wrong)
        return monitor

    assert alarms(run) <= ALLOWED


def test_uneven_sampling_still_finds_trouble() -> None:
    monitor, random = (
        Monitor(MonitorPlan("selective_error", EPSILON, DELTA, 0.1, weighted=True)),
        np.random.default_rng(1),
    )
    for number in range(20_000):
        rate = 0.02 if number % 2 else 0.2
        toss = bool(random.random() < rate)
        if monitor.watch(str(number), local=True, audit=toss, probability=rate):
            monitor.label(str(number), wrong=bool(random.random() < 3 * EPSILON))
    assert monitor.alarmed


def test_the_evidence_has_mean_at_most_one_by_enumeration() -> None:
    """Exactly, over all outcomes of nine audits at the limit, fresh starts included."""
    plan = msgspec.structs.replace(PLAN, epsilon=0.3)
    mean = 0.0
    for pattern in range(2**9):
        monitor, probability = Monitor(plan), 1.0
        monitor._every = 3
        for number in range(9):
            wrong = bool(pattern >> number & 1)
            probability *= 0.3 if wrong else 0.7
            audit(monitor, number, wrong)
        mean += probability * monitor.reading().e_value
    assert mean == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), wrong=st.lists(st.booleans(), min_size=1, max_size=40))
def test_the_order_of_labels_does_not_matter(data: st.DataObject, wrong: list[bool]) -> None:
    first, second = Monitor(PLAN), Monitor(PLAN)
    for number in range(len(wrong)):
        for monitor in (first, second):
            monitor.watch(str(number), local=True, audit=True, probability=0.02)
    for number in data.draw(st.permutations(range(len(wrong)))):
        first.label(str(number), wrong=wrong[number])
    for number in range(len(wrong)):
        second.label(str(number), wrong=wrong[number])
    assert first.reading().e_value == pytest.approx(second.reading().e_value, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(answers=st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=60))
def test_waiting_audits_count_as_right_for_the_alarm_and_as_wrong_for_show(answers: list[bool | None]) -> None:
    as_is, as_right, as_wrong = Monitor(PLAN), Monitor(PLAN), Monitor(PLAN)
    for number, answer in enumerate(answers):
        audit(as_is, number, answer)
        audit(as_right, number, bool(answer))
        audit(as_wrong, number, True if answer is None else answer)
    reading = as_is.reading()
    assert reading.e_value == pytest.approx(as_right.reading().e_value, rel=1e-9)
    assert reading.if_waiting_wrong == pytest.approx(as_wrong.reading().e_value, rel=1e-9)
    assert reading.waiting == sum(answer is None for answer in answers)


def delay(good: int, rate: float, seed: int) -> int:
    monitor, random = Monitor(MonitorPlan("selective_error", 0.02, 0.05, 0.02)), np.random.default_rng(seed)
    for number in range(good):
        audit(monitor, number, bool(random.random() < 0.01))
    for number in range(good, good + 5000):
        audit(monitor, number, bool(random.random() < rate))
        if monitor.alarmed:
            return number - good
    return 5000


def test_trouble_is_found_also_after_a_long_good_time() -> None:
    fresh = np.mean([delay(0, 0.06, seed) for seed in range(12)])
    aged = np.mean([delay(3000, 0.06, seed) for seed in range(12)])
    assert fresh < 300
    assert aged < 800  # one start alone would need 1,500 to win back what it lost


def test_the_forecast_is_near_what_happens() -> None:
    plan = MonitorPlan("selective_error", 0.02, 0.05, 0.02)
    said = Monitor(plan).messages_to_detection(3.0)
    assert said is not None
    happened = np.mean([delay(0, 0.06, seed) for seed in range(30)]) / plan.rate
    assert 0.6 * happened < said < 1.7 * happened


def test_the_forecast_where_twice_epsilon_is_no_probability() -> None:
    assert Monitor(MonitorPlan("selective_error", 0.6, 0.05, 0.02)).messages_to_detection() is None


def test_what_each_promise_counts() -> None:
    of_answers, of_all = (Monitor(MonitorPlan(p, EPSILON, DELTA, 0.5)) for p in ("selective_error", "wrong_local_rate"))
    for monitor in (of_answers, of_all):
        assert not monitor.watch("up", local=False, audit=True, probability=0.5)
        assert not monitor.watch("tails", local=True, audit=False, probability=0.5)
        assert monitor.watch("here", local=True, audit=True, probability=0.5)
    assert of_answers.reading().audits == 1
    assert of_all.reading().audits == 2  # the one that went up counts 0 and needs no label
    assert of_all.pending == ("here",)


def test_suppressed_conversations_do_not_count() -> None:
    monitor = Monitor(msgspec.structs.replace(PLAN, weighted=True))
    assert not monitor.watch("a", local=True, audit=False, probability=0.0)
    assert monitor.reading().e_value == 1.0


def test_an_alarm_stays() -> None:
    monitor = Monitor(PLAN)
    for number in range(10):
        audit(monitor, number, True)
    assert monitor.alarmed
    for number in range(10, 500):
        audit(monitor, number, False)
    assert monitor.alarmed
    assert monitor.reading().e_value < 1 / DELTA


def test_state_survives_a_restart_and_json() -> None:
    whole, cut = Monitor(PLAN), Monitor(PLAN)
    random = np.random.default_rng(5)
    wrongs = random.random(2 * RESTART + 50) < 0.06
    for number, wrong in enumerate(wrongs):
        answer = None if number % 7 == 0 else bool(wrong)
        audit(whole, number, answer)
        audit(cut, number, answer)
        if number in (10, 150):
            cut = Monitor.restore(msgspec.json.decode(msgspec.json.encode(cut.state()), type=MonitorState))
    for monitor in (whole, cut):
        monitor.label("147", wrong=True)  # an old one, answered after the restart
    assert cut.reading() == whole.reading()
    assert cut.state() == whole.state()


def test_labels_nobody_waits_for_are_refused() -> None:
    monitor = Monitor(PLAN)
    with pytest.raises(InputError, match="'x' waits"):
        monitor.label("x", wrong=True)
    audit(monitor, 1, True)
    with pytest.raises(InputError, match="'1' waits"):
        monitor.label("1", wrong=True)
    monitor.watch("2", local=True, audit=True, probability=0.02)
    with pytest.raises(InputError, match="'2' was watched"):
        monitor.watch("2", local=True, audit=True, probability=0.02)
    with pytest.raises(InputError, match="probability 0"):
        monitor.watch("3", local=True, audit=True, probability=0.0)


@settings(max_examples=60, deadline=None)
@given(epsilon=st.floats(0.001, 0.9), rate=st.floats(0.001, 1.0), weighted=st.booleans())
def test_stakes_never_risk_everything(epsilon: float, rate: float, weighted: bool) -> None:
    lambdas = stakes(MonitorPlan("selective_error", epsilon, 0.05, rate, weighted))
    assert (lambdas > 0).all()
    assert (lambdas * epsilon < 1).all()


@pytest.mark.parametrize("change", [{"epsilon": 0.0}, {"epsilon": 1.0}, {"delta": 0.0}, {"rate": 0.0}, {"rate": 1.5}])
def test_a_plan_out_of_range_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"monitor's {next(iter(change))}"):
        Monitor(msgspec.structs.replace(PLAN, **change))


def test_only_truly_nested_configurations_make_a_chain() -> None:
    rejected = [(0.9, 0.9), (0.8, 0.9), (0.85, 0.7), (0.7, 0.8), (0.6, 0.6)]
    chain = nested_chain(rejected, (0.6, 0.6), longest=10)
    assert chain == ((0.9, 0.9), (0.8, 0.9), (0.7, 0.8), (0.6, 0.6))
    assert nested_chain(rejected, (0.6, 0.6), longest=2) == ((0.9, 0.9), (0.6, 0.6))
    assert nested_chain([], (0.6,), longest=4) == ((0.6,),)
    assert nested_chain([(None, 0.9), (0.5, 0.9)], (0.5, 0.9)) == ((None, 0.9), (0.5, 0.9))


def test_the_answering_rung_is_that_of_the_cascade() -> None:
    assert answering_rung((0.5, 0.5), (0.4, 0.6)) == 1
    assert answering_rung((0.5, None), (0.5, 1.0)) == 0
    assert answering_rung((0.5, None), (math.nan, 1.0)) == -1


def test_after_an_alarm_the_loosest_link_without_one_is_left() -> None:
    """Errors sit between the two thresholds: the deployed link alarms, the stricter one does not."""
    plan = MonitorPlan("selective_error", EPSILON, DELTA, 0.02)
    chain = ChainMonitor(plan, [(0.9,), (0.5,)])
    assert chain.deployed.plan.delta == DELTA / 2
    for number in range(300):
        sure = number % 2 == 0
        assert chain.watch(str(number), (0.95 if sure else 0.6,), audit=True, probability=0.02)
        chain.label(str(number), (sure or number % 5 == 0,))
        if number == 20:
            chain = ChainMonitor.restore(msgspec.convert(msgspec.to_builtins(chain.state()), type=type(chain.state())))
    assert chain.deployed.alarmed
    assert chain.fallback() == (0.9,)
    assert not chain.watch("up", (0.1,), audit=True, probability=0.02)
    with pytest.raises(InputError):
        chain.label("up", (True,))


def test_where_every_link_alarms_nothing_is_left() -> None:
    chain = ChainMonitor(PLAN, [(0.9,), (0.5,)])
    for number in range(60):
        chain.watch(str(number), (0.95,), audit=True, probability=0.02)
        chain.label(str(number), (False,))
    assert chain.fallback() is None
    with pytest.raises(ConfigError):
        ChainMonitor(PLAN, [])
