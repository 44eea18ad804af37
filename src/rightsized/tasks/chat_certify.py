"""From scored exchanges to a signed certificate: counts the attempt, calibrates, gathers the digests, signs.

The statistics are in `cascade`; this file says what they are applied to. Labels that could prove nothing are not looked
at, so that they stay unspent.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized import __version__
from rightsized.cascade.attempts import count_attempt, number_of, share_of_delta
from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.certificate import CertificateFacts, make_certificate
from rightsized.cascade.estimates import can_certify
from rightsized.cascade.plan import Calibration, JudgePlan, Plan
from rightsized.cascade.scores import Scores, one_row_a_group, regret
from rightsized.cascade.seen import begin_record, note_rows
from rightsized.core.types import Certificate
from rightsized.store.home import Home
from rightsized.tasks.chat_data import ChatData
from rightsized.tasks.chat_records import ChatPlan
from rightsized.tasks.chat_scoring import Reader, Rules, score
from rightsized.tasks.chat_slices import ChatSlices, digest_of, groups_of, label_rule
from rightsized.tasks.identity import SIGNING_SECRET
from rightsized.tasks.judged import JUDGED, kind_in_words
from rightsized.tasks.outlived import OUTLIVED, outlived
from rightsized.tasks.records import Finding
from rightsized.tasks.split import fewest

OUTSIDE = "too unlike the training prompts to be answered here"


@dataclass(frozen=True, eq=False)
class ChatEvidence:
    """What a certificate is made from.

    Args:
        checked: tiers whose answers are judged; `rungs`: all, the last included; `costs`: one a rung.
        rules: how rows are scored.
        selection: out-of-fold scores of train rows, as the ladder would see them.
        digests: of all that the scores depend on.
    """

    plan: ChatPlan
    home: Home
    slices: ChatSlices
    checked: tuple[str, ...]
    rungs: tuple[str, ...]
    costs: tuple[float, ...]
    rules: Rules
    reader: Reader
    selection: Scores
    digests: dict[str, str]


def certify(evidence: ChatEvidence) -> Certificate:
    """Calibrate and sign. Without calibrate rows, or with too few, the certificate promises nothing."""
    data, slices = evidence.digests, evidence.slices
    begin_record(evidence.home.path)
    found, outside = _tested(evidence)
    note_rows(evidence.home.path, (row.asked for row in slices.every()))
    facts = CertificateFacts(
        task=evidence.plan.name,
        rungs=evidence.rungs,
        sampling=slices.sampling,
        digests=data,
        created=time.time(),
        code_version=__version__,
        label_kind=_kind(evidence, found),
        loss=evidence.plan.loss,
        out_of_scope_rows=outside,
        unit="requests",
        row="request",
        outside=OUTSIDE if evidence.rules.domain is not None else "",
        rests_on=rests_on(evidence),
    )
    return make_certificate(found, facts, evidence.home.secret(SIGNING_SECRET))


def rests_on(evidence: ChatEvidence) -> str:
    """What no digest can pin of tiers that draw further samples, in words; empty where none does."""
    drawn = [name for name in evidence.checked if name in evidence.slices.sampled]
    if not drawn:
        return ""
    plans = [f"{evidence.plan.samples[name].count} of {name}" for name in drawn]
    return (
        f"further samples ({', '.join(plans)}) drawn with the same seeds: how far their texts repeat is up to the"
        " server behind each tier"
    )


def correct(data: ChatData, checked: Sequence[str], evidence_loss: str) -> NDArray[np.bool_]:
    """What counts as right under the loss, bool (rows, checked tiers).

    Of a tier that a rule keeps a row from there is no label, and no score that could use it. A last tier that may not
    be asked counts as right: what is wrong here then stays wrong.
    """
    right = np.array([[row.correct.get(tier, False) for tier in checked] for row in data.rows], np.bool_)
    right = right.reshape(len(data.rows), len(checked))
    if evidence_loss == "error":
        return right
    last = data.tiers[-1]
    return regret(
        right, np.array([last in row.barred or last in row.refused or row.correct[last] for row in data.rows], np.bool_)
    )


def _tested(evidence: ChatEvidence) -> tuple[Calibration, int]:
    """The result, and how many rows tested lie outside the domain."""
    held, people = evidence.slices.calibrate, evidence.slices.people
    if held is None or _outlived(evidence, held) or _hopeless(evidence, held):
        return calibrate(_plan(evidence, 1), evidence.selection), 0
    scored = score(evidence.rules, held.rows, evidence.reader)
    rows = Scores(scored.scores, correct(held, evidence.checked, evidence.plan.loss), groups_of(held.rows))
    judge = _judge(evidence, people) if people is not None else None
    attempt = count_attempt(
        evidence.home.path,
        task=f"gateway {evidence.plan.name}",
        rows=_asked(held, people),
        trial=_trial(evidence, held, people),
    )
    found = calibrate(_plan(evidence, attempt, judge), evidence.selection, rows)
    picked = one_row_a_group(rows.groups, evidence.plan.seed) if rows.groups else np.arange(rows.n)
    return found, int(scored.outside[picked].sum())


def _plan(evidence: ChatEvidence, attempt: int, judge: JudgePlan | None = None) -> Plan:
    targets = evidence.plan.targets
    return Plan(
        promise=targets.promise,
        epsilon=targets.max_error,
        delta=1 - targets.confidence,
        costs=evidence.costs,
        attempt=attempt,
        seed=evidence.plan.seed,
        judge=judge,
    )


def _trial(evidence: ChatEvidence, held: ChatData, people: ChatData | None) -> str:
    """What makes an attempt a new one: all that can change its outcome. The same again is no new look."""
    plan, targets = evidence.plan, evidence.plan.targets
    asked = (targets.promise, targets.max_error, targets.confidence, plan.loss, plan.seed)
    selection = evidence.selection
    chosen = hashlib.sha256(selection.scores.tobytes() + selection.correct.tobytes()).hexdigest()
    body: tuple[object, ...] = (evidence.digests, asked, chosen, list(selection.groups), evidence.costs, __version__)
    body = (*body, list(groups_of(held.rows)), evidence.rungs)
    if people is not None:
        body = (*body, plan.judge_share, digest_of(people.rows), [row.judge for row in people.rows])
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


def _asked(*parts: ChatData | None) -> list[str]:
    return [row.asked for part in parts if part is not None for row in part.rows]


def _judge(evidence: ChatEvidence, people: ChatData) -> JudgePlan:
    """The rows that people checked, of those where the judge called some tier's answer right."""
    scored = score(evidence.rules, people.rows, evidence.reader)
    agreed = np.array([[row.judge.get(tier, False) for tier in evidence.checked] for row in people.rows], np.bool_)
    groups = groups_of(people.rows)
    rows = one_row_a_group(groups, evidence.plan.seed) if groups else np.arange(len(people.rows))
    kept = rows[agreed[rows].any(axis=1)]
    right = correct(people, evidence.checked, "error")
    epsilon = evidence.plan.judge_share * evidence.plan.targets.max_error
    return JudgePlan(epsilon, Scores(scored.scores[kept], right[kept]), agreed[kept])


