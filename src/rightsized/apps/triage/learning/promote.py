"""Promotion: a candidate is put in force only with a certificate earned on fresh labels that the audit coin chose.

The candidate's rows are fitted again beside the audits as calibrate rows, so that one path (`tasks.fit`) trains, tests,
signs and counts the attempt. Train rows that nearly repeat an audited message, or come from its conversation, are left
out; where there are none, the model is the very one that was compared and ran in the shadow. How many audits are taken
was fixed when the candidate was made; the first so many are used, in the order of their requests. What is certified
must hold with each burst of near-copies counted once as well (`bursts`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from rightsized.apps.triage.learning.bursts import counted_once
from rightsized.apps.triage.learning.candidate import Fit, candidate_of, described, given
from rightsized.apps.triage.learning.compare import scored_by
from rightsized.apps.triage.learning.labels import Fresh, first_labelled, fresh_audits, split_label, text_digest
from rightsized.apps.triage.learning.records import Candidate
from rightsized.cascade.path import as_configuration, outcomes
from rightsized.cascade.scores import Scores
from rightsized.cascade.selection import Test
from rightsized.core.errors import InputError
from rightsized.core.frozen import Frozen
from rightsized.core.types import Certificate, Task
from rightsized.engines.classifier import Classifier
from rightsized.explain.neighbours import open_examples
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.dataset import Columns, from_lists
from rightsized.tasks.queue import AuditOutcome, ReviewQueue
from rightsized.tasks.slices import FitPlan
from rightsized.tasks.split import POWER_FACTOR, fewest
from rightsized.tasks.versions import TaskStore


class Promotion(Frozen, frozen=True):
    """What came of an attempt. `same_model`: the model tested is the candidate to the last bit.

    `copies` audits were further messages of a burst; `refused` says why a certified version was not put in force.
    """

    task: str
    candidate: str
    version: str
    promoted: bool
    labels: int
    attempt: int
    state: str
    same_model: bool
    sentence: str
    left_out: int
    needed: int | None
    copies: int = 0
    refused: str = ""


def labels_needed(candidate: Candidate, task: Task) -> int:
    """How many fresh labels the test takes: as declared for the candidate, else by simulation or a rule of thumb."""
    delta = 1 - task.targets.confidence
    return candidate.declared or candidate.needed or math.ceil(POWER_FACTOR * fewest(candidate.max_error, delta / 2))


def fresh_for(candidate: Candidate, queue: ReviewQueue, reader: LedgerReader, home: Home) -> Fresh:
    """The audits that may test a candidate.

    Where a person said on how many, only those that came after: who knows which of the earlier ones the running model
    got wrong could stop the test just before the next error.
    """
    after = candidate.created if candidate.declared else 0.0
    return fresh_audits(queue, reader, home.path, candidate.task, after=after)


def promote(home: Home, task: str, fit: Fit) -> Promotion:
    """Test the candidate on fresh audits, `labels_needed` of them, and put it in force where it is certified.

    Args:
        fit: runs a fit, here or in a child process.
    Raises:
        NotFoundError: there is no candidate. InputError: fresh audits are too few, or some wait for a label, or the
            version in force is no longer the one that the candidate was made beside. Nothing was tested.
    """
    store, candidate = TaskStore(home), candidate_of(home, task)
    if store.current(task) != candidate.base:
        raise InputError(
            f"The candidate was made beside version {candidate.base}; {store.current(task)} is in force now.",
            fix=f"Make a new one: rightsized triage learn refit {task}",
        )
    known = store.read(task, "task.json", Task, candidate.version)
    count = labels_needed(candidate, known)
    with LedgerReader(home.decisions) as reader:
        fresh = fresh_for(candidate, ReviewQueue(reader), reader, home)
    picked = first_labelled(fresh, count)
    plan, left_out = _plan(home, store, candidate, known, fresh, picked)
    report = fit(plan)
    tested = report.task.version
    certificate = store.read(task, "certificate.json", Certificate, tested)
    copies, refused = 0, ""
    if certificate.state == "certified":
        copies, refused = _bursts_once(home, store, certificate, tested, [fresh.outcomes[i] for i in picked], plan)
        if not refused:
            store.promote(task, tested, "learn")
    models = [Classifier.open(store.folder(task, version)).digest for version in (candidate.version, tested)]
    return Promotion(
        task=task,
        candidate=candidate.version,
        version=tested,
        promoted=certificate.state == "certified" and not refused,
        labels=count,
        attempt=certificate.attempt,
        state=report.state,
        same_model=models[0] == models[1],
        sentence=certificate.sentence,
        left_out=left_out + sum(len(one.rows) for one in report.findings if one.kind == "near-duplicate"),
        needed=certificate.needed,
        copies=copies,
        refused=refused,
    )


def _bursts_once(
    home: Home, store: TaskStore, certificate: Certificate, version: str, audits: Sequence[AuditOutcome], plan: FitPlan
) -> tuple[int, str]:
    """How many audits are further messages of a burst, and why the promise does not hold without them, if so."""
    texts, labels = plan.calibrate_rows or ([], [])
    once = counted_once(texts, [one.started for one in audits], [one.decision for one in audits])
    if len(once) == len(texts):
        return 0, ""
    task = store.read(certificate.task, "task.json", Task, version)
    rows = from_lists([texts[i] for i in once], [labels[i] for i in once], plan.columns, "audits")
    scored = scored_by(home, task, [store.folder(task.name, version)], rows)[0]
    rows_once = Scores(scored.score, scored.correct)
    local, wrong = outcomes(as_configuration(certificate.thresholds)[None, :], rows_once).count()
    test = Test(certificate.promise, certificate.epsilon, certificate.delta_spent, len(once))
    copies = len(texts) - len(once)
    if test.passes(local, wrong)[0]:
        return copies, ""
    return copies, (
        f"{copies} of the {len(texts)} audits are further messages of one incident or a few. With each incident "
        f"counted once, {int(wrong[0])} of {int(local[0])} answers are wrong, which does not show at most "
        f"{certificate.epsilon:.6g}. The running version stays in force."
    )


def _plan(
    home: Home, store: TaskStore, candidate: Candidate, task: Task, fresh: Fresh, picked: Sequence[int]
) -> tuple[FitPlan, int]:
    """The fit of the candidate's rows, tested on these audits; and how many rows their conversations took away."""
    audited = {fresh.outcomes[i].conversation for i in picked} - {""}
    shared = {digest for conversation, digest in candidate.learned if conversation in audited}
    examples = open_examples(store.folder(task.name, candidate.version))
    kept = [i for i, text in enumerate(examples.texts) if text_digest(text) not in shared]
    labels = [split_label(examples.labels[i], task.multi_label) for i in kept]
    said = [split_label(fresh.outcomes[i].label or "", task.multi_label) for i in picked]
    report = msgspec.json.decode((store.folder(task.name, candidate.version) / "report.json").read_bytes())
    texts = [examples.texts[i] for i in kept]
    return FitPlan(
        home=str(home.path),
        task=task.name,
        rows=(texts, given(labels, task.multi_label)),
        described=described(home, task.name, texts),
        calibrate_rows=([fresh.texts[i] for i in picked], given(said, task.multi_label)),
        calibrate_decisions=tuple(fresh.outcomes[i].decision for i in picked),
        columns=Columns(multi_label=task.multi_label),
        targets=task.targets,
        sampling=(
            f"chosen by the audit coin of {task.name} (probability {fresh.probability:g} a message, at most one a "
            f"conversation): the first {len(picked)} not tested on before, in the order they came"
            + (f"; {fresh.lost} whose text is deleted could not be tested on" if fresh.lost else "")
        ),
        encoder=task.encoder,
        seed=int(report["seed"]),
        incremental=True,  # the candidate itself, unless rows were left out
        base=candidate.version,
        promote="never",
    ), len(examples.texts) - len(kept)
