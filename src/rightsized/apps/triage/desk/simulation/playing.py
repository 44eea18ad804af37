"""One stream played through under one policy: who answers what when. Deterministic; chance is in the messages.

A person takes the first message of the queue that is theirs to answer when they are at work and free, and finishes
what they began, also over the end of the day or into an absence. A first answer is given when handling ends. A message
whose queue nobody answers is everybody's.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.delay import HOUR
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.policies import By, Policy, Seen
from rightsized.apps.triage.desk.simulation.stream import NOWHERE, WRONG, Assumptions, Message
from rightsized.apps.triage.desk.staff import Person, calendars_of, present
from rightsized.apps.triage.records import LEVELS

MINUTE = 60.0
SHORTEST = 0.01  # minutes that any handling is expected to take at least


class Team(NamedTuple):
    """Who answers: people with their calendars, the desk's own calendar, and until when each is busy at the start."""

    people: tuple[Person, ...]
    calendars: Mapping[str, Calendar]
    desk: Calendar
    busy: Mapping[str, float]


def team_of(desk: DeskSettings, people: Sequence[Person], busy: Mapping[str, float] | None = None) -> Team:
    """The team of a desk."""
    calendar = Calendar(desk.hours)
    return Team(tuple(people), calendars_of(people, calendar), calendar, busy or {})


class Rules(NamedTuple):
    """What a desk is played by."""

    settings: DeskSettings
    given: Assumptions
    policy: Policy


class Played(NamedTuple):
    """What became of a stream, a row a message.

    answered: open hours from arrival to the first answer; NaN where none was given. minutes: of people's work.
    begun, done: when it was last taken and answered, seconds since the epoch; NaN. by: who took it, -1: nobody.
    """

    answered: NDArray[np.float64]
    minutes: NDArray[np.float64]
    begun: NDArray[np.float64]
    done: NDArray[np.float64]
    by: NDArray[np.int64]


def play(
    messages: Sequence[Message], team: Team, rules: Rules, *, start: float | None = None, watched: int | None = None
) -> Played:
    """Play a stream through. `messages` are in the order of arrival.

    Args:
        start: the first moment at which somebody answers; messages from before it are waiting then.
        watched: stop once so many of the first messages are answered; default: all.
    """
    if not messages:
        none = np.zeros(0)
        return Played(none, none, none, none, np.zeros(0, np.int64))
    desk = _Desk(messages, team, rules)
    _run(desk, messages[0].at if start is None else start, len(messages) if watched is None else watched)
    return Played(desk.answered, desk.spent, desk.begun, desk.done, desk.by)


def sorting(one: Message, by: By, given: Assumptions) -> float:
    """Minutes that it takes to get a message into its queue."""
    placed = {"hand": NOWHERE, "keywords": one.keyword, "labels": one.label}[by]
    if placed == NOWHERE:
        return given.sort_minutes
    return given.rework_minutes if placed == WRONG else 0.0


