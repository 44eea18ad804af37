"""Policies side by side on the same arrivals, with intervals over replications.

In each replication every policy meets the same messages with the same levels, minutes and labels (common random
numbers), so that differences are paired: their intervals are Student's t over replications' differences.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from rightsized.apps.triage.desk.incidents import Incident, Print, print_of, recognise
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.playing import Played, Rules, Team, play
from rightsized.apps.triage.desk.simulation.policies import POLICIES
from rightsized.apps.triage.desk.simulation.stream import Assumptions, Coming, Generator, Message, decide
from rightsized.apps.triage.records import LEVELS
from rightsized.core.frozen import Frozen

OURS = "ours"
WINDOWS = 4  # of the last windows' messages are kept at hand, so that an incident that goes on is known again
DAY = 24 * 3600.0  # messages older than this say what is ordinary
EARLIER = 2_000  # of those, the latest


class Estimate(Frozen, frozen=True):
    """A mean over replications and its 95% interval."""

    mean: float
    low: float
    high: float


class Outcome(Frozen, frozen=True):
    """What a policy came to, a mean a replication. `cost` is of breaches and lateness, in the units of desk.toml.

    `within` is the share of messages answered within their target, `within_by_level` the same for each level.
    `less` holds this policy minus ours, for the same figures.
    """

    policy: str
    about: str
    breaches: Estimate
    within: Estimate
    within_by_level: dict[str, Estimate]
    human_minutes: Estimate
    cost: Estimate
    less: dict[str, Estimate]


class Linked(Frozen, frozen=True):
    """How well storms were recognised: over all replications, of messages. None where there was nothing to count."""

    storm_messages: int
    recognised: int
    wrongly_linked: int
    incidents: int
    replications_with_one_incident: int
    precision: float | None
    recall: float | None


class Comparison(Frozen, frozen=True):
    """Policies on one pattern."""

    pattern: str
    replications: int
    messages: Estimate
    outcomes: tuple[Outcome, ...]
    linked: Linked


class Setting(NamedTuple):
    """What is the same in all replications."""

    desk: DeskSettings
    given: Assumptions
    team: Team
    policies: tuple[str, ...]
    earlier: Sequence[Print] = ()


Figures = dict[str, float]


def compare(
    pattern: str,
    coming: Callable[[Generator], Sequence[Coming]],
    setting: Setting,
    replications: int,
    seed: int = 0,
    *,
    tick: Callable[[], None] = lambda: None,
) -> Comparison:
    """Play every policy through on each replication of a pattern. `tick` is called after each."""
    figures: dict[str, list[Figures]] = {name: [] for name in setting.policies}
    streams: list[list[Message]] = []
    prints: dict[str, Print] = {}
    for number in range(replications):
        rng = np.random.default_rng((seed, number))
        stream = coming(rng)
        messages = link(stream, decide(stream, setting.given, setting.desk.work, rng), setting, prints)
        streams.append(messages)
        for name in setting.policies:
            rules = Rules(setting.desk, setting.given, POLICIES[name])
            figures[name].append(figures_of(messages, play(messages, setting.team, rules), setting.desk))
        tick()
    outcomes = tuple(_outcome(name, figures[name], figures.get(OURS, ())) for name in setting.policies)
    sizes = estimate(np.array([len(one) for one in streams], np.float64))
    return Comparison(pattern, replications, sizes, outcomes, _linked(streams))


def link(
    stream: Sequence[Coming], messages: Sequence[Message], setting: Setting, prints: dict[str, Print]
) -> list[Message]:
    """Messages with the incident that each was recognised as part of, as they came. `prints` are kept by text."""
    seen: list[Print] = []
    open_: dict[str, Incident] = {}
    member: dict[int, tuple[int, float]] = {}
    numbers: dict[str, int] = {}
    spans = (WINDOWS * setting.desk.incident.window_minutes * 60, DAY)
    for row, one in enumerate(stream):
        if not one.text:
            continue
        made = prints.get(one.text) or prints.setdefault(one.text, print_of("", 0.0, one.text))
        new = made._replace(key=str(row), at=one.at)
        near, old = (bisect_left(seen, one.at - span, key=lambda other: other.at) for span in spans)
        earlier = [*setting.earlier, *seen[:old][-EARLIER:]]
        found = recognise(new, seen[near:], earlier, [*open_.values()], setting.desk.incident)
        seen.append(new)
        if found is not None:
            open_[found.key] = found
            number = numbers.setdefault(found.key, len(numbers))
            for key in found.members:
                member.setdefault(int(key), (number, one.at))
    return [
        replace(one, incident=member[row][0], linked=member[row][1]) if row in member else one
        for row, one in enumerate(messages)
    ]


def figures_of(messages: Sequence[Message], played: Played, desk: DeskSettings) -> Figures:
    """The figures of one play. A message without an answer is a breach."""
    target = np.array([desk.targets[one.level].answer_hours for one in messages])
    dear = np.array([desk.targets[one.level].breach_cost for one in messages])
    hourly = np.array([desk.targets[one.level].hourly for one in messages])
    late = np.maximum(np.where(np.isnan(played.answered), np.inf, played.answered) - target, 0)
    breach = late > 0
    levels = np.array([LEVELS.index(one.level) for one in messages])
    by_level = {
        f"within {level}": float(1 - breach[levels == n].mean()) if (levels == n).any() else math.nan
        for n, level in enumerate(LEVELS)
    }
    return {
        "breaches": float(breach.sum()),
        "within": float(1 - breach.mean()),
        "human_minutes": float(played.minutes.sum()),
        "cost": float((breach * dear + np.where(breach, late * hourly, 0)).sum()),
        **by_level,
    }


def estimate(values: NDArray[np.float64]) -> Estimate:
    """Mean and 95% interval (Student's t); NaN are left out."""
    found = values[~np.isnan(values)]
    if not len(found):
        return Estimate(math.nan, math.nan, math.nan)
    mean = float(found.mean())
    if len(found) < 2:
        return Estimate(mean, -math.inf, math.inf)
    half = student(len(found) - 1) * float(found.std(ddof=1)) / math.sqrt(len(found))
    return Estimate(mean, mean - half, mean + half)


def student(freedom: int) -> float:
    """The 97.5% point of Student's t: exact for 1 and 2 degrees of freedom, else by Hill's expansion
    (Communications of the ACM 13(10), algorithm 396, 1970), to 3 digits from 3 on."""
    if freedom <= 2:
        return (12.7062, 4.3027)[freedom - 1]
    z = 1.959963985
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / float(freedom) ** power for power, term in enumerate(terms))


