"""Which waiting messages will be late: the chance of each, from playing the coming hours through many times.

Each run draws the levels of what waits from their chances, handling minutes, and what comes in meanwhile, and plays
the desk on by the policy in force. The chance of a message is the share of runs in which its answer is late, with a
Wilson interval for the number of runs. How often forecasts come true is measured by benchmarks/triage_sla.py.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.delay import HOUR, LONGEST, Waiting
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.playing import Rules, Team, play
from rightsized.apps.triage.desk.simulation.policies import POLICIES
from rightsized.apps.triage.desk.simulation.stream import NOWHERE, RIGHT, WRONG, Assumptions, Coming, Message, decide
from rightsized.apps.triage.records import LEVELS
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress

RUNS = 200  # an interval of at most +-7 points
AHEAD_HOURS = 24.0  # open hours of arrivals that are drawn; what waits longer meets none after them
Z95 = 1.959963985


class Pending(Frozen, frozen=True):
    """A message that waits, with its queue.

    `placed` is where labels put it: nowhere, or right as far as is known. Messages of the same `incident` are answered
    with one answer; empty: none.
    """

    waiting: Waiting
    queue: str = ""
    placed: str = RIGHT
    incident: str = ""


class Chance(Frozen, frozen=True):
    """The chance that a message is answered late, and its 95% interval from the number of runs."""

    key: str
    late: float
    low: float
    high: float


class Rate(Frozen, frozen=True):
    """Messages that come in an hour while the desk is open, and while it is closed."""

    open: float
    closed: float = 0.0


class Outlook(Frozen, frozen=True):
    """What a forecast rests on besides the queue.

    hourly: how often messages come, by queue. busy: until when people are at work on something, by name.
    """

    hourly: Mapping[str, Rate]
    given: Assumptions = Assumptions()
    busy: Mapping[str, float] = {}
    policy: str = "ours"


def forecast(
    pending: Sequence[Pending],
    team: Team,
    desk: DeskSettings,
    outlook: Outlook,
    now: float,
    *,
    runs: int = RUNS,
    seed: int = 0,
    progress: Progress = no_progress,
) -> tuple[Chance, ...]:
    """The chance of each message that waits to be answered late; in their order. The same for the same arguments.

    With nobody to answer, what waits is late for certain.
    """
    if not pending:
        return ()
    if not team.people:
        return tuple(Chance(one.waiting.key, 1.0, 1.0, 1.0) for one in pending)
    rules = Rules(desk, outlook.given, POLICIES[outlook.policy])
    by_arrival = sorted(range(len(pending)), key=lambda i: pending[i].waiting.received)
    names = {one.incident: n for n, one in enumerate(pending) if one.incident}
    incidents = {i: names[one.incident] for i, one in enumerate(pending) if one.incident}
    late = np.zeros(len(pending))
    for number in range(runs):
        rng = np.random.default_rng((seed, number))
        own = [_drawn(pending[i], desk, outlook.given, now, rng) for i in by_arrival]
        own = [
            replace(one, incident=incidents[i], about=pending[i].incident, linked=one.at) if i in incidents else one
            for i, one in zip(by_arrival, own, strict=True)
        ]
        coming = decide(_arrivals(outlook, team, now, rng), outlook.given, desk.work, rng)
        played = play([*own, *coming], team._replace(busy=outlook.busy), rules, start=now, watched=len(own))
        target = np.array([desk.targets[one.level].answer_hours for one in own])
        answered = played.answered[: len(own)]
        late[by_arrival] += np.isnan(answered) | (answered > target)
        progress("hours played through", number + 1, runs)
    return tuple(_chance(one.waiting.key, int(count), runs) for one, count in zip(pending, late, strict=True))


def hourly_rates(
    arrivals: Sequence[tuple[float, str]], calendar: Calendar, since: float, now: float
) -> dict[str, Rate]:
    """How often messages come by queue, from (time, queue) of those that came from `since` to `now`."""
    if now <= since:
        return {}
    open_hours = calendar.between(since, now) / HOUR
    closed_hours = (now - since) / HOUR - open_hours
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for at, queue in arrivals:
        if since <= at < now:
            counts[queue][0 if calendar.is_open(at) else 1] += 1
    return {
        queue: Rate(inside / open_hours if open_hours else 0.0, outside / closed_hours if closed_hours else 0.0)
        for queue, (inside, outside) in counts.items()
    }


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson, 1927)."""
    share, square = count / of, Z95**2 / of
    middle = (share + square / 2) / (1 + square)
    half = Z95 / (1 + square) * math.sqrt(share * (1 - share) / of + square / (4 * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def _chance(key: str, count: int, runs: int) -> Chance:
    low, high = wilson(count, runs)
    return Chance(key, count / runs, low, high)


def _drawn(one: Pending, desk: DeskSettings, given: Assumptions, now: float, rng: np.random.Generator) -> Message:
    chances = tuple(one.waiting.chances.get(level, 0.0) for level in LEVELS)
    level = LEVELS[int(rng.choice(len(LEVELS), p=np.array(chances) / sum(chances)))]
    shape = 1 / desk.work.variation**2
    minutes = float(rng.gamma(shape, (one.waiting.minutes or desk.work.minutes) / shape))
    placed = WRONG if one.placed == RIGHT and rng.random() < given.wrong else one.placed
    received = min(max(one.waiting.received, now - LONGEST), now)
    return Message(received, one.queue, level, minutes, False, NOWHERE, placed, chances)


def _arrivals(outlook: Outlook, team: Team, now: float, rng: np.random.Generator) -> list[Coming]:
    """A Poisson process with one rate in open time and one in closed time, by thinning."""
    end = team.desk.add(now, AHEAD_HOURS * HOUR)
    found: list[Coming] = []
    for queue, rate in outlook.hourly.items():
        most = max(rate.open, rate.closed)
        count = int(rng.poisson(most * (end - now) / HOUR))
        for at, draw in zip(now + rng.random(count) * (end - now), rng.random(count), strict=True):
            here = rate.open if team.desk.is_open(float(at)) else rate.closed
            if draw * most < here:
                found.append(Coming(float(at), queue))
    return sorted(found, key=lambda one: one.at)
