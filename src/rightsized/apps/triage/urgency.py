"""What is known of how urgent a message is, small enough to stand beside each that waits. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rightsized.apps.triage.records import LEVELS, Handled, Level
from rightsized.core.frozen import Frozen

PRIORITY = "priority"  # the role of a task that says how urgent a message is


class Urgency(Frozen, frozen=True):
    """The level that was given, who gave it, and how sure. `scores` are a task's probabilities; None: no task said."""

    level: Level
    by: Literal["rules", "model", "default"] = "default"
    confidence: float = 1.0
    scores: Mapping[Level, float] | None = None


def urgency_of(handled: Handled) -> Urgency:
    """From its priority, and from what a task of that role said."""
    said = handled.labels.get(PRIORITY)
    scores = {one.label: one.probability for one in said.suggested} if said is not None else {}
    known = {level: scores[level] for level in LEVELS if level in scores}
    one = handled.priority
    return Urgency(one.level, one.by, one.confidence, known if scores else None)