def _kind(evidence: ChatEvidence, found: Calibration) -> str:
    kind = evidence.slices.train.label_kind
    if not kind.startswith(JUDGED):
        return kind
    return kind_in_words(label_rule(evidence.plan, kind), passed=found.state == "certified")


def _hopeless(evidence: ChatEvidence, held: ChatData) -> bool:
    """Whether these rows could not certify anything: then their labels are not looked at, and no attempt is spent.

    Decided by their number and by selection data alone, so that nothing is lost of the test's validity.
    """
    delta = 1 - evidence.plan.targets.confidence
    people = evidence.slices.people
    attempt = number_of(evidence.home.path, _asked(held, people), _trial(evidence, held, people))
    plan = _plan(evidence, attempt)
    groups = groups_of(held.rows)
    n = len(set(groups)) if groups else len(held.rows)
    least = fewest(plan.epsilon, delta * share_of_delta(attempt))
    if n >= least and can_certify(plan, evidence.selection, n):
        return False
    words = (
        f"at least {least:,} are needed even if every answer is right"
        if n < least
        else "by simulation on out-of-fold predictions, no test on so many would certify anything"
    )
    message = (
        f"The {n:,} calibrate rows were not looked at: {words} (attempt {attempt}). No attempt was spent; add fresh"
        " labels of requests drawn at random."
    )
    evidence.slices.findings.append(Finding("too-few", message))
    return True


def _outlived(evidence: ChatEvidence, held: ChatData) -> bool:
    """Whether an alarm has sounded since these prompts were first used: then only fresh ones can certify again."""
    parts = [part for part in (held, evidence.slices.people) if part is not None]
    rows = [[(row.asked, row.asked) for row in part.rows] for part in parts]
    findings = outlived(evidence.home, evidence.plan.name, rows)
    evidence.slices.findings.extend(findings)
    return any(finding.kind == OUTLIVED for finding in findings)
