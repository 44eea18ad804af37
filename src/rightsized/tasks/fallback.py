"""What may answer after an alarm, where the owner allows it: the loosest stricter configuration without an alarm.

Each audit is also judged as every stricter configuration would have answered it. That can take a rung that was not
asked in service: it is asked afterwards, since a score depends on the text alone, and what it said is noted in the
ledger, since texts are deleted. The evidence is the chain's of `cascade`; nothing here is certified.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import msgspec

from rightsized.cascade.chain import ChainMonitor, answering_rung, nested_chain
from rightsized.cascade.monitor import MonitorPlan
from rightsized.cascade.path import Thresholds
from rightsized.core.errors import BusyError, InputError
from rightsized.core.protocols import Rung
from rightsized.core.types import Certificate, Frozen, Prediction
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.schema import EventKind, EventRow
from rightsized.tasks.queue import AuditOutcome, gave

MOST_A_LOOK = 64  # texts asked about again at one look, so that answers do not wait for it


class Said(Frozen, frozen=True):
    """What one rung said of one text; no labels where it was not asked, or failed."""

    score: float
    labels: tuple[str, ...] = ()
    asked: bool = True


class Shadow(Frozen, frozen=True):
    """What all rungs say of an audited text, asked after it was answered."""

    decision: str
    said: tuple[Said, ...]


NOT_ASKED = Said(math.nan, asked=False)


class Fallback:
    """The stricter configurations of one certificate, under watch from the start.

    Args:
        ledger: where what is found out is noted.
        certificate: its rejected configurations are the ones that may answer.
        rungs: the very rungs that answer.
        choose: called with the configuration that shall answer after the alarm, or None where none may.
    """

    def __init__(
        self,
        ledger: SqliteLedger,
        certificate: Certificate,
        rungs: Sequence[Rung],
        choose: Callable[[Thresholds | None], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger, self._certificate, self._rungs = ledger, certificate, tuple(rungs)
        self._choose, self._clock = choose, clock
        self.links = nested_chain(certificate.rejected, certificate.thresholds)
        self._shadows: dict[str, Shadow] = {}
        self._alarmed: set[Thresholds] = set()
        for event in ledger.reader.events(certificate.id):
            if event.kind == "shadow":
                self._remember(event.detail)
            elif event.kind == "stricter-alarm":
                self._alarmed.add(msgspec.json.decode(event.detail, type=Thresholds))
        self.chosen: Thresholds | None = None

    def _remember(self, detail: str) -> None:
        """Take in what was found out before this process."""
        shadow = msgspec.json.decode(detail, type=Shadow)
        self._shadows[shadow.decision] = shadow

    async def complete(self, outcomes: Sequence[AuditOutcome]) -> bool:
        """Ask the rungs that a stricter configuration needs; False where some of it is left for the next look."""
        missing = [outcome for outcome in outcomes if self._needs(outcome)]
        for outcome in missing[:MOST_A_LOOK]:
            text = self._ledger.reader.text(outcome.decision)
            try:
                said = tuple([await self._ask(rung, text) for rung in self._rungs]) if text is not None else ()
            except BusyError:
                return False
            await self._note("shadow", msgspec.json.encode(shadow := Shadow(outcome.decision, said)).decode())
            self._shadows[outcome.decision] = shadow
        return len(missing) <= MOST_A_LOOK

    async def _ask(self, rung: Rung, text: str) -> Said:
        try:
            scored = await rung.score(text)
        except InputError:
            return Said(0.0)
        return Said(scored.score if 0 <= scored.score <= 1 else 0.0, scored.prediction.labels)

    def chain(self, plan: MonitorPlan, outcomes: Sequence[AuditOutcome]) -> ChainMonitor:
        """The chain after these audits, which stand in the order of their requests. Labels are entered oldest first."""
        chain = ChainMonitor(plan, self.links)
        wanted = []
        for outcome in outcomes:
            said = self._said(outcome)
            scores = [rung.score for rung in said]
            if chain.watch(outcome.decision, scores, audit=True, probability=outcome.probability):
                wanted.append((outcome, said))
        for outcome, said in wanted:
            if outcome.label is not None:
                chain.label(outcome.decision, [gave(rung.labels, outcome.label) for rung in said])
        return chain

    async def settle(self, chain: ChainMonitor) -> None:
        """After the alarm of the configuration in force: choose what answers. An alarm of a stricter one stays, too."""
        for link, monitor in zip(chain.links, chain.monitors, strict=True):
            if monitor.alarmed and link != self.links[-1] and link not in self._alarmed:
                self._alarmed.add(link)
                await self._note("stricter-alarm", msgspec.json.encode(link).decode())
        allowed = [link for link in self.links[:-1] if link not in self._alarmed and any(t is not None for t in link)]
        self.chosen = allowed[-1] if allowed else None
        self._choose(self.chosen)

    async def _note(self, kind: EventKind, detail: str) -> None:
        certificate = self._certificate
        await self._ledger.note(EventRow(kind, certificate.task, certificate.id, self._clock(), detail))

    def _needs(self, outcome: AuditOutcome) -> bool:
        """Whether some configuration would ask a rung of which nothing is known yet."""
        if outcome.decision in self._shadows or not _counts(outcome):
            return False
        said = self._said(outcome)
        return any(_unknown(link, said) for link in self.links)

    def _said(self, outcome: AuditOutcome) -> tuple[Said, ...]:
        """What each rung said: in service, else afterwards. Nothing where another path than the tested one replied."""
        if not _counts(outcome):
            return (NOT_ASKED,) * len(self._rungs)
        found = {a.rung: _of(a.score, a.prediction) for a in outcome.reply.attempts}
        shadow = self._shadows.get(outcome.decision)
        later = shadow.said if shadow is not None and shadow.said else (NOT_ASKED,) * len(self._rungs)
        return tuple(found.get(rung.name, after) for rung, after in zip(self._rungs, later, strict=True))


def _of(score: float, prediction: Prediction | None) -> Said:
    return NOT_ASKED if prediction is None else Said(score, prediction.labels)


def _counts(outcome: AuditOutcome) -> bool:
    """Whether the thresholds decided: the promise stood or was suspended, and no rung failed."""
    reply = outcome.reply
    return reply.state in ("certified", "suspended") and all(a.prediction is not None for a in reply.attempts)


def _unknown(link: Thresholds, said: Sequence[Said]) -> bool:
    """Whether the link's answer depends on a rung that was not asked."""
    answers = answering_rung(link, [rung.score for rung in said])
    before = said[: answers if answers >= 0 else len(said)]
    return any(not rung.asked and threshold is not None for rung, threshold in zip(before, link, strict=False))
