"""The watch over a promise of regret: would the last tier have been right where an audited answer was wrong?

Only then is the last tier asked, afterwards, about the request as it was: a shadow call, which costs money and sends
the prompt there, under the rules that bound the request itself. Its answer is a decision of its own, which a person
labels like any audit. What stands on record of such calls, and what follows from it, is in `shadows`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

import msgspec

from rightsized.core.errors import RightsizedError
from rightsized.core.generation import Generation
from rightsized.core.protocols import Answerer
from rightsized.core.types import Certificate, Frozen, Reply, Request
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.recorded import Coin, Recorded
from rightsized.ledger.schema import EventRow
from rightsized.tasks.answer_tests import taken_apart
from rightsized.tasks.queue import AuditOutcome
from rightsized.tasks.shadows import calls_of, next_call, shadow_id, wants

MOST_A_LOOK = 16  # shadow calls at one look at the audits, so that the look does not wait for long
AT_ONCE = 4
REMEMBERED = 10_000  # audits under way whose rules are still to be noted
MOST_WAIT_S = 300.0  # for one shadow call
VERSION = "regret"  # under which shadow calls are recorded: they count as requests of no certificate


class AskedUnder(Frozen, frozen=True):
    """The rules that bound an audited request, noted when it was answered: they bind the shadow call too."""

    decision: str
    region: str = ""
    roles: tuple[str, ...] = ()


def rules_of(reader: LedgerReader, certificate: str) -> dict[str, AskedUnder]:
    """The rules noted so far, by decision."""
    rules = [
        msgspec.json.decode(event.detail, type=AskedUnder)
        for event in reader.events(certificate)
        if event.kind == "shadow"
    ]
    return {rule.decision: rule for rule in rules}


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
        self._recorded = Recorded(answerer, ledger, coin=every, version=VERSION, clock=clock)
        self._ledger, self._certificate, self._thrown, self._clock = ledger, certificate, coin, clock
        self._audited: OrderedDict[str, None] = OrderedDict()
        self._rules = rules_of(ledger.reader, certificate.id)
        self._again = float("inf")

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

    @property
    def noted(self) -> Collection[str]:
        """Decisions whose rules were noted."""
        return self._rules.keys()

    @property
    def due(self) -> bool:
        """Whether a call that observed nothing is to be made again by now."""
        return self._again <= self._clock()

    async def ask(self, outcomes: Sequence[AuditOutcome]) -> bool:
        """Make the shadow calls that are due; False where some are left for the next look.

        Args:
            outcomes: all audits of the task, as people labelled them.
        """
        now, self._again = self._clock(), float("inf")
        wanted = []
        for outcome in outcomes:
            calls, due = self._planned(outcome)
            if due is not None and due <= now:
                wanted.append((outcome, calls + 1))
            elif due is not None:
                self._again = min(self._again, due)
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(outcome: AuditOutcome, number: int) -> None:
            async with gate:
                await self._ask(outcome, number)

        await asyncio.gather(*(one(*each) for each in wanted[:MOST_A_LOOK]))
        return len(wanted) <= MOST_A_LOOK

    def _planned(self, outcome: AuditOutcome) -> tuple[int, float | None]:
        """How many calls were made about an audit, and when the next is due; None where none is."""
        if not wants(outcome, self._certificate) or outcome.decision not in self._rules:
            return 0, None
        calls = calls_of(self._ledger.reader, outcome.decision)
        due = next_call(calls, self._certificate.rungs[-1])
        if due is not None and self._ledger.reader.text(outcome.decision) is None:
            return len(calls), None  # retention has deleted the prompt
        return len(calls), due

    async def _ask(self, outcome: AuditOutcome, number: int) -> None:
        reader, rule = self._ledger.reader, self._rules[outcome.decision]
        decision, body = reader.get(outcome.decision), reader.text(outcome.decision)
        if decision is None or decision.data_class is None or body is None:
            return  # retention has deleted the prompt
        asked, tests = taken_apart(msgspec.json.decode(body))
        generation = Generation(
            "chat" if "messages" in asked else "completions",
            asked,
            model=self._certificate.rungs[-1],
            data_class=decision.data_class,
            region=rule.region,
            deadline=time.monotonic() + MOST_WAIT_S,
            tests=tests,
        )
        request = Request(
            task=decision.task,
            text=body,
            id=shadow_id(outcome.decision, number),
            generation=generation,
            tenant=decision.tenant,
            roles=rule.roles,
            trace=[],
        )
        try:
            await self._recorded.answer(request)
        except RightsizedError:
            return  # refused or down: it is on record as failed, and nothing was observed
