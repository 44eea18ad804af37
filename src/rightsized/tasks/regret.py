"""The watch over a promise of regret: would the last tier have been right where an audited answer was wrong?

Only then is the last tier asked, afterwards, about the request as it was: a shadow call, which costs money and sends
the prompt there, under the rules that bound the request itself. Its answer is a decision of its own, which a person
labels like any audit. Whatever cannot be asked counts as right: no false alarm comes of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from rightsized.core.errors import RightsizedError
from rightsized.core.generation import Generation
from rightsized.core.protocols import Answerer
from rightsized.core.types import Certificate, Frozen, Reply, Request
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.recorded import Coin, Recorded
from rightsized.ledger.schema import EventRow
from rightsized.tasks.queue import AuditOutcome
from rightsized.tasks.written import RIGHT, WRONG

MOST_A_LOOK = 16  # shadow calls at one look at the audits, so that the look does not wait for long
AT_ONCE = 4
REMEMBERED = 10_000  # audits under way whose rules are still to be noted
MOST_WAIT_S = 300.0  # for one shadow call
VERSION = "regret"  # under which shadow calls are recorded: they count as requests of no certificate
_SUFFIX = "-last"


class AskedUnder(Frozen, frozen=True):
    """The rules that bound an audited request, noted when it was answered: they bind the shadow call too."""

    decision: str
    region: str = ""
    roles: tuple[str, ...] = ()


def shadow_id(decision: str) -> str:
    """The decision under which the last tier's answer to an audited request is recorded."""
    return decision + _SUFFIX


def with_regret(outcome: AuditOutcome, last: str | None) -> AuditOutcome:
    """The audit as a promise of regret counts it. `last`: the label of the last tier's answer, None without one."""
    if outcome.label != WRONG or not outcome.local or last == RIGHT:
        return outcome
    return msgspec.structs.replace(outcome, label=None if last is None else RIGHT)


def every(decision: str, conversation: str) -> tuple[bool, float]:
    """A coin that always audits: a shadow call is made to be labelled."""
    return True, 1.0


class Regret:
    """Asks the last tier about audited answers that were wrong.

    Args:
        answerer: what answers requests, rules included; it is asked for the last tier by name.
        ledger: where shadow calls are recorded, and the rules of audited requests noted.
        coin: the audit coin; `coin` of this object is to be thrown in its place.
    """

    def __init__(
        self,
        answerer: Answerer,
        ledger: SqliteLedger,
        certificate: Certificate,
        coin: Coin,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._recorded = Recorded(answerer, ledger, coin=every, version=VERSION)
        self._ledger, self._certificate, self._thrown, self._clock = ledger, certificate, coin, clock
        self._audited: OrderedDict[str, None] = OrderedDict()
        self._rules: dict[str, AskedUnder] = {}
        for event in ledger.reader.events(certificate.id):
            if event.kind == "shadow":
                rule = msgspec.json.decode(event.detail, type=AskedUnder)
                self._rules[rule.decision] = rule

    def coin(self, decision: str, conversation: str) -> tuple[bool, float]:
        """The audit coin's throw, remembered until the request is answered."""
        audit, probability = self._thrown(decision, conversation)
        if audit:
            self._audited[decision] = None
            while len(self._audited) > REMEMBERED:
                self._audited.popitem(last=False)
        return audit, probability

    async def note(self, request: Request, reply: Reply) -> None:
        """Note the rules of an audited request answered under the promise. Raises StoreError, DiskFullError."""
        if reply.id not in self._audited:
            return
        del self._audited[reply.id]
        if not reply.certified or request.generation is None:
            return
        rule = AskedUnder(reply.id, request.generation.region, request.roles)
        self._rules[reply.id] = rule
        detail = msgspec.json.encode(rule).decode()
        certificate = self._certificate
        await self._ledger.note(EventRow("shadow", certificate.task, certificate.id, self._clock(), detail))

    async def ask(self, outcomes: Sequence[AuditOutcome]) -> bool:
        """Make the shadow calls that are missing; False where some are left for the next look.

        Args:
            outcomes: all audits of the task, as people labelled them.
        """
        wanted = [one for one in outcomes if self._needs(one)]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(outcome: AuditOutcome) -> None:
            async with gate:
                await self._ask(outcome)

        await asyncio.gather(*(one(outcome) for outcome in wanted[:MOST_A_LOOK]))
        return len(wanted) <= MOST_A_LOOK

    def _needs(self, outcome: AuditOutcome) -> bool:
        own = outcome.reply.certificate == self._certificate.id and outcome.local and outcome.label == WRONG
        return own and outcome.decision in self._rules and self._ledger.reader.get(shadow_id(outcome.decision)) is None

    async def _ask(self, outcome: AuditOutcome) -> None:
        reader, rule = self._ledger.reader, self._rules[outcome.decision]
        decision, body = reader.get(outcome.decision), reader.text(outcome.decision)
        if decision is None or decision.data_class is None or body is None:
            return  # retention has deleted the prompt
        asked = msgspec.json.decode(body)
        generation = Generation(
            "chat" if "messages" in asked else "completions",
            asked,
            model=self._certificate.rungs[-1],
            data_class=decision.data_class,
            region=rule.region,
            deadline=time.monotonic() + MOST_WAIT_S,
        )
        request = Request(
            task=decision.task,
            text=body,
            id=shadow_id(outcome.decision),
            generation=generation,
            tenant=decision.tenant,
            roles=rule.roles,
            trace=[],
        )
        try:
            await self._recorded.answer(request)
        except RightsizedError:
            return  # refused or down: it is on record as failed, and counts as right
