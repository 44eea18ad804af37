"""How learning of a task stands, and what would help it on: read from the record and the files, nothing is changed."""

from __future__ import annotations

import math

from rightsized.apps.triage.learning import shadow
from rightsized.apps.triage.learning.candidate import candidate_of, has_candidate
from rightsized.apps.triage.learning.labels import fresh_audits, learn_from
from rightsized.apps.triage.learning.promote import fresh_for, labels_needed
from rightsized.apps.triage.learning.records import Candidate, ShadowReport, Standing
from rightsized.core.errors import NotFoundError
from rightsized.core.types import Certificate, State, Task
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.store.home import Home
from rightsized.tasks import shadow_run
from rightsized.tasks.audits import alarms_of
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.records import FitReport, NoisyLabel
from rightsized.tasks.versions import TaskStore
from rightsized.tasks.watch import drift_on_record

NEWEST = 5_000  # messages in which drift is looked for


def standing(home: Home, task: str, rate: float = 0.0) -> Standing:
    """Labels at hand, candidate and shadow run of one task. `rate`: the share of messages audited, where it is known.

    Raises NotFoundError, IntegrityError.
    """
    store = TaskStore(home)
    version = store.current(task)
    known = store.read(task, "task.json", Task, version)
    certificate = store.read(task, "certificate.json", Certificate, version)
    candidate = candidate_of(home, task) if has_candidate(home, task) else None
    with LedgerReader(home.decisions) as reader:
        queue = ReviewQueue(reader)
        learnt = learn_from(queue, store.folder(task, version), task, known.multi_label)
        fresh = fresh_for(candidate, queue, reader, home) if candidate else fresh_audits(queue, reader, home.path, task)
        alarms = [alarm for alarm in alarms_of(reader, task) if alarm.certificate == certificate.id]
        waiting, audits = queue.count(task), queue.audit_outcomes(task)
        newest = reader.search(Search(task=task), limit=NEWEST)
    replies = [one.reply for one in reversed(newest) if one.reply is not None and one.version == version]
    wanted = labels_needed(candidate, known) if candidate else None
    labelled = sum(outcome.label is not None for outcome in audits)
    ready = sum(outcome.label is not None for outcome in fresh.outcomes)
    return Standing(
        task=task,
        version=version,
        state=certificate.state,
        waiting=waiting,
        corrections=learnt.corrections,
        held=len(learnt.held),
        audits=len(audits),
        audits_labelled=labelled,
        fresh=ready,
        wanted=wanted,
        candidate=candidate,
        shadow=_shadow(home, task),
        drift=drift_on_record(store.folder(task, version), replies),
        alarm=alarms[-1].detail if alarms else "",
        next=(
            *_next(task, learnt.corrections, candidate, version, ready, wanted or 0),
            *_waits(certificate.state, (wanted or 0) - ready, len(fresh.outcomes) - ready, rate),
        ),
    )


def noise(home: Home, task: str) -> tuple[NoisyLabel, ...]:
    """Train rows of the version in force whose label the model firmly disagrees with, as the fit found them."""
    return TaskStore(home).read(task, "report.json", FitReport).noisy_labels


def _shadow(home: Home, task: str) -> ShadowReport | None:
    try:
        return shadow.report(home, shadow_run.of(home, task))
    except NotFoundError:
        return None


def _waits(state: State, lacking: int, asked: int, rate: float) -> tuple[str, ...]:
    """How long audits take to come, where more are needed than wait for a label; empty where they do not."""
    to_come = lacking - asked
    if to_come <= 0 or not rate:
        return ()
    said = f"At [audit] rate = {rate:g} the coin takes about {math.ceil(to_come / rate):,} messages to choose them."
    if state == "none":
        said += " While all wait for a person, a higher rate asks for no label more; what it chooses trains nothing."
    return (said,)


def _next(
    task: str, corrections: int, candidate: Candidate | None, version: str, ready: int, wanted: int
) -> tuple[str, ...]:
    """What to do next, as commands with their reason."""
    learn = f"rightsized triage learn {{}} {task}"
    if candidate is None or candidate.base != version:
        if not corrections:
            return (f"Label messages that teach most: {learn.format('ask')}",)
        return (f"Fit a candidate on {corrections} corrections: {learn.format('refit')}",)
    if corrections > candidate.corrections:
        return (f"{corrections - candidate.corrections} corrections are new: {learn.format('refit')}",)
    if ready < wanted:
        return (f"{wanted - ready} more labels of audited messages test the candidate: rightsized queue list",)
    return (f"Test the candidate and put it in force: {learn.format('promote')}",)
