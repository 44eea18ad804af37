"""`desk.toml`: opening hours, what is owed by when, who answers, and what counts as one incident.

Without the file: Monday to Friday 09:00 to 17:00 UTC, the targets below, and nobody to assign messages to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from rightsized.apps.triage.desk.calendar import DAY_MINUTES, WEEKDAYS, YEARLY, Calendar, Hours, Shift
from rightsized.apps.triage.desk.staff import Absence, Person
from rightsized.apps.triage.records import LEVELS, Level
from rightsized.core.errors import ConfigError
from rightsized.core.tables import meant, read_table, read_tables, read_toml

FILE_NAME = "desk.toml"
_SHIFT = re.compile(r"(\d{1,2}):([0-5]\d)-(\d{1,2}):([0-5]\d)")
_DAY = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})")
_OFFICE = tuple((Shift(9 * 60, 17 * 60),) if day < 5 else () for day in range(7))


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Target(_Table, frozen=True):
    """What is owed to a message of one level, and what it costs not to keep it."""

    answer_hours: float  # open hours until the first answer
    resolve_hours: float  # open hours until it is done with
    breach_cost: float  # of a first answer that comes too late, in any unit
    late_cost: float | None = None  # of each open hour beyond; default: breach_cost / answer_hours

    @property
    def hourly(self) -> float:
        """What each open hour of lateness costs."""
        return self.breach_cost / self.answer_hours if self.late_cost is None else self.late_cost

    def __post_init__(self) -> None:
        if not 0 < self.answer_hours <= self.resolve_hours:
            raise ValueError("answer_hours must be above 0 and at most resolve_hours")
        if self.breach_cost <= 0 or (self.late_cost is not None and self.late_cost < 0):
            raise ValueError("breach_cost must be above 0, late_cost at least 0")


class WorkSettings(_Table, frozen=True):
    """How long answering takes, and when a message is taken back."""

    minutes: float = 6.0  # mean of handling one message
    variation: float = 0.8  # standard deviation of that, as a share of the mean
    timeout_hours: float = 4.0  # open hours after which an assigned message that nobody touched is given to another
    look_ahead: float = 1.0  # share of the time that the queue takes to drain over which the order looks ahead

    def __post_init__(self) -> None:
        if min(self.minutes, self.variation, self.timeout_hours, self.look_ahead) <= 0:
            raise ValueError("every value must be above 0")


class IncidentSettings(_Table, frozen=True):
    """When messages that are alike are one incident."""

    window_minutes: float = 60.0  # messages this near in time may belong together
    similarity: float = 0.3  # Jaccard similarity of character 5-grams from which two are alike
    cosine: float = 0.5  # cosine of their vectors from which two are alike, where there are vectors
    messages: int = 8  # fewest messages of one incident
    chance: float = 1e-6  # largest chance that as many ordinary messages fall together by themselves

    def __post_init__(self) -> None:
        if not (self.window_minutes > 0 and 0 < self.similarity <= 1 and 0 < self.cosine <= 1):
            raise ValueError("window_minutes must be above 0; similarity and cosine in (0, 1]")
        if self.messages < 2 or not 0 < self.chance < 1:
            raise ValueError("messages must be at least 2, chance in (0, 1)")


class PersonTable(_Table, frozen=True):
    """One `[[person]]`."""

    name: str
    queues: tuple[str, ...] = ()  # what they answer; none: everything
    capacity: int = 10  # most open messages at once
    absent: tuple[str, ...] = ()  # 2026-12-21, or 2026-12-21..2027-01-02 with both ends
    hours: dict[str, tuple[str, ...]] | None = None  # their own hours, as [hours]; default: the desk's

    def __post_init__(self) -> None:
        if not self.name.strip() or self.capacity < 1:
            raise ValueError("name must not be empty, capacity at least 1")


TARGETS: Mapping[Level, Target] = {
    "urgent": Target(1, 4, 10.0),
    "high": Target(2, 8, 4.0),
    "normal": Target(8, 24, 1.0),
    "low": Target(16, 40, 0.5),
}


class DeskSettings(_Table, frozen=True):
    """Everything that an inbox's desk is told."""

    hours: Hours = Hours("UTC", _OFFICE, {})
    targets: dict[Level, Target] = msgspec.field(default_factory=lambda: dict(TARGETS))
    work: WorkSettings = WorkSettings()
    incident: IncidentSettings = IncidentSettings()
    people: tuple[Person, ...] = ()


_TABLES: Mapping[str, type[msgspec.Struct]] = {"work": WorkSettings, "incident": IncidentSettings}
_KNOWN = ("timezone", "holidays", "hours", "special", "targets", "person", *_TABLES)


def load(folder: Path) -> DeskSettings:
    """The desk of the inbox in `folder`; defaults where it has no file. Raises ConfigError."""
    path = folder / FILE_NAME
    if not path.exists():
        return DeskSettings()
    document, _ = read_toml(path, "desk")
    return parse(document, str(path))


