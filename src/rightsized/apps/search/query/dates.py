"""Dates as people write them in a search box: a year, a month, a day, or a range of them. UTC, as of documents."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_DATE = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")


class Span(NamedTuple):
    """Seconds since 1970: `start` is within, `end` no longer."""

    start: float
    end: float

    @property
    def last(self) -> float:
        """The last moment within."""
        return math.nextafter(self.end, -math.inf)


def span(text: str) -> Span | None:
    """The time that a date covers; None where it is no date.

    >>> span("2024-02").end - span("2024-02").start
    2505600.0
    >>> span("2024-13") is None
    True
    """
    match = _DATE.fullmatch(text)
    year, month, day = match.groups() if match else (None, None, None)
    if other := _DAY_FIRST.fullmatch(text):
        day, month, year = other.groups()
    if year is None:
        return None
    try:
        start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
        return Span(start.timestamp(), _after(start, month, day).timestamp())
    except (ValueError, OverflowError):
        return None


def _after(start: datetime, month: str | None, day: str | None) -> datetime:
    if day:
        return start + timedelta(days=1)
    if month and start.month < 12:
        return start.replace(month=start.month + 1)
    return start.replace(year=start.year + 1, month=1)


class Bounds(NamedTuple):
    """From `since` to `until`, both within; None where it is open."""

    since: float | None = None
    until: float | None = None

    def within(self, since: float | None, until: float | None) -> Bounds:
        """What both leave."""
        first = [one for one in (self.since, since) if one is not None]
        last = [one for one in (self.until, until) if one is not None]
        return Bounds(max(first, default=None), min(last, default=None))


NAMES = ("after", "before", "date")  # fields that take a date


def bounds(name: str, value: str) -> Bounds | None:
    """What `after:2024-05`, `before:...` (that day no longer) or `date:2024` leaves; None where it is no date."""
    found = span(value)
    if found is None:
        return None
    if name == "after":
        return Bounds(since=found.start)
    if name == "before":
        return Bounds(until=math.nextafter(found.start, -math.inf))
    return Bounds(found.start, found.last)


def between(first: str, last: str) -> Bounds | None:
    """What `2023..2024`, `2023..` or `..2024-03` leaves, both ends included; None where an end is no date."""
    start, end = (span(one) if one else None for one in (first, last))
    if (first and start is None) or (last and end is None) or not (first or last):
        return None
    return Bounds(start.start if start else None, end.last if end else None)