class _Desk:
    """The state of a desk that is played: arrays with a row a message, or an entry an incident."""

    def __init__(self, messages: Sequence[Message], team: Team, rules: Rules) -> None:
        self.messages, self.team = messages, team
        self.settings, self.given, self.policy = rules
        n = len(messages)
        self.targets = tuple(self.settings.targets[level] for level in LEVELS)
        self.clock = np.array([team.desk.between(messages[0].at, one.at) / HOUR for one in messages])
        self.chances = np.array([one.chances for one in messages])
        self.flagged = np.array([one.flagged for one in messages], np.bool_)
        self.sorting = np.array([sorting(one, self.policy.sorts, self.given) for one in messages])
        self.incident = np.array([one.incident if self.policy.links else -1 for one in messages])
        self.linked_at = np.where(self.incident >= 0, [one.linked for one in messages], np.inf)
        incidents = int(self.incident.max()) + 1
        self.lead, self.solved = np.full(incidents, -1), np.full(incidents, np.inf)
        self.queue: list[int] = []
        self.answered, self.spent, self.by = np.full(n, np.nan), np.zeros(n), np.full(n, -1)
        self.begun, self.done = np.full(n, np.nan), np.full(n, np.nan)
        own = {one.queue: [p for p, who in enumerate(team.people) if who.answers(one.queue)] for one in messages}
        everybody = list(range(len(team.people)))
        self.able = [frozenset(own[one.queue] or everybody) for one in messages]

    def members(self, rows: NDArray[np.int64], now: float) -> NDArray[np.bool_]:
        """Which messages are answered with another's answer, as far as is known now."""
        found = self.linked_at[rows] <= now
        found[found] = self.lead[self.incident[rows[found]]] != rows[found]
        return found

    def choose_leads(self, now: float) -> None:
        """The first member of each incident that waits is worked, where none is yet."""
        if not len(self.lead):
            return
        for row in self.queue:
            if self.linked_at[row] <= now and self.lead[self.incident[row]] < 0:
                self.lead[self.incident[row]] = row

    def ranked(self, now: float, people: int) -> list[int]:
        """What may be taken now, the first first."""
        rows = np.array(self.queue, np.int64)
        member = self.members(rows, now)
        own = (self.sorting[rows] + self.settings.work.minutes) / 60
        hours = np.where(member, max(self.given.reply_minutes, SHORTEST) / 60, own)
        blocked = member.copy()
        blocked[member] = self.solved[self.incident[rows[member]]] > now
        place = np.full(len(self.messages), -1)
        place[rows] = np.arange(len(rows))
        behind = np.full(len(rows), -1)
        behind[blocked] = place[self.lead[self.incident[rows[blocked]]]]
        waited = self.team.desk.between(self.messages[0].at, now) / HOUR - self.clock[rows]
        given = (waited, self.flagged[rows], self.chances[rows], hours, behind)
        score = self.policy.score(Seen(*given, self.targets, self.settings.work, people))
        order = np.lexsort((rows, -score))
        return [int(one) for one in rows[order][~blocked[order]]]

    def begin(self, row: int, who: int, now: float) -> float:
        """A person takes a message. Returns when they are done with it."""
        self.queue.remove(row)
        self.begun[row], self.by[row] = now, who
        one, calendar = self.messages[row], self.team.calendars[self.team.people[who].name]
        if self.members(np.array([row]), now)[0]:
            self.spent[row] += self.given.reply_minutes
            done = calendar.add(now, self.given.reply_minutes * MINUTE)
            if one.about != self.messages[self.lead[one.incident]].about:  # it is about something else: it comes back
                self.linked_at[row] = np.inf
                self.sorting[row] += self.given.rework_minutes
                self.queue.append(row)
                return done
        else:
            minutes = float(self.sorting[row]) + one.minutes
            self.spent[row] += minutes
            done = calendar.add(now, minutes * MINUTE)
            if self.incident[row] >= 0 and self.lead[one.incident] == row:
                self.solved[one.incident] = done
        self.answered[row], self.done[row] = self.team.desk.between(one.at, done) / HOUR, done
        return done


def _run(desk: _Desk, start: float, watched: int) -> None:
    people, arrived = desk.team.people, 0
    free = [max(start, desk.team.busy.get(one.name, start)) for one in people]
    moments = sorted({start, *free})
    planned = set(moments)

    def plan(moment: float) -> None:
        if moment not in planned:
            planned.add(moment)
            heapq.heappush(moments, moment)

    while moments and np.isnan(desk.answered[:watched]).any():
        now = heapq.heappop(moments)
        while arrived < len(desk.messages) and desk.messages[arrived].at <= now:
            desk.queue.append(arrived)
            arrived += 1
        if arrived < len(desk.messages):
            plan(desk.messages[arrived].at)
        if not desk.queue:
            continue
        idle = [p for p in range(len(people)) if free[p] <= now]
        ready = [p for p in idle if present(people[p], desk.team.calendars, now)]
        for p in _take(desk, ready, free, now):
            plan(free[p])
        for p in set(idle) - set(ready):
            plan(_back(people[p], desk.team.calendars[people[p].name], now))


def _take(desk: _Desk, ready: list[int], free: list[float], now: float) -> list[int]:
    """Each who is ready takes the first message that is theirs; of several, who has been free the longest.

    Returns who took one; `free` then says until when they are busy.
    """
    desk.choose_leads(now)
    people, took = desk.team.people, list[int]()
    at_work = len(ready) + sum(one > now for one in free)
    ready = sorted(ready, key=lambda p: (free[p], len(people[p].queues) or 1_000_000, people[p].name))
    while ready and desk.queue:
        order = desk.ranked(now, at_work)
        found = next(((row, p) for row in order for p in ready if p in desk.able[row]), None)
        if found is None:
            break
        row, p = found
        free[p] = desk.begin(row, p, now)
        ready.remove(p)
        took.append(p)
    return took


def _back(person: Person, calendar: Calendar, now: float) -> float:
    """When a person who is not at work comes back; after `now`."""
    moment = calendar.opening(now)
    while any(one.start <= moment < one.end for one in person.absent):
        moment = calendar.opening(max(one.end for one in person.absent if one.start <= moment < one.end))
    return moment
