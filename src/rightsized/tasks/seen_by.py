"""Who was given the text of a request, read off its decision."""

from __future__ import annotations

from rightsized.core.types import Attempt, Decision

NOBODY = "nobody"
UNKNOWN = "not on record"  # no end yet, or a failure of before attempts were kept


def was_asked(attempt: Attempt) -> bool:
    """Whether this rung or tier was given the text; a rule that kept it out, or a skip, leaves it unasked."""
    return bool(attempt.completion or attempt.prediction) or attempt.reason.startswith("failed")


def seen_by(one: Decision) -> tuple[str, ...]:
    """The rungs and tiers that were given the text, in order."""
    if one.tried is None:
        return (UNKNOWN,)
    return tuple(dict.fromkeys(attempt.rung for attempt in one.tried if was_asked(attempt))) or (NOBODY,)
