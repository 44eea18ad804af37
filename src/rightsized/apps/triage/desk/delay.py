"""Deadlines, and the order of the queue by expected cost of delay. Knows no message text and no person.

A message of level l has been promised an answer within its target; r is the open time that is left, less the time that
answering takes. A breach costs c, and each open hour of lateness e. Passed over now, the message waits a further time
W, exponential with mean tau. Its expected cost, as a function of a delay w, is c P(W > r - w) + e E(W - (r - w))+. The
derivative of that at w = 0 is

    (c / tau + e) exp(-r / tau)   where r > 0,      e   where r <= 0 (the breach is past, its cost is sunk).

The level is not known but has calibrated chances p, so the derivative is averaged over them. Divided by the expected
handling time S, it says what is saved by each hour of work: the index

    I = (1 / S) sum_l p_l d_l(r_l).

The largest is served first. With one level and e = 0 this is the apparent tardiness cost of Vepsalainen and Morton
(Management Science 33(8), 1987), w/S exp(-r / (k S)), with tau = k S; as a rule "largest marginal delay cost over
handling time first" it is the generalised c-mu rule of van Mieghem (Annals of Applied Probability 5(3), 1995), which is
asymptotically optimal in heavy traffic for convex costs. A breach is a step, not convex: the chance of W makes it
smooth. tau is the share `look_ahead` of the time in which the present team works off what waits now, at least S.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.settings import DeskSettings, Target, WorkSettings
from rightsized.apps.triage.records import LEVELS, Level
from rightsized.apps.triage.urgency import Urgency
from rightsized.core.frozen import Frozen

HOUR = 3600.0
LONGEST = 366 * 24 * HOUR  # a message that waits longer counts as one that waits so long, seconds
Floats = NDArray[np.float64]


class Deadlines(Frozen, frozen=True):
    """By when a message is to be answered for the first time, and done with; seconds since the epoch."""

    answer: float
    resolve: float


class Waiting(Frozen, frozen=True):
    """A message in the queue. `chances` are calibrated probabilities of the levels; they sum to 1."""

    key: str
    received: float
    chances: Mapping[Level, float]
    minutes: float | None = None  # expected handling; None: the desk's mean


class Ranked(Frozen, frozen=True):
    """A message and what it costs to leave it: `index` in cost for each hour of work saved, and its parts.

    `cost` is what an hour of delay costs; `breach` the chance that it is late already if it is passed over now;
    `left` the open hours until the answer is due, by the most likely level.
    """

    key: str
    index: float
    cost: float
    breach: float
    left: float
    level: Level


def deadlines(level: Level, received: float, desk: DeskSettings, calendar: Calendar) -> Deadlines:
    """What is owed to a message of this level that came at `received`."""
    target = desk.targets[level]
    return Deadlines(
        calendar.add(received, target.answer_hours * HOUR), calendar.add(received, target.resolve_hours * HOUR)
    )


def chances_of(urgency: Urgency, base: Mapping[Level, float]) -> dict[Level, float]:
    """Probabilities of the levels of one message; they sum to 1.

    A task's own probabilities where one answered; else its level with the confidence that it has, the rest shared out
    by `base`, how often the levels come. A rule's level is taken as certain: somebody wrote it down. A default knows
    nothing and is `base`.
    """
    if urgency.scores is not None:
        said = [urgency.scores.get(level, 0.0) for level in LEVELS]
        if min(said) > 0:  # nothing to share out
            total = sum(said)
            return {level: score / total for level, score in zip(LEVELS, said, strict=True)}
        scores = dict(zip(LEVELS, said, strict=True))
        left = max(0.0, 1.0 - sum(scores.values()))
        unseen = {level: base[level] for level in LEVELS if scores[level] == 0.0}
        spread = left / sum(unseen.values()) if sum(unseen.values()) else 0.0
        made = {level: scores[level] or unseen.get(level, 0.0) * spread for level in LEVELS}
        whole = sum(made.values())
        return {level: value / whole for level, value in made.items()} if whole else dict(base)
    if urgency.by == "default":
        return dict(base)
    rest = sum(share for level, share in base.items() if level != urgency.level)
    kept = urgency.confidence if rest else 1.0
    return {
        level: kept if level == urgency.level else (1 - kept) * base[level] / rest if rest else 0.0 for level in LEVELS
    }


def look_ahead(waiting: int, people: int, work: WorkSettings) -> float:
    """tau in open hours: the share of the time that `people` need for what waits, at least the time of one message."""
    one = work.minutes / 60.0
    return max(one, work.look_ahead * waiting * one / max(people, 1))


def index(left: Floats, chances: Floats, hours: Floats, targets: Sequence[Target], tau: float) -> tuple[Floats, Floats]:
    """The index of each message, and what an hour of delay costs.

    Args:
        left: (n, levels) open hours until the answer of each level is due, less the handling time.
        chances: (n, levels) probabilities.
        hours: (n,) expected handling.
        targets: what is owed, a level each.
        tau: mean further wait of a message that is passed over, open hours.
    """
    breach = np.array([one.breach_cost for one in targets])
    late = np.array([one.hourly for one in targets])
    ahead = np.exp(-np.maximum(left, 0.0) / tau)
    marginal = np.where(left > 0, (breach / tau + late) * ahead, late)
    cost = (chances * marginal).sum(axis=1)
    return cost / hours, cost


def order(
    waiting: Sequence[Waiting], desk: DeskSettings, calendar: Calendar, now: float, people: int, in_all: int = 0
) -> tuple[Ranked, ...]:
    """The queue, the dearest to leave first; of equals the one that came first, then by key.

    `people` is how many are there to answer; `in_all` how many messages wait, where that is more than these.
    """
    if not waiting:
        return ()
    targets = [desk.targets[level] for level in LEVELS]
    hours = np.array([(one.minutes or desk.work.minutes) / 60.0 for one in waiting])
    chances = np.array([[one.chances.get(level, 0.0) for level in LEVELS] for one in waiting])
    received = np.array([one.received for one in waiting])
    waited = calendar.since(np.clip(received, now - LONGEST, now), now) / HOUR
    due = np.array([one.answer_hours for one in targets])[None, :] - waited[:, None]
    left = due - hours[:, None]
    tau = look_ahead(max(len(waiting), in_all), people, desk.work)
    found, cost = index(left, chances, hours, targets, tau)
    breach = (chances * np.exp(-np.maximum(left, 0.0) / tau)).sum(axis=1)
    likely = chances.argmax(axis=1)
    keys = np.array([one.key for one in waiting])
    return tuple(
        Ranked(waiting[i].key, float(found[i]), float(cost[i]), float(breach[i]), float(due[i, at]), LEVELS[at])
        for i, at in ((int(i), int(likely[i])) for i in np.lexsort((keys, received, -found)))
    )
