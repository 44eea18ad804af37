"""What comes in: messages with all that chance decides about them, drawn once, so that all policies meet the same.

The assumptions behind the draws are one struct; each says where its default comes from. Those that were measured are in
benchmarks/results/triage_sla.json; minutes and shares of levels are guesses, which everybody should replace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.desk.settings import WorkSettings
from rightsized.apps.triage.records import LEVELS, Level
from rightsized.core.errors import ConfigError
from rightsized.core.frozen import Frozen
from rightsized.core.tables import meant, read_table

Generator = np.random.Generator
Floats = NDArray[np.float64]


class Assumptions(Frozen, frozen=True):
    """What the simulation is told. Minutes are of a person's time; shares are in [0, 1].

    levels: how often each level comes; take your own.
    flagged: share of the messages of each level that contain a word of urgency. A guess: the one public set that we
        know of shows no such relation.
    keyword_routed, keyword_wrong: share that keyword rules put into a queue, and share of those that is the wrong one;
        measured on the sample messages.
    routed, wrong: the same of certified labels: the lower end of the share that the sample task answers at a budget of
        5%, and that budget in full.
    sort_minutes: to read a message and put it into a queue by hand. rework_minutes: lost on one in the wrong queue.
    repeat_minutes: mean handling of a message like one that was answered already, by whoever answers it by hand.
    reply_minutes: to answer a member of an incident with the answer that is there.
    """

    levels: Mapping[Level, float] = msgspec.field(
        default_factory=lambda: {"urgent": 0.05, "high": 0.15, "normal": 0.6, "low": 0.2}
    )
    flagged: Mapping[Level, float] = msgspec.field(
        default_factory=lambda: {"urgent": 0.5, "high": 0.3, "normal": 0.1, "low": 0.05}
    )
    keyword_routed: float = 0.54
    keyword_wrong: float = 0.1
    routed: float = 0.78
    wrong: float = 0.05
    sort_minutes: float = 1.5
    rework_minutes: float = 5.0
    repeat_minutes: float = 2.0
    reply_minutes: float = 0.3

    def __post_init__(self) -> None:
        shares = (self.keyword_routed, self.keyword_wrong, self.routed, self.wrong, *self.flagged.values())
        if not all(0 <= one <= 1 for one in shares):
            raise ValueError("shares must be in [0, 1]")
        if min(self.sort_minutes, self.rework_minutes, self.repeat_minutes, self.reply_minutes) < 0:
            raise ValueError("minutes must be at least 0")
        if set(self.levels) != set(LEVELS) or abs(sum(self.levels.values()) - 1) > 1e-6:
            raise ValueError(f"levels must give a share to each of {', '.join(LEVELS)}, 1 together")


class Coming(Frozen, frozen=True):
    """A message as a stream brings it, before chance decides about the rest.

    `level` and `flagged` are None where the stream does not say. `about` names what really happened, of the messages of
    a storm; `text` is what their likeness is judged by.
    """

    at: float
    queue: str = ""
    level: Level | None = None
    flagged: bool | None = None
    text: str = ""
    about: str = ""


class Message(Frozen, frozen=True):
    """A message with all that is decided about it. `level` and `minutes` are true, and hidden from policies.

    `flagged`: it has a word of urgency. `keyword` and `label`: where keyword rules and certified labels put it.
    `incident` is the number of the incident it was recognised as part of, from `linked` on; -1: none.
    """

    at: float
    queue: str
    level: Level
    minutes: float
    flagged: bool
    keyword: str
    label: str
    chances: tuple[float, ...]
    about: str = ""
    incident: int = -1
    linked: float = 0.0


def assumptions(values: Sequence[str]) -> Assumptions:
    """The defaults with `name=value` in their place, such as `sort_minutes=2` or `levels.urgent=0.1`.

    Raises ConfigError.
    """
    table = msgspec.to_builtins(Assumptions())
    for text in values:
        name, _, value = text.partition("=")
        outer, _, inner = name.strip().partition(".")
        try:
            number = float(value)
        except ValueError:
            raise ConfigError(f"{text!r} gives no number.", fix="Write for instance sort_minutes=2.") from None
        if inner:
            within = table.get(outer)
            if not isinstance(within, dict) or inner not in within:
                known = [f"{one}.{level}" for one in ("levels", "flagged") for level in LEVELS]
                raise ConfigError(f"Unknown assumption {name.strip()!r}.", fix=meant(name, known))
            within[inner] = number
        else:
            table[outer] = number
    return read_table(Assumptions, table, "assumptions")


NOWHERE, RIGHT, WRONG = "nowhere", "right", "wrong"


def decide(stream: Sequence[Coming], given: Assumptions, work: WorkSettings, rng: Generator) -> tuple[Message, ...]:
    """Draw what the stream does not say. Handling minutes are gamma distributed."""
    found: list[Message] = []
    told: set[str] = set()
    uniform = rng.random((len(stream), 6))
    shape = 1 / work.variation**2
    minutes = rng.gamma(shape, work.minutes / shape, len(stream))
    shares = np.cumsum([given.levels[level] for level in LEVELS])
    for one, draw, handling in zip(stream, uniform, minutes, strict=True):
        repeat = given.repeat_minutes / work.minutes if one.about in told else 1.0
        told |= {one.about} - {""}
        level = one.level or LEVELS[min(int(np.searchsorted(shares, draw[0])), len(LEVELS) - 1)]
        flagged = bool(draw[1] < given.flagged[level]) if one.flagged is None else one.flagged
        found.append(
            Message(
                one.at,
                one.queue,
                level,
                float(handling) * repeat,
                flagged,
                _placed(draw[2], draw[3], given.keyword_routed, given.keyword_wrong),
                _placed(draw[4], draw[5], given.routed, given.wrong),
                posterior(flagged, given),
                one.about,
            )
        )
    return tuple(found)


def posterior(flagged: bool, given: Assumptions) -> tuple[float, ...]:
    """Chances of the levels given whether a message has a word of urgency (Bayes), in the order of LEVELS.

    Nothing else is assumed to tell levels apart: no public data shows that a model could. On labels of one's own a
    model may, and then says more.
    """
    likely = [given.levels[level] * (given.flagged[level] if flagged else 1 - given.flagged[level]) for level in LEVELS]
    total = sum(likely)
    return tuple(one / total for one in likely) if total else tuple(given.levels[level] for level in LEVELS)


def _placed(by: float, right: float, routed: float, wrong: float) -> str:
    if by >= routed:
        return NOWHERE
    return WRONG if right < wrong else RIGHT
