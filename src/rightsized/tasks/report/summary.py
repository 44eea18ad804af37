"""What `fit --json` prints: a stable contract for programs. Keys may be added, never renamed or dropped."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from rightsized.core.types import Certificate, Interval
from rightsized.tasks.records import FitReport


def summary(report: FitReport) -> dict[str, Any]:
    """The figures of a fit as plain numbers; a figure that does not exist is None.

    `measured_on` names the slice behind each estimate, and `intervals` holds its bounds and number of rows.
    """
    measured = report.measured
    estimates = {
        "accuracy": measured.accuracy,
        "coverage": measured.coverage,
        "wrong_local_rate": measured.wrong_local_rate,
        "selective_error": measured.selective_error,
    }
    figures = (*estimates, "macro_f1", "ece")
    return {
        "task": report.task.name,
        "version": report.task.version,
        "n_train": report.n_train,
        "n_calibrate": report.n_calibrate,
        "n_report": report.n_report,
        "state": report.state,
        **{name: number(estimate.value) for name, estimate in estimates.items()},
        "macro_f1": number(measured.macro_f1),
        "ece": number(measured.ece),
        "measured_on": dict.fromkeys(figures, measured.slice),
        "intervals": {name: _interval(estimate) for name, estimate in estimates.items()},
        "certificate": _certificate(report.certificate),
        "latency_ms": {"p50": number(report.latency.p50), "p95": number(report.latency.p95)},
        "rss_mb": number(report.rss_mb),
        "budgets": [{**msgspec.to_builtins(b), "kept": b.kept} for b in report.budgets],
        "rungs": msgspec.to_builtins(report.rungs),
        "findings": [finding.message for finding in report.findings],
        "train_cpu_s": number(report.train_cpu_s),
        "seed": report.seed,
        "data_sha256": report.data_sha256,
        "report": report.report,
    }


def number(value: float) -> float | None:
    """A finite number, or None: JSON knows no NaN."""
    return value if math.isfinite(value) else None


def _interval(estimate: Interval) -> dict[str, float | int | None]:
    return {
        "low": number(estimate.low),
        "high": number(estimate.high),
        "n": estimate.n,
        "level": estimate.level,
    }


def _certificate(proof: Certificate) -> dict[str, Any]:
    return {
        "id": proof.id,
        "state": proof.state,
        "promise": proof.promise,
        "epsilon": proof.epsilon,
        "delta": proof.delta,
        "delta_spent": proof.delta_spent,
        "attempt": proof.attempt,
        "method": proof.method,
        "n": proof.n,
        "m": proof.m,
        "errors": proof.errors,
        "thresholds": dict(zip(proof.rungs, proof.thresholds, strict=False)),
        "local_share": _interval(proof.local_share) | {"value": number(proof.local_share.value)},
        "label_kind": proof.label_kind,
        "segment_by": proof.segment_by,
        "segments": msgspec.to_builtins(proof.segments),
        "needed": proof.needed,
        "created": proof.created,
        "expires": proof.expires,
        "expires_requests": proof.expires_requests,
        "sentence": proof.sentence,
    }
