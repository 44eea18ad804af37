"""Reads a home for the audit report: the log, its proofs, certificates, model cards and settings. Read-only.

A server may go on writing meanwhile; decisions that come later than the end of the period are left out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from rightsized import __version__
from rightsized.core.config import Config
from rightsized.core.egress import JOURNAL, is_loopback, read_journal
from rightsized.core.errors import NotFoundError, RightsizedError
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Certificate, Decision, State
from rightsized.ledger.publish import sink_status
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.ledger.schema import EventRow, ReviewRow, decode_event, decode_review
from rightsized.ledger.verify import verify
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.accesses import looked
from rightsized.tasks.chat_cascade import gateways
from rightsized.tasks.compliance.records import (
    AuditReport,
    CertificateFacts,
    Happening,
    LogFacts,
    ModelFacts,
    Oversight,
)
from rightsized.tasks.compliance.tally import Tally
from rightsized.tasks.governance import KeyFacts, PolicyFact
from rightsized.tasks.leaving import opened
from rightsized.tasks.log_trust import home_keys
from rightsized.tasks.versions import TaskStore
from rightsized.tasks.written import WRONG

PAGE = 1000  # decisions read at a time
MOST_REVIEWERS = 200  # named; a longer list is cut
_ALARMS = ("alarm", "stricter-alarm")
_SHOWN = (*_ALARMS, "log-key", "erased", "retention", "policy", "keys")
MEANINGS = {
    "alarm": "the promise was found broken",
    "stricter-alarm": "a stricter setting was found broken, too",
    "log-key": "another key signs the record from here on",
    "erased": "a person's data were made unreadable",
    "retention": "texts were deleted by age",
    "policy": "another policy is in force",
    "keys": "keys were made, changed or revoked",
}


@dataclass(frozen=True)
class Asked:
    """The period of a report, seconds since the epoch: `since` is included, `until` is not.

    `check`: whether every entry of the record is checked first, which reads the whole of it.
    """

    since: float
    until: float
    check: bool = True


def gather(config: Config, asked: Asked, progress: Progress = no_progress) -> AuditReport:
    """Everything the report says.

    Raises NotFoundError where this home has no record; StoreError where it cannot be read.
    """
    home = Home(config.home)
    if not home.decisions.is_file():
        raise NotFoundError(
            f"There is no record of decisions in {home.path}.",
            fix="It begins with the first recorded request: rightsized serve",
        )
    with ExitStack() as stack:
        log = _log(home, config, asked, progress)
        reader = stack.enter_context(LedgerReader(home.decisions))
        tally = Tally(_places(config))
        total = reader.count(Search(since=asked.since, until=asked.until))
        for number, one in enumerate(_decisions(reader, asked), start=1):
            tally.add(one)
            if number % PAGE == 0 or number == total:
                progress("decisions", number, total)
        events = list(_events(reader, asked))
        journal = read_journal(home.path / JOURNAL, asked.since)
        return AuditReport(
            created=time.time(),
            since=asked.since,
            until=asked.until,
            code_version=__version__,
            log=structs.replace(log, **_ends(reader)),
            outcomes=tally.outcomes,
            dry_runs=tally.dry_runs,
            tasks=tally.tasks(),
            rungs=tally.rungs(),
            certificates=tuple(_certificates(home, reader, tally.answers)),
            models=tuple(_models(home)),
            oversight=_oversight(reader, asked),
            policies=tuple(sorted(tally.policies)),
            rules=tally.rules(),
            events=tuple(_happening(event) for event in events),
            departures=tally.departures(),
            opened=tuple(opened([one for one in journal if one.at < asked.until])),
            allowed=config.egress.allow,
            detected=dict(tally.detected.most_common()),
            classes=dict(tally.classes.most_common()),
            failures=dict(tally.failures.most_common()),
            looked=looked(reader, asked.since, asked.until),
            sinks=sink_status(reader.query, config.ledger.sinks),
        )


def _log(home: Home, config: Config, asked: Asked, progress: Progress) -> LogFacts:
    kept = LogFacts(
        origin="",
        entries=0,
        unaltered=None,
        findings=(),
        key="",
        checkpoint="",
        first=None,
        last=None,
        text_days=config.record.text_days,
        labelled_text_days=max(config.record.labelled_text_days, config.record.text_days),
    )
    if not asked.check:
        return kept
    trusted = home_keys(home, home.decisions)
    found = verify(home.decisions, trusted=trusted, journal=home.path / JOURNAL, progress=progress)
    return structs.replace(
        kept,
        origin=found.origin,
        entries=found.entries,
        unaltered=found.ok,
        findings=tuple(finding.words for finding in found.findings),
        key=found.key,
        checkpoint=found.checkpoint,
    )


def _ends(reader: LedgerReader) -> dict[str, float | None]:
    first, last = reader.query("SELECT min(started), max(started) FROM starts")[0]
    return {"first": first, "last": last}


def _decisions(reader: LedgerReader, asked: Asked) -> Iterator[Decision]:
    """Decisions of the period, newest first, a page at a time."""
    search = Search(since=asked.since, until=asked.until)
    before: str | None = None
    while page := reader.search(search, limit=PAGE, before=before):
        yield from page
        before = page[-1].id


def _events(reader: LedgerReader, asked: Asked) -> Iterator[EventRow]:
    sql = "SELECT record FROM events WHERE created >= ? AND created < ? ORDER BY seq"
    for (record,) in reader.query(sql, (asked.since, asked.until)):
        event = decode_event(record)
        if event.kind in _SHOWN:
            yield event


def _happening(event: EventRow) -> Happening:
    said = event.detail if event.kind == "alarm" else ""
    if event.kind == "policy":
        said = msgspec.json.decode(event.detail, type=PolicyFact).digest
    elif event.kind == "keys":
        said = msgspec.json.decode(event.detail, type=KeyFacts).words
    words = f"{MEANINGS[event.kind]}{': ' if said else ''}{said}"
    return Happening(event.kind, event.task or event.certificate, event.created, words)


def _places(config: Config) -> dict[str, tuple[bool, str]]:
    """Tiers as the settings say now: whether a text stays on this machine, and the host."""
    places = {}
    for tier in config.tiers:
        host = urlsplit(tier.url).hostname or ""
        places[tier.name] = (is_loopback(host), "" if is_loopback(host) else host)
    return places


def _certificates(home: Home, reader: LedgerReader, answers: Counter[str]) -> Iterator[CertificateFacts]:
    """Every certificate on disk, those of versions no longer in force included; those in force first."""
    found = []
    for store in (TaskStore(home), gateways(home)):
        for name in store.names():
            current = store.current(name)
            for version in store.versions(name):
                try:
                    proof = store.read(name, "certificate.json", Certificate, version)
                except RightsizedError:
                    continue  # a version that holds none, or one that cannot be read: `certificate verify` says why
                found.append(_certificate(reader, proof, version, in_force=version == current, answers=answers))
    yield from sorted(found, key=lambda one: (not one.in_force, one.task, one.created))


def _certificate(
    reader: LedgerReader, proof: Certificate, version: str, *, in_force: bool, answers: Counter[str]
) -> CertificateFacts:
    alarms = sum(event.kind == "alarm" for event in reader.events(proof.id))
    state: State = "suspended" if alarms and proof.state == "certified" else proof.state
    return CertificateFacts(
        id=proof.id,
        task=proof.task,
        version=version,
        in_force=in_force,
        state=state,
        sentence=proof.sentence,
        created=proof.created,
        expires=proof.expires,
        answers=answers[proof.id],
        alarms=alarms,
    )


def _models(home: Home) -> Iterator[ModelFacts]:
    for card in ModelStore(home).list():
        yield ModelFacts(
            name=card.name,
            digest=card.digest,
            architecture=card.architecture,
            parameters=card.parameters,
            licence=card.licence,
            source=card.source,
            languages=card.languages,
            context=card.context,
        )


def _oversight(reader: LedgerReader, asked: Asked) -> Oversight:
    sql = "SELECT record FROM reviews WHERE created >= ? AND created < ? ORDER BY seq"
    rows = [decode_review(record) for (record,) in reader.query(sql, (asked.since, asked.until))]
    given = [row for row in rows if row.retracts is None]
    return Oversight(
        reviewers=tuple(sorted({row.reviewer for row in rows if row.reviewer})[:MOST_REVIEWERS]),
        decided=sum(row.kind == "abstained" for row in given),
        audits=sum(row.kind == "audit" for row in given),
        corrections=sum(row.kind == "feedback" for row in given),
        overrides=sum(_overrides(reader.get(row.decision), row) for row in given),
        retracted=len(rows) - len(given),
        waiting=int(reader.query("SELECT count(*) FROM waiting")[0][0]),
    )


def _overrides(one: Decision | None, row: ReviewRow) -> bool:
    """Whether a person said other than the model. A written answer is overridden where it was called wrong."""
    if one is None or one.reply is None:
        return False
    suggested = one.reply.suggestion
    return row.label != suggested.label if suggested else row.label == WRONG
