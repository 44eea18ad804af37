"""Feeds the labels of coin audits to the monitor, in the order of the requests, and keeps an alarm once it has sounded.

The monitor is built afresh from the ledger at each look: so late labels, corrected ones and restarts need no care. An
alarm is written to the ledger and stays, whatever is relabelled afterwards; only a new certificate ends it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from rightsized.cascade.chain import ChainMonitor
from rightsized.cascade.monitor import Monitor, MonitorPlan, Reading
from rightsized.core.config import AuditConfig
from rightsized.core.types import Certificate
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import EventRow, decode_event
from rightsized.tasks.fallback import Fallback
from rightsized.tasks.judged import judge_of
from rightsized.tasks.queue import AuditOutcome, ReviewQueue
from rightsized.tasks.records import MonitorStatus
from rightsized.tasks.regret import Regret
from rightsized.tasks.shadows import label_of_last, missing, with_regret

log = logging.getLogger("rightsized.promise")


class AuditWatch:
    """Watches the promise of one certificate.

    Args:
        ledger: where decisions and labels are, and where an alarm is written.
        certificate: what is watched; only a `certified` one makes a promise.
        audit: the coin's rate and the chance of a false alarm.
        on_alarm: called with the reason, in words, once the alarm has sounded, and again after each restart.
        fallback: what may answer after the alarm; None where nothing may, or everything goes on.
        regret: asks the last tier where a wrong answer counts only if that tier would have been right.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        ledger: SqliteLedger,
        certificate: Certificate,
        audit: AuditConfig,
        *,
        on_alarm: Callable[[str], None],
        fallback: Fallback | None = None,
        regret: Regret | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._queue = ReviewQueue(ledger.reader)
        self._certificate = certificate
        self._plan = monitor_plan(certificate, audit)
        self._on_alarm = on_alarm
        self._fallback, self._regret = fallback, regret
        self._clock = clock
        self._seen: tuple[int, int] | None = None  # last rows of ends and reviews at the last look
        self.status: MonitorStatus | None = None
        self.alarm = standing_alarm(ledger.reader, certificate.id)
        if self.alarm is not None:
            on_alarm(self.alarm.detail)

    async def refresh(self) -> MonitorStatus | None:
        """Look at all audits again; None where there is no promise to watch, or no coin is thrown.

        Cheap where nothing was recorded since the last look. Reads and reckons in another thread.
        """
        if self._plan is None:
            return None
        marks = await asyncio.to_thread(self._marks)
        if marks != self._seen or (self._regret is not None and self._regret.due):
            found = await asyncio.to_thread(self._queue.audit_outcomes, self._certificate.task)
            outcomes = outcomes_of(found, self._certificate)
            whole = self._fallback is None or await self._fallback.complete(outcomes)
            whole = (self._regret is None or await self._regret.ask(by_kind(found, self._certificate))) and whole
            status, chain = await asyncio.to_thread(self._look, self._plan, outcomes)
            if self._regret is not None:
                status = with_missing(status, await asyncio.to_thread(self._missing, found))
            if status.alarmed and self.alarm is None:
                await self._sound(status)
            if chain is not None and self._fallback is not None and self.alarm is not None and whole:
                await self._fallback.settle(chain)
                status = msgspec.structs.replace(status, fallback=self._fallback.chosen)
            self.status, self._seen = status, marks if whole else None
        return self.status

    def _marks(self) -> tuple[int, int]:
        row = self._ledger.reader.query(
            "SELECT coalesce((SELECT max(seq) FROM ends), 0), coalesce((SELECT max(seq) FROM reviews), 0)"
        )[0]
        return row[0], row[1]

    def _look(self, plan: MonitorPlan, outcomes: list[AuditOutcome]) -> tuple[MonitorStatus, ChainMonitor | None]:
        chain = self._fallback.chain(plan, outcomes) if self._fallback else None
        status = status_of(chain.deployed.reading()) if chain else monitor_status(plan, outcomes)
        return (status if self.alarm is None else msgspec.structs.replace(status, alarmed=True)), chain

    def _missing(self, found: Sequence[AuditOutcome]) -> int:
        noted = self._regret.noted if self._regret is not None else ()
        return missing(self._ledger.reader, by_kind(found, self._certificate), self._certificate, noted)

    async def _sound(self, status: MonitorStatus) -> None:
        regret = f" where {self._certificate.rungs[-1]} was right" if self._certificate.loss == "regret" else ""
        detail = (
            f"{status.wrong} of {status.audits} audited answers were wrong{regret}: the error rate was above "
            f"{self._certificate.epsilon:g} at some time (evidence {status.e_value:.1f}, alarm at {status.alarm_at:g})."
        )
        about = {"task": self._certificate.task, "certificate": self._certificate.id, "reason": detail}
        log.error("The monitor raised an alarm", extra=about)
        self._on_alarm(detail)  # stop first: the promise is gone whether or not the row can be written
        alarm = EventRow("alarm", self._certificate.task, self._certificate.id, self._clock(), detail)
        await self._ledger.note(alarm)
        self.alarm = alarm


