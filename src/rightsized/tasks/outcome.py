"""Assembles the FitReport from what the stages of a fit found."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Collection

import msgspec
import numpy as np

from rightsized.core.types import Certificate, LabelScore, Prediction, Task
from rightsized.tasks import rightsizing
from rightsized.tasks.evaluate import ScoredRows, confusions, curve, label_rows, measure
from rightsized.tasks.measure import Serving
from rightsized.tasks.records import Candidate, Finding, FitReport, Measured, NoisyLabel, Slice
from rightsized.tasks.slices import FitPlan, Slices
from rightsized.tune.classifier import Fitted
from rightsized.tune.noise import suspicious_rows

MIN_REPORT_ROWS = 100  # a smaller report slice says too little; then the calibrate rows are shown
NOISY_SHOWN = 30


class Outcome(msgspec.Struct):
    """Everything the stages found."""

    plan: FitPlan
    task: Task
    slices: Slices
    fitted: Fitted
    held: ScoredRows
    calibrate: ScoredRows | None
    report: ScoredRows | None
    certificate: Certificate
    serving: Serving
    sizes: rightsizing.Sizes
    models: tuple[str, str]
    machine: dict[str, str]
    cpu_seconds: float
    path: str


def out_of_fold(slices: Slices, fitted: Fitted, outside: ScoredRows | None = None) -> ScoredRows:
    """The out-of-fold predictions as scored rows, and after them the out-of-scope rows, which no model ever trained on.

    Without those, thresholds would be chosen as if every message had a label, and the figures would flatter.
    """
    predicted = [
        [_prediction(pair[k], float(fitted.oof_out_of_scope[i, k])) for i, pair in enumerate(fitted.oof_predicted)]
        for k in range(2)
    ]
    rows = ScoredRows(
        list(slices.train.texts), list(slices.train.labels), fitted.oof_scores, fitted.oof_correct, predicted
    )
    if outside is None:
        return rows
    return ScoredRows(
        rows.texts + outside.texts,
        rows.labels + outside.labels,
        np.vstack([rows.score, outside.score]),
        np.vstack([rows.correct, outside.correct]),
        [a + b for a, b in zip(rows.predicted, outside.predicted, strict=True)],
    )


def messages_only(held: ScoredRows, slices: Slices, described: Collection[int]) -> ScoredRows:
    """Out-of-fold rows without those that are words about a label: how those fare says nothing of messages.

    Where there is no message at all, every row counts as wrong and unsure: so no threshold is found, and nothing is
    answered here.
    """
    if not described:
        return held
    outside = len(held.texts) - len(slices.train)
    words = np.array([row in described for row in slices.train.rows] + [False] * outside)
    message = f"{int(words.sum())} rows are words about a label, not messages: they train, and no figure counts them."
    slices.findings.append(Finding("described", message))
    if words.all():
        slices.findings.append(Finding("described", "There is no labelled message yet: no figure here means anything."))
        nothing = np.zeros_like(held.score), np.zeros_like(held.correct)
        return ScoredRows(held.texts, held.labels, *nothing, held.predicted)
    kept = np.flatnonzero(~words)
    return ScoredRows(
        [held.texts[i] for i in kept],
        [held.labels[i] for i in kept],
        held.score[kept],
        held.correct[kept],
        [[rung[i] for i in kept] for rung in held.predicted],
    )


def _prediction(labels: tuple[str, ...], outside: float) -> Prediction:
    best = labels[0] if labels else ""
    return Prediction(best, labels, tuple(LabelScore(label, 1.0) for label in labels), outside)


def report_of(outcome: Outcome) -> FitReport:
    """The right-sizing report."""
    rows, slice_ = _shown(outcome)
    measured = measure(rows, outcome.certificate.thresholds, slice_, outcome.task.multi_label)
    fitted, serving, targets = outcome.fitted, outcome.serving, outcome.task.targets
    n_train = Counter(label for labels in outcome.slices.train.labels for label in labels)
    return FitReport(
        task=outcome.task,
        created=time.time(),
        seed=outcome.plan.seed,
        data_name=outcome.slices.data.name,
        data_sha256=outcome.slices.data.sha256,
        rows=len(outcome.slices.data),
        n_train=len(outcome.slices.train),
        n_calibrate=len(outcome.slices.calibrate or ()),
        n_report=len(outcome.slices.report or ()),
        split=outcome.slices.split.note,
        state=outcome.certificate.state,
        measured=measured,
        certificate=outcome.certificate,
        latency=serving.latency,
        rss_mb=serving.rss_mb,
        budgets=rightsizing.budgets(targets, serving),
        rungs=rightsizing.rung_rows(rows, outcome.certificate.thresholds, outcome.models, serving, outcome.sizes),
        candidates=_candidates(outcome),
        curve=curve(rows.score[:, -1], rows.correct[:, -1]),
        labels=label_rows(rows, dict(n_train), outcome.task.multi_label),
        confusions=confusions(outcome.held if slice_ == "calibrate" else rows),
        noisy_labels=_noisy(outcome),
        findings=_findings(outcome, measured),
        cost=rightsizing.cost(outcome.certificate.local_share.value, serving),
        train_cpu_s=outcome.cpu_seconds,
        machine=outcome.machine | {f"chosen: {k}": v for k, v in fitted.chosen.items()},
        report=outcome.path,
    )


def _candidates(outcome: Outcome) -> tuple[Candidate, ...]:
    fitted, serving, targets, sizes = outcome.fitted, outcome.serving, outcome.task.targets, outcome.sizes
    table = rightsizing.candidates(fitted.oof_scores, fitted.oof_correct, targets, serving, sizes)
    rows = outcome.report or outcome.calibrate
    if rows is None:
        return table
    return *table, *rightsizing.full_precision_row(rows, outcome.task.multi_label, targets, serving, sizes)


def _shown(outcome: Outcome) -> tuple[ScoredRows, Slice]:
    """The slice whose figures are shown: report, else calibrate, else out-of-fold."""
    if outcome.report is not None and len(outcome.report.texts) >= MIN_REPORT_ROWS:
        return outcome.report, "report"
    if outcome.calibrate is not None:
        return outcome.calibrate, "calibrate"
    return outcome.held, "out-of-fold"


def _noisy(outcome: Outcome) -> tuple[NoisyLabel, ...]:
    train = outcome.slices.train
    found = suspicious_rows(train.labels, outcome.fitted.classifier.labels, outcome.fitted.oof_probabilities)
    return tuple(
        NoisyLabel(train.rows[s.row], train.texts[s.row], s.given, s.suggested, s.probability)
        for s in found[:NOISY_SHOWN]
    )


def _findings(outcome: Outcome, measured: Measured) -> tuple[Finding, ...]:
    said = [*outcome.slices.findings, *(Finding("rare", message) for message in outcome.fitted.findings)]
    for budget in rightsizing.budgets(outcome.task.targets, outcome.serving):
        if not budget.kept:
            said.append(
                Finding(
                    "budget",
                    f"{budget.name}: {budget.measured:.1f} {budget.unit} is over {budget.limit} {budget.unit}.",
                )
            )
    unique = {finding.message: finding for finding in said}
    return tuple(unique.values())


def machine_facts(extra: dict[str, str]) -> dict[str, str]:
    """What a reader needs to judge the times."""
    return {"python": platform.python_version(), "system": platform.platform(), "cores": str(os.cpu_count()), **extra}
