"""The forecast of late answers: certain cases, and forecasts against what then happens."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from rightsized.apps.triage.desk.calendar import Calendar, Hours, Shift
from rightsized.apps.triage.desk.delay import HOUR, Waiting
from rightsized.apps.triage.desk.forecast import Outlook, Pending, Rate, forecast, hourly_rates, wilson
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.playing import team_of
from rightsized.apps.triage.desk.staff import Person
from rightsized.apps.triage.records import Level

NOW = 1_796_029_200.0
DESK = DeskSettings(hours=Hours("UTC", ((Shift(0, 1440),),) * 7, {}))
TEAM = team_of(DESK, (Person("Ada"), Person("Ben")))
QUIET = Outlook({"": Rate(2.0)})


def pending(key: str, waited: float, **chances: float) -> Pending:
    named: dict[Level, float] = {**chances} if chances else {"normal": 1.0}  # type: ignore[dict-item]  # levels by name
    return Pending(Waiting(key, NOW - waited * HOUR, named))


def test_what_is_late_is_late_and_what_has_time_is_not() -> None:
    late, fresh = forecast([pending("late", 9), pending("fresh", 0)], TEAM, DESK, QUIET, NOW, runs=40)
    assert (late.key, late.late) == ("late", 1.0)
    assert (fresh.key, fresh.late) == ("fresh", 0.0)
    assert fresh.low == pytest.approx(0.0, abs=1e-9)
    assert 0.05 < fresh.high < 0.1


def test_with_nobody_there_everything_is_late() -> None:
    (one,) = forecast([pending("a", 0)], team_of(DESK, ()), DESK, QUIET, NOW)
    assert (one.late, one.low, one.high) == (1.0, 1.0, 1.0)
    assert forecast([], TEAM, DESK, QUIET, NOW) == ()


def test_doubt_about_the_level_is_doubt_about_the_answer() -> None:
    (one,) = forecast([pending("a", 2, urgent=0.4, normal=0.6)], TEAM, DESK, QUIET, NOW, runs=300)
    assert one.low < 0.4 < one.high  # late already where it is urgent, and in good time where it is not


def test_a_busy_team_and_a_longer_queue_make_more_late() -> None:
    queue = [pending(f"m{n}", 7.0 + n / 100) for n in range(20)]
    alone = forecast(queue, TEAM, DESK, QUIET, NOW, runs=40)
    busy = replace(QUIET, busy={"Ada": NOW + HOUR, "Ben": NOW + HOUR})
    later = forecast(queue, TEAM, DESK, busy, NOW, runs=40)
    more = forecast([*queue, *(pending(f"x{n}", 7.5) for n in range(20))], TEAM, DESK, QUIET, NOW, runs=40)
    assert sum(one.late for one in alone) < sum(one.late for one in later)
    assert sum(one.late for one in alone) < sum(one.late for one in more[:20])


def test_it_is_the_same_each_time() -> None:
    queue = [pending(f"m{n}", 7.5, high=0.2, normal=0.8) for n in range(6)]
    assert forecast(queue, TEAM, DESK, QUIET, NOW, runs=20) == forecast(queue, TEAM, DESK, QUIET, NOW, runs=20)


@pytest.mark.parametrize(("count", "of"), [(0, 50), (3, 50), (25, 50), (50, 50)])
def test_the_interval_is_wilsons(count: int, of: int) -> None:
    exact = stats.binomtest(count, of).proportion_ci(0.95, "wilson")
    assert wilson(count, of) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert np.isfinite(wilson(count, of)).all()


def test_members_of_an_incident_are_in_time_with_one_answer() -> None:
    queue = [pending(f"m{n}", 7.2) for n in range(40)]
    single = forecast(queue, TEAM, DESK, QUIET, NOW, runs=30)
    linked = forecast([replace(one, incident="x") for one in queue], TEAM, DESK, QUIET, NOW, runs=30)
    assert sum(one.late for one in linked) < 0.5 < sum(one.late for one in single)


def test_rates_are_by_open_hour() -> None:
    office = Calendar(DeskSettings().hours)
    arrivals = [(NOW + n * HOUR, "orders") for n in range(-48, 24)] + [(NOW + 1, "billing"), (NOW + 30 * HOUR, "late")]
    found = hourly_rates(arrivals, office, NOW, NOW + 24 * HOUR)
    assert found == {"orders": Rate(1.0, 1.0), "billing": Rate(1 / 8, 0.0)}
    assert hourly_rates(arrivals, office, NOW, NOW) == {}
