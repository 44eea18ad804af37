"""Shadow calls as they stand on record: which the last tier itself answered, which failed, which may be made yet.

A call that failed, was refused or was answered by another tier in its place has observed nothing. It is made again, a
bounded number of times; after that its audit is missing. A missing audit is neither right nor wrong: the watch counts
it as an audit without an answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from rightsized.core.types import Certificate, Decision, Reply
from rightsized.ledger.reader import LedgerReader
from rightsized.tasks.queue import AuditOutcome
from rightsized.tasks.written import RIGHT, WRONG

WAITS_S = (60.0, 3600.0)  # from the start of a call that observed nothing to the next: outages are short, or longer
TRIES = 1 + len(WAITS_S)
_SUFFIX = "-last"


def shadow_id(decision: str, number: int = 1) -> str:
    """The decision under which a call to the last tier about an audited request is recorded; calls count from 1."""
    return f"{decision}{_SUFFIX}" if number == 1 else f"{decision}{_SUFFIX}-{number}"


def observed(reply: Reply | None, last: str) -> bool:
    """Whether this is an answer of the last tier, and not of one that stood in for it."""
    return reply is not None and reply.completion is not None and reply.rung == last


def calls_of(reader: LedgerReader, decision: str) -> list[Decision]:
    """The calls made so far, in order."""
    found = []
    for number in range(1, TRIES + 1):
        call = reader.get(shadow_id(decision, number))
        if call is None:
            break
        found.append(call)
    return found


def next_call(calls: list[Decision], last: str) -> float | None:
    """When the next call is due, in seconds since the epoch; None where one was answered or none may be made."""
    if any(observed(call.reply, last) for call in calls) or len(calls) >= TRIES:
        return None
    return calls[-1].started + WAITS_S[len(calls) - 1] if calls else 0.0


def label_of_last(decision: str, audits: Mapping[str, AuditOutcome], last: str) -> str | None:
    """What was said of the last tier's answer; None while nobody has, or there is none.

    Args:
        audits: all audits of the task by decision, shadow calls included.
    """
    found = (audits.get(shadow_id(decision, number)) for number in range(1, TRIES + 1))
    return next((one.label for one in found if one is not None and observed(one.reply, last)), None)


def with_regret(outcome: AuditOutcome, last: str | None) -> str | None:
    """The label of an audit as a promise of regret counts it.

    Args:
        last: the label of the last tier's answer; None where there is none.
    """
    if outcome.label != WRONG or not outcome.local or last == RIGHT:
        return outcome.label
    return None if last is None else RIGHT


def wants(outcome: AuditOutcome, certificate: Certificate) -> bool:
    """Whether an audit under this certificate says nothing without the last tier's answer."""
    return outcome.reply.certificate == certificate.id and outcome.local and outcome.label == WRONG


def missing(
    reader: LedgerReader, outcomes: Iterable[AuditOutcome], certificate: Certificate, noted: Collection[str]
) -> int:
    """Audited wrong answers of which it will never be known whether the last tier was right.

    Every call failed, or none can be made: the prompt was deleted before, or its rules were not noted.

    Args:
        outcomes: all audits of the task.
        noted: decisions whose rules were noted.
    """
    last, lost = certificate.rungs[-1], 0
    for outcome in outcomes:
        if not wants(outcome, certificate):
            continue
        calls = calls_of(reader, outcome.decision)
        if any(observed(call.reply, last) for call in calls):
            continue
        askable = outcome.decision in noted and reader.text(outcome.decision) is not None
        lost += len(calls) >= TRIES or not askable
    return lost