def _outcome(name: str, rows: Sequence[Figures], ours: Sequence[Figures]) -> Outcome:
    def of(figure: str) -> Estimate:
        return estimate(np.array([row[figure] for row in rows]))

    def share(figure: str) -> Estimate:
        found = of(figure)
        return Estimate(found.mean, max(found.low, 0.0), min(found.high, 1.0))

    def less(figure: str) -> Estimate:
        return estimate(np.array([row[figure] - other[figure] for row, other in zip(rows, ours, strict=True)]))

    return Outcome(
        name,
        POLICIES[name].about,
        of("breaches"),
        share("within"),
        {level: share(f"within {level}") for level in LEVELS},
        of("human_minutes"),
        of("cost"),
        {figure: less(figure) for figure in ("breaches", "within", "human_minutes", "cost")} if ours else {},
    )


def _linked(streams: Sequence[Sequence[Message]]) -> Linked:
    """Of each replication the largest incident counts as the storm's; its other messages are wrongly linked."""
    true = right = wrong = incidents = single = 0
    for messages in streams:
        numbers = {one.incident for one in messages if one.incident >= 0}
        incidents += len(numbers)
        about = sum(bool(one.about) for one in messages)
        true += about
        stormy = [sum(bool(one.about) for one in messages if one.incident == n) for n in numbers]
        right += max(stormy, default=0)
        wrong += sum(one.incident >= 0 and not one.about for one in messages)
        single += len(numbers) == 1 and 2 * max(stormy) > about > 0
    linked = right + wrong
    return Linked(
        true, right, wrong, incidents, single, right / linked if linked else None, right / true if true else None
    )