def parse(document: dict[str, Any], origin: str) -> DeskSettings:
    """A desk from a TOML document. `origin` names it in errors. Raises ConfigError."""
    for key in document:
        if key not in _KNOWN:
            raise ConfigError(f"Unknown key {key!r} in {origin}.", fix=meant(key, _KNOWN))
    hours = _hours(document, origin)
    given: dict[str, Any] = {"hours": hours, "targets": _targets(document.get("targets", {}), origin)}
    for name, kind in _TABLES.items():
        if name in document:
            given[name] = read_table(kind, document[name], f"[{name}] in {origin}")
    rows = read_tables(PersonTable, document.get("person", []), "person", origin)
    people = tuple(_person(one, hours, origin) for one in rows)
    if len({one.name for one in people}) < len(people):
        raise ConfigError(f"Two [[person]] tables in {origin} have the same name.", fix="Give each a name of its own.")
    return DeskSettings(**given, people=people)


def _hours(document: dict[str, Any], origin: str) -> Hours:
    zone = document.get("timezone", "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        fix = "Use a name of the IANA list, such as Europe/Berlin; a system without that list needs: pip install tzdata"
        raise ConfigError(f"timezone in {origin} is {zone!r}, which is not known here.", fix=fix) from None
    holidays = _strings(document.get("holidays", []), "holidays", origin)
    special: dict[tuple[int, int, int], tuple[Shift, ...]] = {_day(day, origin): () for day in holidays}
    for day, shifts in _table(document.get("special", {}), "special", origin).items():
        special[_day(day, origin)] = _shifts(shifts, f"special.{day}", origin)
    week = _week(document["hours"], origin) if "hours" in document else _OFFICE
    return Hours(zone, week, special)


def _week(value: Any, origin: str) -> tuple[tuple[Shift, ...], ...]:
    table = _table(value, "hours", origin)
    for day in table:
        if day not in WEEKDAYS:
            raise ConfigError(f"Unknown key {day!r} of [hours] in {origin}.", fix=meant(day, WEEKDAYS))
    week = tuple(_shifts(table.get(day, []), f"hours.{day}", origin) for day in WEEKDAYS)
    if not any(week):
        raise ConfigError(f"[hours] in {origin} has no open time.", fix='Write for instance: monday = ["09:00-17:00"]')
    return week


def _shifts(value: Any, where: str, origin: str) -> tuple[Shift, ...]:
    return tuple(_shift(one, where, origin) for one in _strings(value, where, origin))


def _shift(text: str, where: str, origin: str) -> Shift:
    """`09:00-17:00`; one that ends at or before its start goes on into the next day."""
    found = _SHIFT.fullmatch(text.strip())
    if found:
        start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
        if start < DAY_MINUTES and end <= DAY_MINUTES:
            return Shift(start, end if end > start else end + DAY_MINUTES)
    raise ConfigError(f"{where} in {origin} has {text!r}, which are no hours.", fix="Write 09:00-17:00 or 22:00-06:00.")


def _day(text: str, origin: str) -> tuple[int, int, int]:
    found = _DAY.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        year, month, day = int(found[1] or YEARLY), int(found[2]), int(found[3])
        date(year or 2000, month, day)  # 29 February may stand without a year
    except ValueError:
        fix = "Write 2026-12-24, or 12-24 for every year."
        raise ConfigError(f"{text!r} in {origin} is not a day.", fix=fix) from None
    return year, month, day


def _targets(value: Any, origin: str) -> dict[Level, Target]:
    targets = dict(TARGETS)
    for level, table in _table(value, "targets", origin).items():
        if level not in LEVELS:
            raise ConfigError(f"Unknown level {level!r} of [targets] in {origin}.", fix=meant(level, LEVELS))
        given = {**msgspec.structs.asdict(targets[level]), **_table(table, f"targets.{level}", origin)}
        targets[level] = read_table(Target, given, f"[targets.{level}] in {origin}")
    return targets


def _person(one: PersonTable, desk: Hours, origin: str) -> Person:
    own = Hours(desk.zone, _week(one.hours, origin), desk.special) if one.hours is not None else desk
    absences = tuple(_absence(text, Calendar(desk), f"{one.name} in {origin}") for text in one.absent)
    return Person(one.name, one.queues, one.capacity, own, absences)


def _absence(text: str, calendar: Calendar, where: str) -> Absence:
    """Whole local days, both ends with them."""
    first, _, last = text.partition("..")
    try:
        start, end = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
        if end < start:
            raise ValueError
    except ValueError:
        fix = "Write 2026-12-21, or 2026-12-21..2027-01-02."
        raise ConfigError(f"absent of {where} has {text!r}, which are no days.", fix=fix) from None
    return Absence(calendar.instant(start, 0), calendar.instant(end, DAY_MINUTES))


def _table(value: Any, name: str, origin: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{name} in {origin} is {value!r}, not a table.", fix=f"Begin it with a line [{name}].")
    return value


def _strings(value: Any, name: str, origin: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"{name} in {origin} is {value!r}, not a list of texts.")
    return list(value)
