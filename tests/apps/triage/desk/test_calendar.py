"""Business time: cases worked out by hand around clock changes, and what must hold for any hours and any instants."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsized.apps.triage.desk.calendar import Calendar, Hours, Shift
from rightsized.core.errors import ConfigError

BERLIN, HOUR = "Europe/Berlin", 3600.0
OFFICE = (Shift(9 * 60, 17 * 60),)
ALL_DAY = (Shift(0, 24 * 60),)
NIGHT = (Shift(22 * 60, 30 * 60),)


def calendar(*shifts: Shift, days: int = 5, zone: str = BERLIN, **special: tuple[Shift, ...]) -> Calendar:
    """The same shifts on the first `days` days of the week; `special` by d_YEAR_MONTH_DAY."""
    week = tuple(shifts if day < days else () for day in range(7))
    dates = {tuple(map(int, name[2:].split("_"))): given for name, given in special.items()}
    return Calendar(Hours(zone, week, dates))  # type: ignore[arg-type]  # three numbers by the names above


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-11-27T16:00", 2, "2026-11-30T10:00"),  # Friday afternoon to Monday morning
        ("2026-11-27T16:00", 1, "2026-11-27T17:00"),  # to the closing time, not to Monday's opening
        ("2026-11-28T12:00", 1, "2026-11-30T10:00"),  # Saturday counts from Monday
        ("2026-03-27T16:00", 2, "2026-03-30T10:00"),  # the clock goes forward on the Sunday between
        ("2026-12-24T16:00", 2, "2026-12-28T10:00"),  # over a holiday and a weekend
        ("2026-12-31T16:00", 9, "2027-01-01T17:00"),  # into the next year
    ],
)
def test_adds_open_hours(start: str, hours: int, end: str) -> None:
    desk = calendar(*OFFICE, d_0_12_25=())
    assert desk.add(at(start), hours * HOUR) == at(end)
    assert desk.between(at(start), at(end)) == hours * HOUR


def test_days_of_23_and_25_hours_count_as_long_as_they_are() -> None:
    desk = calendar(*ALL_DAY, days=7)
    assert desk.between(at("2026-03-29T00:00"), at("2026-03-30T00:00")) == 23 * HOUR
    assert desk.between(at("2026-10-25T00:00"), at("2026-10-26T00:00")) == 25 * HOUR


def test_a_night_shift_is_an_hour_shorter_or_longer_when_the_clock_changes() -> None:
    desk = calendar(*NIGHT, days=7)
    lengths = {
        night: desk.between(at(f"2026-{night}T21:00"), at(f"2026-{night}T21:00") + 12 * HOUR) / HOUR
        for night in ("03-27", "03-28", "10-24", "10-25")
    }
    assert lengths == {"03-27": 8, "03-28": 7, "10-24": 9, "10-25": 8}


def test_a_shift_that_begins_or_ends_within_the_skipped_hour_is_cut_at_the_skip() -> None:
    for shift, length in ((Shift(0, 150), 2), (Shift(150, 300), 2), (Shift(130, 170), 0)):
        desk = calendar(shift, days=7)
        assert desk.between(at("2026-03-29T00:00"), at("2026-03-29T12:00")) == length * HOUR


def test_a_holiday_closes_the_shifts_that_begin_on_it_and_not_the_night_before() -> None:
    desk = calendar(*NIGHT, days=7, d_2026_12_25=())
    assert desk.is_open(at("2026-12-25T03:00"))
    assert not desk.is_open(at("2026-12-25T23:00"))
    assert not desk.is_open(at("2026-12-26T03:00"))


def test_a_day_with_its_year_goes_before_the_same_day_of_every_year() -> None:
    desk = calendar(*OFFICE, d_0_12_24=(), d_2026_12_24=(Shift(540, 780),))
    assert desk.between(at("2026-12-24T00:00"), at("2026-12-25T00:00")) == 4 * HOUR
    assert desk.between(at("2027-12-24T00:00"), at("2027-12-25T00:00")) == 0


def test_overlapping_shifts_count_once() -> None:
    desk = calendar(Shift(20 * 60, 32 * 60), Shift(6 * 60, 12 * 60), days=7)
    assert desk.between(at("2026-05-04T05:00"), at("2026-05-05T05:00")) == 16 * HOUR


def test_opening_and_closing() -> None:
    desk = calendar(*OFFICE)
    assert desk.opening(at("2026-11-28T12:00")) == at("2026-11-30T09:00")
    assert desk.opening(at("2026-11-27T12:00")) == at("2026-11-27T12:00")
    assert desk.closing(at("2026-11-27T12:00")) == at("2026-11-27T17:00")
    assert desk.closing(at("2026-11-28T12:00")) == at("2026-11-28T12:00")
    assert not desk.is_open(at("2026-11-27T17:00"))


def test_a_desk_that_never_opens_is_refused() -> None:
    with pytest.raises(ConfigError, match="not open long enough"):
        calendar(days=0).add(at("2026-11-27T12:00"), HOUR)


DESKS = tuple(
    calendar(*shifts, days=days, zone=zone, d_0_12_25=(), d_2026_4_3=(Shift(600, 660),))
    for shifts, days, zone in (
        (OFFICE, 5, BERLIN),
        (ALL_DAY, 7, "America/New_York"),
        (NIGHT, 6, BERLIN),
        ((Shift(0, 150), Shift(165, 1500)), 7, "Australia/Lord_Howe"),  # its clock changes by half an hour
        ((Shift(23 * 60, 24 * 60), Shift(0, 30)), 7, "America/Sao_Paulo"),
        (ALL_DAY, 7, "Africa/Cairo"),  # its clock changes at midnight
    )
)
MOMENTS = st.integers(int(at("2025-12-01T00:00")), int(at("2027-02-01T00:00")))
SECONDS = st.integers(1, 400 * 3600)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DESKS), MOMENTS, SECONDS)
def test_adding_and_subtracting_invert_each_other(desk: Calendar, moment: int, seconds: int) -> None:
    later, earlier = desk.add(moment, seconds), desk.subtract(moment, seconds)
    assert desk.between(moment, later) == seconds == desk.between(earlier, moment)
    assert desk.subtract(later, seconds) == desk.opening(moment)  # the same instant of open time
    if desk.is_open(moment):
        assert desk.add(earlier, seconds) == moment


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DESKS), MOMENTS, MOMENTS, MOMENTS, SECONDS)
def test_business_time_is_monotone_and_additive(desk: Calendar, a: int, b: int, c: int, seconds: int) -> None:
    a, b, c = sorted((a, b, c))
    assert 0 <= desk.between(a, b) <= b - a
    assert desk.between(a, c) == desk.between(a, b) + desk.between(b, c)
    assert desk.between(c, a) == -desk.between(a, c)
    assert desk.add(a, seconds) <= desk.add(b, seconds)
    assert desk.add(a, seconds) < desk.add(a, seconds + 1)
    assert desk.add(desk.add(a, seconds), 60) == desk.add(a, seconds + 60)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(DESKS), MOMENTS)
def test_open_seconds_are_those_counted_one_by_one(desk: Calendar, moment: int) -> None:
    counted = sum(desk.is_open(one) for one in range(moment, moment + 90_000, 300))
    exact = desk.between(moment, moment + 90_000)
    assert abs(exact - 300 * counted) <= 300 * 6  # a cell at each of the few openings and closings of 25 hours


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(DESKS), st.lists(MOMENTS, max_size=8), MOMENTS)
def test_many_instants_at_once_are_as_each_alone(desk: Calendar, starts: list[int], end: int) -> None:
    found = desk.since(np.array(starts, np.float64), end)
    assert found.tolist() == pytest.approx([desk.between(one, end) for one in starts], abs=1e-3)
