"""Promotion: a candidate is put in force only with a certificate earned on fresh labels that the audit coin chose.

The candidate's rows are fitted again beside the audits as calibrate rows, so that one path (`tasks.fit`) trains, tests,
signs and counts the attempt. Train rows that nearly repeat an audited message, or come from its conversation, are left
out; where there are none, the model is the very one that was compared and ran in the shadow. How many audits are taken
is fixed before any is looked at; the first so many are used, in the order of their requests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from rightsized.apps.triage.learning.candidate import Fit, candidate_of, described, given
from rightsized.apps.triage.learning.labels import Fresh, first_labelled, fresh_audits, split_label, text_digest
from rightsized.apps.triage.learning.records import Candidate
from rightsized.core.errors import InputError
from rightsized.core.frozen import Frozen
from rightsized.core.types import Certificate, Task
from rightsized.engines.classifier import Classifier
from rightsized.explain.neighbours import open_examples
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.dataset import Columns
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.slices import FitPlan
from rightsized.tasks.split import POWER_FACTOR, fewest
from rightsized.tasks.versions import TaskStore


class Promotion(Frozen, frozen=True):
    """What came of an attempt. `same_model`: the model tested is the candidate to the last bit."""

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


def labels_needed(candidate: Candidate, task: Task) -> int:
    """How many fresh labels a test takes unless somebody says otherwise: by simulation, else by a rule of thumb."""
    delta = 1 - task.targets.confidence
    return candidate.needed or math.ceil(POWER_FACTOR * fewest(candidate.max_error, delta / 2))


def promote(home: Home, task: str, fit: Fit, *, labels: int = 0) -> Promotion:
    """Test the candidate on fresh audits, and put it in force where it is certified.

    Args:
        fit: runs a fit, here or in a child process.
        labels: how many audits to test on; 0 takes `labels_needed`.
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
    count = labels or labels_needed(candidate, known)
    with LedgerReader(home.decisions) as reader:
        fresh = fresh_audits(ReviewQueue(reader), reader, home.path, task, known.multi_label)
    picked = first_labelled(fresh, count)
    plan, left_out = _plan(home, store, candidate, known, fresh, picked)
    report = fit(plan)
    tested = report.task.version
    certificate = store.read(task, "certificate.json", Certificate, tested)
    models = [Classifier.open(store.folder(task, version)).digest for version in (candidate.version, tested)]
    return Promotion(
        task=task,
        candidate=candidate.version,
        version=tested,
        promoted=report.state == "certified",
        labels=count,
        attempt=certificate.attempt,
        state=report.state,
        same_model=models[0] == models[1],
        sentence=certificate.sentence,
        left_out=left_out + sum(len(one.rows) for one in report.findings if one.kind == "near-duplicate"),
        needed=certificate.needed,
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
        columns=Columns(multi_label=task.multi_label),
        targets=task.targets,
        sampling=(
            f"chosen by the audit coin of {task.name} (probability {fresh.probability:g} a message, at most one a "
            f"conversation): the first {len(picked)} not tested on before, in the order they came"
        ),
        encoder=task.encoder,
        seed=int(report["seed"]),
        promote="certified",
    ), len(examples.texts) - len(kept)
