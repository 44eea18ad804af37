"""Keeps the queue of one inbox: what comes first, who gets it, and which messages are one incident.

The rules are the desk's pure functions (`desk/`); this reads what they need from the store and writes what they say.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.delay import Ranked, Waiting, chances_of, order
from rightsized.apps.triage.desk.forecast import Chance, Outlook, Pending, forecast, hourly_rates
from rightsized.apps.triage.desk.incidents import Incident, Print, print_of, recognise
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.playing import team_of
from rightsized.apps.triage.desk.staff import Given, Job, Person, assign, calendars_of, present, to_reassign
from rightsized.apps.triage.reading.message import PRIORITY
from rightsized.apps.triage.records import LEVELS, Level
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.messages import SYSTEM
from rightsized.apps.triage.store.records import Kept, Waits

MOST = 5_000  # waiting messages that are ordered; beyond, those that came last stand behind
PRINTS = 600  # latest messages that a new one is compared with
KEPT = 50  # incidents that new messages may still join
OFTEN = 5.0  # seconds between two rounds of giving out
FORECAST_MOST = 500  # waiting messages that a forecast plays through
RATES_DAYS = 28  # of arrivals that tell how often messages come
HOUR, DAY = 3600.0, 86_400.0
_BEGUN = frozenset({"accepted", "corrected", "reopened"})  # events of somebody who works on a message


class Tending:
    """The queue of one inbox by one desk.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self, store: MessageStore, desk: DeskSettings, calendar: Calendar, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store, self._desk, self._calendar, self._clock = store, desk, calendar, clock
        self._calendars = calendars_of(desk.people, calendar)
        self._prints: deque[Print] = deque(maxlen=PRINTS)
        self._incidents: list[Incident] = []
        self._lock, self._given_out = threading.Lock(), 0.0
        for one in reversed(store.waiting(Waits(status=None, newest=True, limit=PRINTS))):
            self._note(one)

    def ranked(self, waiting: Sequence[Kept]) -> tuple[Ranked, ...]:
        """Messages with what it costs to leave each, the dearest first."""
        base = self._base(waiting)
        rows = [_waiting(one, base) for one in waiting]
        there = len(self._here(self._clock()))
        return order(rows, self._desk, self._calendar, self._clock(), there or max(1, len(self._desk.people)))

    def ordered(self, wanted: Waits) -> list[Kept]:
        """Messages as wanted, the dearest to leave first; of an incident its first stands for it."""
        found = self._store.waiting(
            Waits(wanted.status, wanted.queue, wanted.assignee, wanted.thread, wanted.incident, limit=MOST)
        )
        by_key = {one.key: one for one in found}
        ranked = [by_key[one.key] for one in self.ranked(found)]
        first = [one for one in ranked if not one.incident or one.incident == one.key or wanted.incident]
        rest = [one for one in ranked if one.incident and one.incident != one.key and not wanted.incident]
        return [*first, *rest][wanted.offset : wanted.offset + wanted.limit]

    def forecast(self) -> tuple[Chance, ...]:
        """The chance of each waiting message to be answered late, the dearest to leave first (`desk.forecast`).

        How often messages come is taken from the last weeks of this inbox. Some seconds for hundreds of messages.
        """
        now = self._clock()
        waiting = self.ordered(Waits(limit=FORECAST_MOST))
        base = self._base(waiting)
        pending = [Pending(_waiting(one, base), one.queue, incident=one.incident) for one in waiting]
        since = now - RATES_DAYS * DAY
        rates = hourly_rates(self._store.arrivals(since), self._calendar, since, now)
        team = team_of(self._desk, self._desk.people)
        return forecast(pending, team, self._desk, Outlook(rates), now)

    def arrived(self, kept: Kept) -> Incident | None:
        """A message was handled: the incident that it belongs to, where it does; its members are marked."""
        with self._lock:
            found = self._belongs(kept)
        if self._clock() - self._given_out >= OFTEN:
            self.give_out()
        return found

    def _belongs(self, kept: Kept) -> Incident | None:
        new = self._print(kept)
        if new is None:
            return None
        window = [one for one in self._prints if one.at <= new.at]
        span = self._desk.incident.window_minutes * 60
        ordinary = [one for one in window if one.at < new.at - span]
        found = recognise(new, window, ordinary, self._incidents, self._desk.incident)
        self._prints.append(new)
        if found is None:
            return None
        before = next((one for one in self._incidents if one.key == found.key), None)
        others = [one for one in self._incidents if one.key != found.key]
        self._incidents = [*others[-KEPT:], found]
        name = self._store.get(found.key).key  # its first message may have been forgotten since
        for key in found.members:
            if before is None or key not in before.members:
                self._store.update(key, SYSTEM, "incident", name, incident=name)
        return found

    def give_out(self) -> int:
        """Give waiting messages to people by skill and room, and those of absent people to others.

        Nothing happens where the desk names no people. Returns how many were given.
        """
        if not self._desk.people:
            return 0
        now = self._given_out = self._clock()
        waiting = self.ordered(Waits(limit=MOST))
        held = [self._given(one) for one in waiting if one.assignee]
        timeout = self._desk.work.timeout_hours * HOUR
        again = {one.key: one for one in to_reassign(held, self._desk.people, self._calendars, now, timeout)}
        free = [one for one in waiting if not one.assignee or one.key in again]
        alone = [
            one for one in free if not one.incident or one.incident == one.key
        ]  # an incident's first, for them all
        jobs = [again.get(one.key) or Job(one.key, one.queue) for one in alone]
        loads = dict.fromkeys(self._calendars, 0)
        for one in held:
            if one.key not in again:
                loads[one.person] = loads.get(one.person, 0) + 1
        made = [each for each in assign(jobs, self._here(now), loads) if each.person]
        for each in made:
            self._store.update(each.key, SYSTEM, "assigned", f"{each.person}: {each.reason}", assignee=each.person)
        return len(made)

    def _here(self, now: float) -> list[Person]:
        return [one for one in self._desk.people if present(one, self._calendars, now)]

    def _base(self, waiting: Sequence[Kept]) -> dict[Level, float]:
        """How often the levels come, by what waits; one more of each, so that none is impossible."""
        counts = {level: 1.0 + sum(one.level == level for one in waiting) for level in LEVELS}
        total = sum(counts.values())
        return {level: count / total for level, count in counts.items()}

    def _given(self, kept: Kept) -> Given:
        events = self._store.events(kept.key)
        since = next((one.at for one in reversed(events) if one.what == "assigned"), kept.updated)
        touched = any(one.what in _BEGUN and one.at >= since for one in events)
        return Given(kept.key, kept.queue, kept.assignee, since, touched)

    def _note(self, kept: Kept) -> None:
        new = self._print(kept)
        if new is not None:
            self._prints.append(new)
        if kept.incident:
            known = next((one for one in self._incidents if one.key == kept.incident), None)
            members = (*(known.members if known else ()), kept.key)
            opened = known.opened if known else kept.received
            core = (*(known.core if known else ()), kept.key)[:8]
            made = Incident(kept.incident, members, core, opened, kept.received, 0.0)
            self._incidents = [*(one for one in self._incidents if one.key != kept.incident), made]

    def _print(self, kept: Kept) -> Print | None:
        """What is compared; nothing of machines' messages."""
        if kept.mail is None or kept.mail.automatic or not kept.mail.text:
            return None
        return print_of(kept.key, kept.received, kept.mail.text)


def _waiting(kept: Kept, base: dict[Level, float]) -> Waiting:
    handled = kept.handled
    if handled is None or handled.priority.level != kept.level:  # a person changed it: certain
        return Waiting(kept.key, kept.received, {kept.level: 1.0})
    chances = chances_of(handled.priority, handled.labels.get(PRIORITY), base)
    return Waiting(kept.key, kept.received, chances)
