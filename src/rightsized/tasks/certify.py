"""From scored rows to a signed certificate: counts the attempt, calibrates, gathers the digests, signs.

The statistics are in `cascade`; this file only says what they are applied to.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import msgspec
import numpy as np

from rightsized import __version__
from rightsized.cascade.attempts import count_attempt
from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.certificate import CertificateFacts, make_certificate
from rightsized.cascade.plan import Calibration, JudgePlan, Plan, SegmentPlan
from rightsized.cascade.reference import REFERENCE_TEXTS, Reference
from rightsized.cascade.scores import Scores, one_row_a_group
from rightsized.cascade.seen import begin_record, note_rows
from rightsized.core.types import Certificate, Frozen
from rightsized.store.home import Home
from rightsized.tasks.dataset import Dataset
from rightsized.tasks.evaluate import ScoredRows
from rightsized.tasks.identity import SIGNING_SECRET
from rightsized.tasks.judged import judge_plan, kind_in_words
from rightsized.tasks.outlived import OUTLIVED, outlived
from rightsized.tasks.segments import segment_plans
from rightsized.tasks.slices import FitPlan, Slices

PERSON = "person"


class Certified(Frozen, frozen=True):
    """A certificate and the reference texts it is tied to."""

    certificate: Certificate
    reference: Reference


class Evidence(msgspec.Struct):
    """What a certificate is made from: the plan, the slices, and scores of calibrate rows and of those that choose.

    `selection` holds the train rows, out-of-fold, and the out-of-scope rows beside them, which no fold ever trained on.
    `checked` are the rows that people labelled beside a judge, `traffic` the unlabelled ones.
    """

    plan: FitPlan
    slices: Slices
    selection: Scores
    scored: ScoredRows | None
    costs: tuple[float, ...]
    reference: Reference
    digests: dict[str, str]
    checked: ScoredRows | None = None
    traffic: ScoredRows | None = None


def certify(evidence: Evidence) -> Certificate:
    """Calibrate and sign. A task without calibrate rows gets an `estimated` certificate, which promises nothing."""
    home, plan, slices = Home(evidence.plan.home), evidence.plan, evidence.slices
    begin_record(home.path)
    found = _calibrate(home, evidence)
    here = [part for part in (slices.data, slices.calibrate, *_tested(slices)) if part is not None]
    note_rows(home.path, (text for part in here for text in _text_digests(part)))
    facts = CertificateFacts(
        task=plan.task,
        rungs=("ngram", "head", PERSON),
        sampling=slices.sampling,
        digests=evidence.digests | {"reference": evidence.reference.digest},
        created=time.time(),
        code_version=__version__,
        label_kind=kind_in_words(plan.labelled, passed=found.state == "certified"),
        out_of_scope_rows=_out_of_scope(slices.calibrate, plan),
        segment_by=slices.segments.by if slices.segments and found.segments else "",
    )
    return make_certificate(found, facts, home.secret(SIGNING_SECRET))


def _calibrate(home: Home, evidence: Evidence) -> Calibration:
    plan, targets = evidence.plan, evidence.plan.targets
    calibration = None
    attempt = 1
    rows = evidence.slices.calibrate
    if evidence.scored is not None and rows is not None and not _outlived(home, plan.task, evidence.slices):
        groups = groups_of(rows)
        calibration = Scores(evidence.scored.score, evidence.scored.correct, groups)
        tested = [digest for part in _tested(evidence.slices) for digest in row_digests(part)]
        attempt = count_attempt(
            home.path,
            task=plan.task,
            rows=tested,
            trial=_trial(evidence, groups),
            decisions=plan.calibrate_decisions,
        )
    return calibrate(
        Plan(
            promise=targets.promise,
            epsilon=targets.max_error,
            delta=1 - targets.confidence,
            costs=evidence.costs,
            attempt=attempt,
            seed=plan.seed,
            segments=_segments(evidence) if calibration is not None else (),
            judge=_judge(evidence) if calibration is not None else None,
        ),
        evidence.selection,
        calibration,
        evidence.traffic.score if evidence.traffic is not None else None,
    )


def _judge(evidence: Evidence) -> JudgePlan | None:
    checked, scored, plan = evidence.slices.checked, evidence.checked, evidence.plan
    if checked is None or scored is None:
        return None
    epsilon = plan.labelled.share * plan.targets.max_error
    return judge_plan(checked, scored, epsilon, plan.columns.multi_label, plan.seed)


def _tested(slices: Slices) -> list[Dataset]:
    """The labelled rows that tests rest on: calibrate rows, and those that people checked."""
    people = slices.checked.people if slices.checked is not None else None
    return [part for part in (slices.calibrate, people) if part is not None]


def _segments(evidence: Evidence) -> tuple[SegmentPlan, ...]:
    declared, rows, scored = evidence.slices.segments, evidence.slices.calibrate, evidence.scored
    if declared is None or rows is None or scored is None:
        return ()
    return segment_plans(declared, rows, scored, evidence.plan.columns.multi_label)


def _outlived(home: Home, task: str, slices: Slices) -> bool:
    """Whether an alarm has sounded since these texts were first used: then only fresh ones can certify again."""
    parts = [list(zip(row_digests(part), _text_digests(part), strict=True)) for part in _tested(slices)]
    findings = outlived(home, task, parts)
    slices.findings.extend(findings)
    return any(finding.kind == OUTLIVED for finding in findings)


def groups_of(data: Dataset) -> Sequence[str]:
    """A group id for every row where any row has one: a row without a conversation is one of its own."""
    if not any(data.groups):
        return ()
    return [group or f"\0{row}" for group, row in zip(data.groups, data.rows, strict=True)]


def _out_of_scope(data: Dataset | None, plan: FitPlan) -> int:
    """Rows tested that no label fits: of grouped rows one a group, as calibration picks them."""
    if data is None or plan.columns.multi_label:
        return 0
    groups = groups_of(data)
    tested = one_row_a_group(groups, plan.seed).tolist() if groups else range(len(data))
    return sum(not data.labels[row] for row in tested)


def row_digests(data: Dataset) -> list[str]:
    """A digest of each labelled row, by which overlapping calibration data are known again."""
    rows = zip(data.texts, data.labels, strict=True)
    return [hashlib.sha256(msgspec.json.encode((text, sorted(labels)))).hexdigest()[:32] for text, labels in rows]


def _text_digests(data: Dataset) -> list[str]:
    """A digest of each text, by which a row is known again under any label."""
    return [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in data.texts]


def _trial(evidence: Evidence, groups: Sequence[str]) -> str:
    """What makes an attempt a new one: all that can change its outcome. The same again is no new look.

    The models and data by digest, the promise, the budget, the seed; which rows count as one conversation; the costs
    that order configurations; the parts of the traffic that are tested on their own, for they take from delta; the rows
    that people checked; and the code, whose next version may test another way.
    """
    selection = hashlib.sha256(evidence.selection.scores.tobytes() + evidence.selection.correct.tobytes()).hexdigest()
    chosen = (selection, list(evidence.selection.groups), evidence.costs, __version__)
    targets = evidence.plan.targets
    asked = (targets.promise, targets.max_error, targets.confidence, evidence.plan.seed)
    body: tuple[object, ...] = (evidence.digests, asked, list(groups), chosen)
    if evidence.slices.segments is not None:
        body = (*body, evidence.slices.segments.digest_of)
    checked = evidence.slices.checked
    if checked is not None:
        body = (*body, evidence.plan.labelled.share, row_digests(checked.people), checked.judge)
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()


def slice_digest(data: Dataset | None) -> str:
    """`sha256:...` of a slice's texts and labels in order; of nothing where there is none."""
    digest = hashlib.sha256()
    for row in row_digests(data) if data is not None else ():
        digest.update(row.encode())
    return f"sha256:{digest.hexdigest()}"


def make_reference(texts: Sequence[str], scores: np.ndarray) -> Reference:
    """Up to 64 texts, spread evenly, with their scores (n, rungs)."""
    picked = np.unique(np.linspace(0, len(texts) - 1, min(REFERENCE_TEXTS, len(texts))).astype(int))
    return Reference(tuple(texts[i] for i in picked), tuple(tuple(float(s) for s in scores[i]) for i in picked))
