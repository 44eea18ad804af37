"""The order of the queue: the formula against its definition, worked examples, and what must hold for any queue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsized.apps.triage.desk.calendar import Calendar, Hours, Shift
from rightsized.apps.triage.desk.delay import HOUR, Waiting, chances_of, deadlines, index, look_ahead, order
from rightsized.apps.triage.desk.settings import DeskSettings, Target, WorkSettings
from rightsized.apps.triage.records import LEVELS, Level
from rightsized.apps.triage.urgency import Urgency

ALWAYS = Hours("UTC", ((Shift(0, 1440),),) * 7, {})
DESK, CALENDAR = DeskSettings(hours=ALWAYS), Calendar(ALWAYS)
NOW = 1_800_000_000.0
BASE: dict[Level, float] = {"urgent": 0.05, "high": 0.15, "normal": 0.6, "low": 0.2}


def sure(key: str, level: Level, waited: float, minutes: float | None = None) -> Waiting:
    return Waiting(key, NOW - waited * HOUR, {level: 1.0}, minutes)


def keys(waiting: list[Waiting], people: int = 1) -> list[str]:
    return [one.key for one in order(waiting, DESK, CALENDAR, NOW, people)]


@pytest.mark.parametrize(("left", "tau"), [(0.5, 0.3), (2.0, 1.0), (4.0, 8.0)])
def test_the_index_is_the_derivative_of_the_expected_cost(left: float, tau: float) -> None:
    target = Target(1, 4, 10.0, 3.0)
    wait = (np.arange(400_000) + 0.5) * (tau * 40 / 400_000)  # W ~ exponential, on a grid
    weight = np.exp(-wait / tau) / tau * (tau * 40 / 400_000)

    def expected(delay: float) -> float:
        over = wait - (left - delay)
        return float((weight * (10.0 * (over > 0) + 3.0 * np.maximum(over, 0))).sum())

    step = 0.05 * tau
    slope = (expected(step) - expected(-step)) / (2 * step)
    _, cost = index(np.array([[left]]), np.ones((1, 1)), np.ones(1), [target], tau)
    assert cost[0] == pytest.approx(slope, rel=3e-3)


def test_without_late_cost_and_doubt_it_is_the_apparent_tardiness_cost() -> None:
    target, hours, k = Target(4, 8, 7.0, 0.0), 0.25, 3.0
    found, _ = index(np.array([[2.0]]), np.ones((1, 1)), np.array([hours]), [target], k * hours)
    apparent = 7.0 / hours * np.exp(-2.0 / (k * hours))  # w/p exp(-slack / (k p))
    assert found[0] == pytest.approx(apparent / (k * hours))


def test_near_deadlines_go_first_and_dear_levels_before_cheap_ones() -> None:
    assert keys([sure("new", "normal", 0.5), sure("near", "normal", 7.5)]) == ["near", "new"]
    assert keys([sure("n", "normal", 0), sure("u", "urgent", 0), sure("l", "low", 0)]) == ["u", "n", "l"]
    assert keys([sure("long", "normal", 20, 30), sure("short", "normal", 20, 3)]) == ["short", "long"]
    nearly_due = [sure("short", "normal", 7.4, 3), sure("long", "normal", 7.4, 30)]
    assert keys(nearly_due, people=10) == ["long", "short"]  # the long one has to be begun now


def test_what_is_late_already_does_not_displace_what_can_still_be_kept() -> None:
    assert keys([sure("late", "normal", 20), sure("kept", "normal", 7.8)]) == ["kept", "late"]
    assert keys([sure("late", "urgent", 2), sure("fresh", "low", 0)]) == ["late", "fresh"]


def test_doubt_counts() -> None:
    maybe = Waiting("maybe", NOW - 0.5 * HOUR, {"urgent": 0.3, "low": 0.7})
    assert keys([sure("normal", "normal", 0.5), maybe]) == ["maybe", "normal"]


def test_equal_messages_stand_in_the_order_of_arrival_then_of_keys() -> None:
    assert keys([sure("b", "low", 30), sure("c", "low", 40), sure("a", "low", 30)]) == ["c", "a", "b"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(LEVELS), st.floats(0, 30)), min_size=1, max_size=12), st.integers(1, 5))
def test_the_order_is_a_permutation_that_does_not_depend_on_how_it_was_given(
    rows: list[tuple[Level, float]], people: int
) -> None:
    waiting = [sure(f"m{n}", level, waited) for n, (level, waited) in enumerate(rows)]
    found = keys(waiting, people)
    assert sorted(found) == sorted(one.key for one in waiting)
    assert found == keys(waiting[::-1], people)


@given(st.sampled_from(LEVELS), st.floats(0.01, 30), st.floats(0.01, 30))
def test_the_cost_of_delay_grows_until_the_answer_is_due(level: Level, a: float, b: float) -> None:
    nearer, farther = sorted((a, b))
    target = [DESK.targets[level]]
    _, cost = index(np.array([[nearer], [farther]]), np.ones((2, 1)), np.ones(2), target, 1.0)
    assert cost[0] >= cost[1]


def test_the_look_ahead_grows_with_the_queue_and_shrinks_with_the_team() -> None:
    work = WorkSettings(minutes=6, look_ahead=0.5)
    assert look_ahead(1, 4, work) == 0.1
    assert look_ahead(100, 1, work) == pytest.approx(5.0)
    assert look_ahead(100, 4, work) == pytest.approx(1.25)


def test_deadlines_are_in_open_time() -> None:
    office = DeskSettings()
    friday_16 = 1_795_795_200.0  # 2026-11-27 16:00 UTC
    found = deadlines("high", friday_16, office, Calendar(office.hours))
    monday = friday_16 + 65 * HOUR  # 09:00
    assert (found.answer, found.resolve) == (monday + HOUR, monday + 7 * HOUR)


def test_chances_come_from_the_task_else_from_the_rule_else_from_how_often_levels_come() -> None:
    assert chances_of(Urgency("high", "rules"), BASE) == {"urgent": 0, "high": 1, "normal": 0, "low": 0}
    assert chances_of(Urgency("normal"), BASE) == BASE
    model = chances_of(Urgency("high", "model", 0.7), BASE)
    assert model["high"] == pytest.approx(0.7)
    assert model["normal"] / model["low"] == pytest.approx(3)
    said = chances_of(Urgency("high", "rules", 1.0, {"urgent": 0.5, "high": 0.3}), BASE)
    assert (said["urgent"], said["high"]) == (0.5, 0.3)
    assert said["normal"] / said["low"] == pytest.approx(3)
    for one in (model, said):
        assert sum(one.values()) == pytest.approx(1)
