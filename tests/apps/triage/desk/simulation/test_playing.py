"""A desk played through: small days worked out by hand, and what must hold for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from rightsized.apps.triage.desk.calendar import Hours, Shift
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.playing import Played, Rules, Team, play, team_of
from rightsized.apps.triage.desk.simulation.policies import POLICIES
from rightsized.apps.triage.desk.simulation.stream import NOWHERE, RIGHT, WRONG, Assumptions, Message, posterior
from rightsized.apps.triage.desk.staff import Absence, Person
from rightsized.apps.triage.records import LEVELS, Level

MONDAY = 1_796_029_200.0  # 2026-11-30 09:00 UTC
MINUTE, HOUR = 60.0, 3600.0
OFFICE = Hours("UTC", tuple((Shift(540, 1020),) if day < 5 else () for day in range(7)), {})
DESK = DeskSettings(hours=OFFICE)
GIVEN = Assumptions(sort_minutes=1.0, rework_minutes=5.0, reply_minutes=0.5)
ADA, BEN = Person("Ada"), Person("Ben", ("billing",))


def message(minute: float, minutes: float = 10.0, level: Level = "normal", **more: object) -> Message:
    chances = tuple(float(one == level) for one in LEVELS)
    plain = Message(MONDAY + minute * MINUTE, "orders", level, minutes, False, NOWHERE, NOWHERE, chances)
    return replace(plain, **more)


def played(messages: list[Message], policy: str, people: tuple[Person, ...] = (ADA,)) -> Played:
    return play(messages, team_of(DESK, people), Rules(DESK, GIVEN, POLICIES[policy]))


def minutes(found: Played) -> list[float]:
    return [round(one * 60, 6) for one in found.answered.tolist()]


def test_first_come_first_served_adds_up() -> None:
    found = played([message(0), message(1), message(60)], "first_come")
    assert minutes(found) == [11, 21, 11]
    assert found.minutes.tolist() == [11, 11, 11]


def test_where_a_message_is_put_costs_minutes() -> None:
    rows = [message(0, label=RIGHT, keyword=WRONG), message(100, label=WRONG, keyword=RIGHT), message(200)]
    assert played(rows, "ours").minutes.tolist() == [10, 15, 11]
    assert played(rows, "keyword_rules").minutes.tolist() == [15, 10, 11]


def test_words_of_urgency_go_first_under_keyword_rules() -> None:
    rows = [message(0), message(1), message(2, flagged=True)]
    assert minutes(played(rows, "keyword_rules")) == [11, 32, 20]


def test_an_urgent_message_goes_first_under_ours_and_under_earliest_due() -> None:
    rows = [message(0), message(1), message(2, level="urgent")]
    for policy in ("ours", "earliest_due"):
        assert minutes(played(rows, policy)) == [11, 32, 20]


def test_what_came_in_the_night_waits_for_the_morning_and_no_open_time_passes() -> None:
    found = played([message(-600), message(-540)], "first_come")
    assert minutes(found) == [11, 22]


def test_work_goes_on_the_next_day() -> None:
    found = played([message(475), message(476)], "first_come")  # 16:55
    assert minutes(found) == [11, 21]


def test_skills_bind_and_a_queue_that_nobody_answers_is_everybodys() -> None:
    rows = [message(0, queue="billing"), message(0, queue="orders"), message(0, queue="rental")]
    assert minutes(played(rows, "first_come", (ADA, BEN))) == [11, 11, 22]
    assert minutes(played([message(0)], "first_come", (BEN,))) == [11]


def test_nobody_works_while_absent() -> None:
    away = replace(ADA, absent=(Absence(MONDAY, MONDAY + 2 * HOUR),))
    assert minutes(played([message(0)], "first_come", (away,))) == [131]


def storm() -> list[Message]:
    first = message(0, about="storm", incident=0, linked=MONDAY + 3 * MINUTE)
    others = [message(n, about="storm", incident=0, linked=MONDAY + 3 * MINUTE) for n in (1, 2, 3)]
    return [message(-1, minutes=5.0), first, *others]


def test_members_of_an_incident_wait_for_one_answer_and_get_it() -> None:
    found = played(storm(), "ours")
    assert found.minutes.tolist() == [6, 11, 0.5, 0.5, 0.5]
    assert minutes(found) == [6, 17, 16.5, 16, 15.5]  # answered at 9:17, then one each half minute
    by_hand = played(storm(), "ours_unlinked")
    assert by_hand.minutes.sum() == 6 + 4 * 11


def test_a_message_that_was_linked_wrongly_comes_back_and_costs_more() -> None:
    rows = [*storm()[:4], message(3, about="", incident=0, linked=MONDAY + 3 * MINUTE)]
    found = played(rows, "ours")
    assert found.minutes[-1] == 0.5 + GIVEN.rework_minutes + 1 + 10
    assert not np.isnan(found.answered).any()


def drawn(seed: int, count: int = 120) -> list[Message]:
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(-200, 480, count))
    return [
        message(
            float(at[n]),
            float(rng.gamma(2, 3)),
            LEVELS[int(rng.integers(4))],
            queue=("orders", "billing")[int(rng.integers(2))],
            label=(NOWHERE, RIGHT, WRONG)[int(rng.integers(3))],
            flagged=bool(rng.integers(2)),
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("policy", POLICIES)
def test_every_message_is_answered_once_and_the_same_way_each_time(policy: str) -> None:
    rows = drawn(5)
    found, again = played(rows, policy, (ADA, BEN)), played(rows, policy, (ADA, BEN))
    assert not np.isnan(found.answered).any()
    assert (found.answered == again.answered).all()
    own = np.array([one.minutes for one in rows])
    assert (found.minutes >= own - 1e-9).all()
    assert (found.answered * 60 >= found.minutes - 1e-6).all()  # nobody answers before they worked


def test_the_order_changes_who_waits_and_not_how_much_is_worked() -> None:
    rows = [replace(one, queue="orders") for one in drawn(6)]
    first, ours = played(rows, "first_come"), played(rows, "ours_by_hand")
    assert first.minutes.sum() == pytest.approx(ours.minutes.sum())
    urgent = np.array([one.level == "urgent" for one in rows])
    assert ours.answered[urgent].mean() < first.answered[urgent].mean()


def test_playing_on_from_a_moment_leaves_the_busy_alone() -> None:
    team: Team = team_of(DESK, (ADA,), {"Ada": MONDAY + 30 * MINUTE})
    rules = Rules(DESK, GIVEN, POLICIES["first_come"])
    found = play([message(-30), message(60)], team, rules, start=MONDAY, watched=1)
    assert round(found.answered[0] * 60, 6) == 41
    assert np.isnan(found.answered[1])


def test_the_chances_are_by_bayes() -> None:
    given = Assumptions(
        levels={"urgent": 0.1, "high": 0.2, "normal": 0.5, "low": 0.2},
        flagged={"urgent": 0.8, "high": 0.2, "normal": 0.1, "low": 0.0},
    )
    assert posterior(True, given) == pytest.approx((0.08 / 0.17, 0.04 / 0.17, 0.05 / 0.17, 0.0))
    assert sum(posterior(False, given)) == pytest.approx(1.0)
