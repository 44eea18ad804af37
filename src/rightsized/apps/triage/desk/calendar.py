"""Business time: when a desk is open, and arithmetic in open seconds. Knows no deadline and no person.

A shift belongs to the local day on which it begins; it may end on the next day. A holiday closes the shifts that begin
on it. Clock times become instants once, so that a 00:00-24:00 day has 23, 24 or 25 hours. A clock time that
occurs twice (PEP 495) is its first occurrence; one that is skipped is the instant of the skip, so that the order of
clock times is kept.

With B(t) the open seconds before the instant t, `add` is B's inverse from the left: the earliest instant by which that
much time was open. A deadline thus falls on a closing time, never on the next morning's opening.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import ConfigError
from rightsized.core.frozen import Frozen

DAY_MINUTES = 24 * 60
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
YEARLY = 0  # the year of a holiday that comes back each year
MOST_YEARS = 60  # that one addition looks through before it gives up
FIRST_YEAR, LAST_YEAR = 1960, 2200


class Shift(Frozen, frozen=True):
    """Open from `start` to `end`, in minutes after the midnight that begins the day; at most 24 hours long."""

    start: int
    end: int


class Hours(Frozen, frozen=True):
    """The opening hours of a week (`week[0]` is Monday), with what differs on single days.

    `special` maps (year, month, day) to that day's shifts, none on a holiday; the year 0 means every year. A day with
    its year goes before one without.
    """

    zone: str
    week: tuple[tuple[Shift, ...], ...]
    special: Mapping[tuple[int, int, int], tuple[Shift, ...]]

    def shifts(self, day: date) -> tuple[Shift, ...]:
        """The shifts that begin on a day."""
        for year in (day.year, YEARLY):
            found = self.special.get((year, day.month, day.day))
            if found is not None:
                return found
        return self.week[day.weekday()]


class _Year(NamedTuple):
    """The open spans of shifts that begin in a year, in order; `before[i]` are the open seconds before span i."""

    starts: list[float]
    ends: list[float]
    before: list[float]
    total: float

    def opened(self, moment: float) -> float:
        """Open seconds of this year before `moment`."""
        i = bisect_right(self.starts, moment) - 1
        return 0.0 if i < 0 else self.before[i] + min(moment, self.ends[i]) - self.starts[i]

    def opened_each(self, moments: NDArray[np.float64]) -> NDArray[np.float64]:
        """Open seconds of this year before each of many moments, float64 (n,)."""
        if not self.starts:
            return np.zeros(len(moments))
        i = np.searchsorted(self.starts, moments, side="right") - 1
        done = np.take(self.before, i) + np.minimum(moments, np.take(self.ends, i)) - np.take(self.starts, i)
        return np.where(i < 0, 0.0, done)

    def earliest(self, opened: float) -> float:
        """The first moment with so many open seconds before it, 0 < opened <= total."""
        i = bisect_left(self.before, opened) - 1
        return self.starts[i] + opened - self.before[i]

    def latest(self, opened: float) -> float:
        """The last moment with so many open seconds before it, 0 <= opened < total."""
        i = bisect_right(self.before, opened) - 1
        return self.starts[i] + opened - self.before[i]


class Calendar:
    """Arithmetic in the open seconds of `hours`. Instants are seconds since the epoch, UTC, of the years 1970 to 2100.

    What a year's spans are is worked out once; calendars may be used by several threads.
    """

    def __init__(self, hours: Hours) -> None:
        self.hours = hours
        self._zone = ZoneInfo(hours.zone)
        self._known: dict[int, _Year] = {}

    def is_open(self, moment: float) -> bool:
        """Whether `moment` is in open time; a closing time is not."""
        return self.closing(moment) > moment

    def between(self, start: float, end: float) -> float:
        """Open seconds from `start` to `end`; negative where `end` is before."""
        if end < start:
            return -self.between(end, start)
        first, last = self._local_year(start) - 1, self._local_year(end)
        years = [self._year(year) for year in range(first, last + 1)]
        return sum(one.opened(end) - one.opened(start) for one in years)

    def since(self, starts: NDArray[np.float64], end: float) -> NDArray[np.float64]:
        """Open seconds from each of many instants to `end`, as `between` has them: float64 (n,)."""
        if not len(starts):
            return np.zeros(0)
        first = self._local_year(min(float(starts.min()), end)) - 1
        last = self._local_year(max(float(starts.max()), end))
        years = [self._year(year) for year in range(first, last + 1)]
        return np.asarray(sum(one.opened(end) - one.opened_each(starts) for one in years))

    def add(self, start: float, seconds: float) -> float:
        """The earliest instant from `start` on by which `seconds` more were open; `start` itself for 0.

        Raises ConfigError: the desk is not open for that long within 60 years.
        """
        if seconds < 0:
            return self.subtract(start, -seconds)
        if seconds == 0:
            return start
        for one in self._onwards(start):
            done = one.opened(start)
            if one.total - done >= seconds:
                return one.earliest(done + seconds)
            seconds -= one.total - done
        raise self._never()

    def subtract(self, end: float, seconds: float) -> float:
        """The latest instant up to `end` since which `seconds` were open; `end` itself for 0. Raises ConfigError."""
        if seconds < 0:
            return self.add(end, -seconds)
        if seconds == 0:
            return end
        year = self._local_year(end)
        for one in (self._year(year - n) for n in range(MOST_YEARS)):
            done = one.opened(end)
            if done >= seconds:
                return one.latest(done - seconds)
            seconds -= done
        raise self._never()

    def opening(self, moment: float) -> float:
        """`moment` where it is in open time, else the next opening. Raises ConfigError."""
        for one in self._onwards(moment):
            done = one.opened(moment)
            if done < one.total:
                return max(moment, one.latest(done))
        raise self._never()

    def closing(self, moment: float) -> float:
        """The end of the open span that `moment` is in; `moment` itself where it is in none."""
        year = self._local_year(moment)
        for one in (self._year(year - 1), self._year(year)):
            i = bisect_right(one.starts, moment) - 1
            if i >= 0 and moment < one.ends[i]:
                return one.ends[i]
        return moment

    def _onwards(self, moment: float) -> Iterator[_Year]:
        """The years from the one before `moment`, whose last shift may go on into it."""
        year = self._local_year(moment) - 1
        return (self._year(year + n) for n in range(MOST_YEARS))

    def _local_year(self, moment: float) -> int:
        return datetime.fromtimestamp(moment, self._zone).year

    def _year(self, year: int) -> _Year:
        if year not in self._known:
            self._known[year] = self._spans(year)
        return self._known[year]

    def _spans(self, year: int) -> _Year:
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise self._never()
        day = date(year, 1, 1) - timedelta(days=1)
        until = max((self.instant(day, one.end) for one in self.hours.shifts(day)), default=0.0)
        starts: list[float] = []
        ends: list[float] = []
        while day != date(year, 12, 31):
            day += timedelta(days=1)
            for shift in sorted(self.hours.shifts(day), key=lambda one: one.start):
                start, end = max(self.instant(day, shift.start), until), self.instant(day, shift.end)
                if end > start:
                    starts.append(start)
                    ends.append(end)
                    until = end
        lengths = [end - start for start, end in zip(starts, ends, strict=True)]
        before = list(accumulate(lengths, initial=0.0))
        return _Year(starts, ends, before[:-1], before[-1])

    def instant(self, day: date, minutes: int) -> float:
        """The instant of a clock time, in minutes after the midnight that begins `day`."""
        clock = datetime.combine(day, time()) + timedelta(minutes=minutes)
        first = clock.replace(tzinfo=self._zone).timestamp()
        if datetime.fromtimestamp(first, self._zone).replace(tzinfo=None) == clock:
            return first
        return self._skip(clock.replace(tzinfo=self._zone, fold=1).timestamp(), first)

    def _skip(self, low: float, high: float) -> float:
        """The instant between two at which the clock was put forward, to the second."""
        offset = datetime.fromtimestamp(low, self._zone).utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, self._zone).utcoffset() == offset:
                low = middle
            else:
                high = middle
        return high

    def _never(self) -> ConfigError:
        return ConfigError("The desk is not open long enough to work that out.", fix="Look at [hours] in desk.toml.")
