"""Arrivals: the three patterns that are generated, and streams that were recorded.

A weekday's messages come by a profile of the hours, an assumption: most while the desk is open, some at night; a
weekend day has a third of them. Arrivals are a Poisson process with that rate.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.stream import Assumptions, Coming, Generator
from rightsized.apps.triage.records import LEVELS
from rightsized.core.errors import InputError

PROFILE = (*[0.2] * 7, 0.6, 1.0, *[1.5] * 3, *[1.2] * 5, *[0.8] * 3, *[0.4] * 4)  # of the hours of a day
WEEKEND = 0.35  # of a weekday's messages
MONDAY_MORNING = 1.8  # times as many from 7 to 11 on a Monday
TUESDAY = date(2026, 6, 9)  # an ordinary week without holidays or change of the clock
STORM_MESSAGES, STORM_MINUTES = 120, 45.0
STORM_HOURS = (10, 14)  # local hours between which it begins
STORM = "storm"


class Texts(NamedTuple):
    """Where the words come from: ordinary messages with their queues, and what people write in a storm."""

    ordinary: Sequence[tuple[str, str]]
    storm: Callable[[Generator], str]


class Load(NamedTuple):
    """How much comes: messages on a weekday."""

    daily: float
    desk: DeskSettings
    texts: Texts


def daily_messages(load: float, people: int, desk: DeskSettings, given: Assumptions) -> float:
    """Messages a weekday that keep `people` busy for the share `load` of their time when all is sorted by hand."""
    calendar = Calendar(desk.hours)
    week = [calendar.instant(TUESDAY + timedelta(days=n), 0) for n in (0, 7)]
    minutes = calendar.between(*week) / 60 * people
    days = 5 + 2 * WEEKEND
    return load * minutes / (given.sort_minutes + desk.work.minutes) / days


def steady(load: Load, rng: Generator) -> list[Coming]:
    """Tuesday and Wednesday, ordinary days."""
    return _ordinary(load, TUESDAY, 2, rng)


def monday(load: Load, rng: Generator) -> list[Coming]:
    """Saturday to Monday: what came at the weekend waits when the desk opens, and Monday morning brings more."""
    return _ordinary(load, TUESDAY + timedelta(days=4), 3, rng)


def storm(load: Load, rng: Generator) -> list[Coming]:
    """A steady pattern with an outage on its first day: 120 more messages about one thing within 45 minutes."""
    calendar = Calendar(load.desk.hours)
    begin = calendar.instant(TUESDAY, int(rng.integers(STORM_HOURS[0] * 60, STORM_HOURS[1] * 60)))
    offsets = np.sort(rng.random(STORM_MESSAGES)) * STORM_MINUTES * 60
    queue = load.texts.ordinary[int(rng.integers(len(load.texts.ordinary)))][1]
    extra = [Coming(begin + float(one), queue, text=load.texts.storm(rng), about=STORM) for one in offsets]
    return sorted([*steady(load, rng), *extra], key=lambda one: one.at)


PATTERNS: Mapping[str, Callable[[Load, Generator], list[Coming]]] = {
    "steady": steady,
    "monday": monday,
    "storm": storm,
}


def _ordinary(load: Load, first: date, days: int, rng: Generator) -> list[Coming]:
    calendar = Calendar(load.desk.hours)
    profile = np.array(PROFILE) / sum(PROFILE)
    found = []
    for day in (first + timedelta(days=n) for n in range(days)):
        rates = load.daily * profile * (WEEKEND if day.weekday() >= 5 else 1.0)
        if day.weekday() == 0:
            rates[7:11] *= MONDAY_MORNING
        for hour, count in enumerate(rng.poisson(rates)):
            start = calendar.instant(day, hour * 60)
            for offset in rng.random(count):
                text, queue = load.texts.ordinary[int(rng.integers(len(load.texts.ordinary)))]
                found.append(Coming(start + float(offset) * 3600, queue, text=text))
    return sorted(found, key=lambda one: one.at)


def recorded(path: Path, words: Sequence[str]) -> list[Coming]:
    """A CSV file with the column `at` (ISO 8601, with its offset, or seconds since the epoch), and as far as there are
    any `queue`, `level`, `text` and `about` (the same for messages about one thing). Other columns are passed by.

    Args:
        words: words of urgency, small letters; a text with one of them is flagged.

    Raises InputError.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if "at" not in (reader.fieldnames or ()):
                raise InputError(
                    f"{path} has no column at.", fix="Give each row its time, as 2026-11-27T09:30:00+01:00."
                )
            rows = [_coming(row, words, f"row {reader.line_num} of {path}") for row in reader]
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", fix="Name a CSV file with the column at."
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV file in UTF-8: {error}.", fix="Save it as CSV, UTF-8.") from None
    if not rows:
        raise InputError(f"{path} has no rows.")
    return sorted(rows, key=lambda one: one.at)


def flagged(text: str, words: Sequence[str]) -> bool:
    """Whether a text has a word of urgency."""
    plain = text.casefold()
    return any(word in plain for word in words)


def _coming(row: Mapping[str, str | None], words: Sequence[str], where: str) -> Coming:
    level, text = (row.get("level") or "").strip(), row.get("text") or ""
    found = next((one for one in LEVELS if one == level), None)
    if level and found is None:
        raise InputError(f"{where} has the level {level!r}.", fix=f"Use {', '.join(LEVELS)}, or leave it empty.")
    at = _moment((row.get("at") or "").strip(), where)
    return Coming(
        at, row.get("queue") or "", found, flagged(text, words) if text else None, text, row.get("about") or ""
    )


def _moment(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        fix = "Write 2026-11-27T09:30:00+01:00, or seconds since the epoch."
        raise InputError(f"{where} has the time {text!r}, which is not one with its offset.", fix=fix)
    return moment.timestamp()
