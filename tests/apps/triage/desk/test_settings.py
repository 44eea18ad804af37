"""desk.toml: what it says, and what it is told where it cannot be used."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.settings import (
    DeskSettings,
    IncidentSettings,
    PersonTable,
    Target,
    WorkSettings,
    load,
    parse,
)
from rightsized.apps.triage.desk.staff import calendars_of, present
from rightsized.core.errors import ConfigError

DESK = """
timezone = "Europe/Berlin"
holidays = ["12-25", "2026-04-03"]

[hours]
monday = ["09:00-12:30", "13:00-17:00"]
friday = ["22:00-06:00"]

[special]
"2026-11-30" = ["10:00-11:00"]

[targets.urgent]
answer_hours = 0.5

[work]
minutes = 4.0

[[person]]
name = "Ada"
queues = ["billing"]
capacity = 3
absent = ["2026-12-07..2026-12-08"]

[[person]]
name = "Ben"
hours = { tuesday = ["08:00-10:00"] }
"""


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


@pytest.fixture(scope="module")
def desk() -> DeskSettings:
    return parse(tomllib.loads(DESK), "desk.toml")


def test_hours_holidays_and_special_days(desk: DeskSettings) -> None:
    calendar = Calendar(desk.hours)
    assert calendar.between(at("2026-11-23T00:00"), at("2026-11-24T00:00")) == 7.5 * 3600
    assert calendar.between(at("2026-11-30T00:00"), at("2026-12-01T00:00")) == 3600
    assert calendar.between(at("2026-11-27T12:00"), at("2026-11-28T12:00")) == 8 * 3600
    assert not calendar.is_open(at("2026-12-25T23:00"))
    assert not calendar.is_open(at("2026-04-03T23:00"))
    assert calendar.is_open(at("2027-04-02T23:00"))


def test_a_target_keeps_what_the_file_does_not_say(desk: DeskSettings) -> None:
    urgent, default = desk.targets["urgent"], DeskSettings().targets["urgent"]
    assert (urgent.answer_hours, urgent.resolve_hours) == (0.5, default.resolve_hours)
    assert urgent.hourly == default.breach_cost / 0.5
    assert desk.targets["low"] == DeskSettings().targets["low"]
    assert desk.work.minutes == 4.0


def test_people_are_there_in_their_hours_and_not_when_absent(desk: DeskSettings) -> None:
    calendars = calendars_of(desk.people, Calendar(desk.hours))
    ada, ben = desk.people
    assert (ada.answers("billing"), ada.answers("orders"), ben.answers("orders")) == (True, False, True)
    assert [present(ada, calendars, at(f"2026-{day}T10:00")) for day in ("11-23", "12-07", "12-14")] == [
        True,
        False,
        True,
    ]
    assert [present(ben, calendars, at(f"2026-11-24T{hour}:00")) for hour in ("09", "10")] == [True, False]


def test_there_is_a_desk_without_a_file(tmp_path: Path) -> None:
    assert load(tmp_path) == DeskSettings()
    (tmp_path / "desk.toml").write_text(DESK, "utf-8")
    assert load(tmp_path).people[0].name == "Ada"


def test_the_documented_file_can_be_used_and_names_every_key() -> None:
    page = (Path(__file__).parents[4] / "docs" / "how-to" / "triage-sla.md").read_text("utf-8")
    text = page.partition("```toml\n")[2].partition("```")[0]
    desk = parse(tomllib.loads(text), "desk.toml")
    assert [one.name for one in desk.people] == ["Ada", "Ben"]
    assert desk.targets["high"] == DeskSettings().targets["high"]
    for kind in (Target, WorkSettings, IncidentSettings, PersonTable):
        assert all(f"{name} = " in text for name in kind.__struct_fields__), kind
    assert (desk.work, desk.incident) == (WorkSettings(), IncidentSettings())  # the page shows the defaults


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('timezone = "Europe/Berlln"', "which is not known here"),
        ("hour = 1", "Unknown key 'hour'"),
        ('hours.monday = ["9-17"]', "which are no hours"),
        ('hours.monday = ["09:00-24:30"]', "which are no hours"),
        ('hours.moonday = ["09:00-17:00"]', "Unknown key 'moonday'"),
        ("hours.monday = []", "no open time"),
        ('holidays = ["2026-02-30"]', "is not a day"),
        ("targets.urgent.answer_hours = 9", "at most resolve_hours"),
        ("targets.soon.answer_hours = 9", "Unknown level 'soon'"),
        ("targets.urgent.answr_hours = 9", "Unknown key 'answr_hours'"),
        ("work.minutes = 0", "above 0"),
        ("incident.messages = 1", "at least 2"),
        ("person = [{ name = 'Ada' }, { name = 'Ada' }]", "same name"),
        ("person = [{ name = 'Ada', capacity = 0 }]", "capacity at least 1"),
        ("person = [{ name = 'Ada', absent = ['2026-12-08..2026-12-07'] }]", "which are no days"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(tomllib.loads(text), "desk.toml")
