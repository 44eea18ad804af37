"""Policies that a simulated desk can follow: who sorts, in which order messages are taken, whether storms are linked.

A policy knows of a message what it could know: never its true level or minutes. Each is a record in one table by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.desk.delay import index, look_ahead
from rightsized.apps.triage.desk.settings import Target, WorkSettings

Floats = NDArray[np.float64]
By = Literal["hand", "keywords", "labels"]


class Seen(NamedTuple):
    """The queue as a policy sees it: a row a message that waits; times in open hours.

    waited: (n,). flagged: bool (n,). chances: (n, levels). hours: (n,) expected handling. behind: (n,) the row of
    the message whose answer this one waits for, or -1. people: how many are at work.
    """

    waited: Floats
    flagged: NDArray[np.bool_]
    chances: Floats
    hours: Floats
    behind: NDArray[np.int64]
    targets: tuple[Target, ...]
    work: WorkSettings
    people: int


Score = Callable[[Seen], Floats]


@dataclass(frozen=True)
class Policy:
    """`score` ranks what waits, the largest first; of equals the first that came."""

    sorts: By
    score: Score
    links: bool
    about: str


def first_come(seen: Seen) -> Floats:
    """By arrival."""
    return np.zeros(len(seen.waited))


def flagged_first(seen: Seen) -> Floats:
    """What has a word of urgency, then by arrival."""
    return seen.flagged.astype(np.float64)


def earliest_due(seen: Seen) -> Floats:
    """By the deadline of the most likely level (EDF, Jackson 1955); what is late already stays in front."""
    answer = np.array([one.answer_hours for one in seen.targets])
    return np.asarray(seen.waited - answer[seen.chances.argmax(axis=1)])


def cost_of_delay(seen: Seen) -> Floats:
    """By expected cost of delay (`desk.delay`); who holds up the members of an incident carries their costs too."""
    answer = np.array([one.answer_hours for one in seen.targets])
    left = answer[None, :] - seen.waited[:, None] - seen.hours[:, None]
    tau = look_ahead(len(seen.waited), seen.people, seen.work)
    _, cost = index(left, seen.chances, seen.hours, seen.targets, tau)
    held = seen.behind >= 0
    np.add.at(cost, seen.behind[held], cost[held])
    return np.asarray(cost / seen.hours)


POLICIES: Mapping[str, Policy] = {
    "first_come": Policy("hand", first_come, False, "sorted by hand, answered by arrival"),
    "keyword_rules": Policy("keywords", flagged_first, False, "sorted by keyword rules, words of urgency first"),
    "earliest_due": Policy("labels", earliest_due, True, "certified labels, incidents linked, earliest deadline first"),
    "ours_unlinked": Policy("labels", cost_of_delay, False, "certified labels, by cost of delay, incidents not linked"),
    "ours_by_hand": Policy("hand", cost_of_delay, False, "sorted by hand, by cost of delay, incidents not linked"),
    "ours": Policy("labels", cost_of_delay, True, "certified labels, by cost of delay, incidents linked"),
}
BASELINES = ("first_come", "keyword_rules")