def monitor_plan(certificate: Certificate, audit: AuditConfig) -> MonitorPlan | None:
    """What to watch; None where nothing was certified, or no coin is thrown.

    Nor is there anything where a wrong answer counts only if the last tier would have been right, and that tier may not
    be asked (`audit.last_tier`): a person who sees one answer cannot tell, and labels of errors alone would sound false
    alarms.
    """
    watched = certificate.loss == "error" or (certificate.loss == "regret" and audit.last_tier)
    if certificate.state != "certified" or not watched or audit.rate <= 0:
        return None
    return MonitorPlan(certificate.promise, certificate.epsilon, audit.alarm_delta, audit.rate)


def by_kind(found: Sequence[AuditOutcome], certificate: Certificate) -> list[AuditOutcome]:
    """The audits with the labels that count: a promise about a judge is watched by that judge's only."""
    judge = judge_of(certificate.label_kind)
    return [o if not judge or o.reviewer == judge else msgspec.structs.replace(o, label=None) for o in found]


def outcomes_of(found: Sequence[AuditOutcome], certificate: Certificate) -> list[AuditOutcome]:
    """Of all audits of a task, those under this certificate, labelled as its promise counts.

    Under `regret` a wrong answer is labelled right where the last tier's was wrong too, and has no label while nobody
    has said, or where that tier could not be asked.
    """
    counted = by_kind(found, certificate)
    own = [o for o in counted if o.reply.certificate == certificate.id]
    if certificate.loss != "regret":
        return own
    audits, last = {o.decision: o for o in counted}, certificate.rungs[-1]
    labels = [with_regret(o, label_of_last(o.decision, audits, last)) for o in own]
    return [msgspec.structs.replace(o, label=label) for o, label in zip(own, labels, strict=True)]


def monitor_status(plan: MonitorPlan, outcomes: list[AuditOutcome]) -> MonitorStatus:
    """The monitor after these audits, which stand in the order of their requests. Labels are entered oldest first."""
    monitor = Monitor(plan)
    wanted = [
        outcome
        for outcome in outcomes
        if monitor.watch(
            outcome.decision,
            local=outcome.local and outcome.reply.certified,
            audit=True,
            probability=outcome.probability,
        )
    ]
    for outcome in wanted:
        if outcome.wrong is not None:
            monitor.label(outcome.decision, wrong=outcome.wrong)
    return status_of(monitor.reading())


def with_missing(status: MonitorStatus, lost: int) -> MonitorStatus:
    """The status with the audits that will never be known apart from those that wait for a person."""
    return msgspec.structs.replace(status, waiting=status.waiting - lost, missing=lost)


def status_of(reading: Reading) -> MonitorStatus:
    """A monitor's reading, as users see it."""
    return MonitorStatus(
        audits=reading.audits - reading.waiting,
        wrong=reading.wrong,
        waiting=reading.waiting,
        e_value=reading.e_value,
        alarm_at=reading.alarm_at,
        alarmed=reading.alarmed,
        messages_to_detection=reading.messages_to_detection,
        if_waiting_wrong=reading.if_waiting_wrong,
    )


def alarms_of(reader: LedgerReader, task: str) -> list[EventRow]:
    """All alarms that sounded for a task, under whatever certificate, oldest first."""
    sql = "SELECT record FROM events WHERE task = ? AND kind = 'alarm' ORDER BY seq"
    return [decode_event(record) for (record,) in reader.query(sql, (task,))]


def alarm_over(reader: LedgerReader, certificate: Certificate, made: Mapping[str, float]) -> EventRow | None:
    """The alarm that voids this certificate, if one does: its own, or a later certificate's of the same task.

    Whatever ended the later promise (traffic that changed, as a rule), an older one was made before it. So going back
    to an earlier version brings no promise back; only fresh labels do.

    Args:
        made: when the certificates still kept were made, by id; one that is gone counts as made when its alarm sounded.
    """
    return next(
        (
            alarm
            for alarm in reversed(alarms_of(reader, certificate.task))
            if alarm.certificate == certificate.id or made.get(alarm.certificate, alarm.created) > certificate.created
        ),
        None,
    )


def standing_alarm(reader: LedgerReader, certificate: str) -> EventRow | None:
    """The alarm that sounded under this certificate, if one did."""
    return next((event for event in reader.events(certificate) if event.kind == "alarm"), None)
