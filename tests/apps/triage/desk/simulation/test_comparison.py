"""Patterns, recorded streams, and policies side by side."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.incidents import print_of
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.comparison import (
    Comparison,
    Setting,
    compare,
    estimate,
    figures_of,
    student,
)
from rightsized.apps.triage.desk.simulation.patterns import PATTERNS, Load, daily_messages, recorded
from rightsized.apps.triage.desk.simulation.playing import Played, team_of
from rightsized.apps.triage.desk.simulation.stream import Assumptions, Coming, assumptions, decide
from rightsized.apps.triage.desk.simulation.texts import URGENT_WORDS, sample
from rightsized.apps.triage.desk.staff import Person
from rightsized.core.errors import ConfigError, InputError

DESK, GIVEN = DeskSettings(), Assumptions()
PEOPLE = tuple(Person(name) for name in ("Ada", "Ben"))
TEXTS = sample()
LOAD = Load(60.0, DESK, TEXTS)


@pytest.fixture(scope="module")
def found() -> dict[str, Comparison]:
    earlier = [print_of(str(n), 0.0, text) for n, (text, _) in enumerate(TEXTS.ordinary)]
    setting = Setting(DESK, GIVEN, team_of(DESK, PEOPLE), ("first_come", "keyword_rules", "ours"), earlier)
    return {name: compare(name, partial(PATTERNS[name], LOAD), setting, 4, seed=7) for name in ("monday", "storm")}


def test_a_storm_is_one_incident_and_a_monday_is_none(found: dict[str, Comparison]) -> None:
    storm, monday = found["storm"].linked, found["monday"].linked
    assert (storm.incidents, storm.replications_with_one_incident) == (4, 4)
    assert storm.recall is not None
    assert storm.recall > 0.9
    assert storm.precision is not None
    assert storm.precision > 0.95
    assert monday.incidents == monday.wrongly_linked == 0


def test_ours_costs_less_and_takes_fewer_minutes_on_the_same_messages(found: dict[str, Comparison]) -> None:
    for one in found.values():
        by_name = {outcome.policy: outcome for outcome in one.outcomes}
        for name in ("first_come", "keyword_rules"):
            less = by_name[name].less
            assert less["human_minutes"].low > 0
            assert less["cost"].mean == pytest.approx(by_name[name].cost.mean - by_name["ours"].cost.mean)
        assert by_name["first_come"].less["cost"].low > 0


def test_the_same_seed_gives_the_same_figures(found: dict[str, Comparison]) -> None:
    setting = Setting(DESK, GIVEN, team_of(DESK, PEOPLE), ("first_come", "ours"))
    again = [compare("steady", partial(PATTERNS["steady"], LOAD), setting, 2, seed=3) for _ in range(2)]
    assert again[0] == again[1]


def test_patterns_come_when_they_say() -> None:
    rng = np.random.default_rng(0)
    monday = PATTERNS["monday"](LOAD, rng)
    days = [datetime.fromtimestamp(one.at, UTC).weekday() for one in monday]
    assert set(days) == {5, 6, 0}
    assert days.count(0) > days.count(5) + days.count(6)
    storm = [one for one in PATTERNS["storm"](LOAD, rng) if one.about]
    assert len(storm) == 120
    assert storm[-1].at - storm[0].at <= 45 * 60
    assert Calendar(DESK.hours).is_open(storm[0].at)


def test_the_load_is_the_share_of_peoples_time() -> None:
    daily = daily_messages(0.5, 4, DESK, GIVEN)
    minutes = daily * (5 + 2 * 0.35) * (GIVEN.sort_minutes + DESK.work.minutes)
    assert minutes == pytest.approx(0.5 * 4 * 5 * 8 * 60)


def test_what_is_drawn_has_the_shares_that_were_given() -> None:
    stream = [Coming(float(n), about="s" if n >= 10_000 else "") for n in range(20_000)]
    rows = decide(stream, GIVEN, DESK.work, np.random.default_rng(1))
    ordinary, repeats = rows[:10_000], rows[10_001:]
    assert np.mean([one.level == "urgent" for one in rows]) == pytest.approx(0.05, abs=0.01)
    flags = [one.flagged for one in rows if one.level == "high"]
    assert np.mean(flags) == pytest.approx(GIVEN.flagged["high"], abs=0.03)
    assert np.mean([one.minutes for one in ordinary]) == pytest.approx(6.0, abs=0.2)
    assert np.mean([one.minutes for one in repeats]) == pytest.approx(GIVEN.repeat_minutes, abs=0.1)
    assert np.mean([one.label == "wrong" for one in rows]) == pytest.approx(GIVEN.routed * GIVEN.wrong, abs=0.005)


def test_a_recorded_stream_is_read(tmp_path: Path) -> None:
    path = tmp_path / "stream.csv"
    path.write_text(
        "at,queue,level,text\n2026-11-30T10:00:00+01:00,orders,high,please help\n1796029200,,,It is URGENT\n"
    )
    second, first = recorded(path, URGENT_WORDS)[::-1]
    assert (first.at, first.queue, first.level, first.flagged) == (1_796_029_200.0, "orders", "high", False)
    assert (second.level, second.flagged) == (None, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("when\n1\n", "no column at"),
        ("at\n", "no rows"),
        ("at\n2026-11-30T10:00:00\n", "not one with its offset"),
        ("at,level\n1,soon\n", "level 'soon'"),
    ],
)
def test_a_recorded_stream_that_cannot_be_used_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "stream.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        recorded(path, ())


def test_assumptions_are_given_by_name() -> None:
    made = assumptions(["sort_minutes=2", "levels.urgent=0.1", "levels.low=0.15"])
    assert (made.sort_minutes, made.levels["urgent"], made.levels["low"]) == (2.0, 0.1, 0.15)
    for wrong, told in (("sort_minute=2", "sort_minute"), ("levels.x=1", "levels.x"), ("wrong=2", "shares")):
        with pytest.raises(ConfigError, match=told):
            assumptions([wrong])
    with pytest.raises(ConfigError, match="1 together"):
        assumptions(["levels.urgent=0.5"])


def test_breaches_and_their_cost() -> None:
    rows = decide(
        [Coming(0.0, level="urgent")] * 3 + [Coming(0.0, level="low")], GIVEN, DESK.work, np.random.default_rng(0)
    )
    found = figures_of(rows, _answered(0.5, 1.0, 3.0, 20.0), DESK)
    assert found["breaches"] == 2
    assert found["within urgent"] == pytest.approx(2 / 3)
    assert found["cost"] == pytest.approx(10 + 2 * 10 + 0.5 + 4 * 0.5 / 16)
    never = figures_of(rows, _answered(0.5, np.nan, 1.0, 1.0), DESK)
    assert (never["breaches"], never["cost"]) == (1, math.inf)


def _answered(*hours: float) -> Played:
    n = len(hours)
    return Played(np.array(hours), np.ones(n), np.zeros(n), np.zeros(n), np.zeros(n, np.int64))


def test_intervals_are_students() -> None:
    for freedom in (1, 2, 3, 5, 10, 19, 100):
        assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=5e-3)
    values = np.array([1.0, 2.0, 4.0, math.nan])
    low, high = stats.t.interval(0.95, 2, loc=7 / 3, scale=stats.sem([1, 2, 4]))
    found = estimate(values)
    assert (found.low, found.mean, found.high) == pytest.approx((low, 7 / 3, high), rel=1e-4)
