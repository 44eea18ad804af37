"""What may answer `auto` after an alarm, where the owner allows it: the loosest stricter thresholds without an alarm.

As for tasks (tasks/fallback.py), but nothing is asked again: what a tier would have written that was not asked is not
known, and a person labels one text only. Where a stricter configuration would have answered by such a tier it counts as
wrong: with one tier below the last that never happens, with several it makes the fallback careful, never bold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rightsized.cascade.path import Thresholds
from rightsized.core.types import Attempt, Certificate
from rightsized.ledger.log import SqliteLedger
from rightsized.tasks.fallback import Fallback, Said
from rightsized.tasks.queue import AuditOutcome
from rightsized.tasks.written import RIGHT, judged

NEITHER = Said(math.nan)  # goes up under every configuration
UNKNOWN = Said(1.0)  # not asked: taken to have answered, and wrong


class ChatFallback(Fallback):
    """The stricter configurations of one cascade's certificate, under watch from the start.

    Args:
        tiers: those whose answers are checked, in order.
        choose: called with the thresholds that shall answer after the alarm, or None where none may.
    """

    def __init__(
        self,
        ledger: SqliteLedger,
        certificate: Certificate,
        tiers: Sequence[str],
        choose: Callable[[Thresholds | None], None],
    ) -> None:
        self._tiers = tuple(tiers)
        super().__init__(ledger, certificate, (), choose)

    def _remember(self, detail: str) -> None:
        """Shadow calls of this cascade are about regret, not about stricter thresholds."""

    async def complete(self, outcomes: Sequence[AuditOutcome]) -> bool:
        """Nothing is asked again."""
        return True

    def _said(self, outcome: AuditOutcome) -> tuple[Said, ...]:
        """What each checked tier said; nothing where another path than the tested one replied."""
        reply = outcome.reply
        if not (reply.certified or reply.state == "suspended"):
            return (NEITHER,) * len(self._tiers)
        by_tier = {attempt.rung: attempt for attempt in reply.attempts}
        labelled, answered = judged(reply), False
        found = []
        for tier in self._tiers:
            found.append(UNKNOWN if answered else _said_by(by_tier.get(tier), labelled))
            answered = answered or (tier in by_tier and by_tier[tier].accepted)
        return tuple(found)


def _said_by(attempt: Attempt | None, labelled: Attempt | None) -> Said:
    """A tier's score, and as its label that what it wrote is right, if that is the text a person labelled."""
    if attempt is None or attempt.completion is None:
        return NEITHER
    return Said(attempt.score, (RIGHT,) if attempt is labelled else ())
