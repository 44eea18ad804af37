"""Reports for the tests of the report page: figures that agree with each other, drawn from simulated scores."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from rightsized.cascade.sentence import sentence
from rightsized.core.types import Certificate, Interval, State, Targets, Task
from rightsized.tasks.records import (
    Budget,
    Candidate,
    Confusion,
    CostComparison,
    CurvePoint,
    Finding,
    FitReport,
    LabelRow,
    Latency,
    Measured,
    NoisyLabel,
    RungRow,
)

CREATED = 1_795_305_600.0  # 22 November 2026
DAY = 86_400.0
LABELS = ("card arrival", "card delivery estimate", "lost or stolen card", "top up failed", "transfer fee", "refund")
SUSPENDED = "Suspended: the audits show that more than 2% of the messages answered here are wrong."


def curve(seed: int = 7, points: int = 60, power: float = 10.0) -> tuple[CurvePoint, ...]:
    """A risk-coverage curve of 1,840 simulated messages whose score is the probability of being right."""
    rng = random.Random(seed)
    scores = sorted((1 - rng.random() ** power * 0.9 for _ in range(1840)), reverse=True)
    wrong = [rng.random() > score for score in scores]
    steps = sorted({max(1, round(len(scores) * i / points)) for i in range(1, points + 1)})
    return tuple(CurvePoint(scores[k - 1], k / len(scores), sum(wrong[:k]) / k) for k in steps)


def certificate(state: State, **changes: Any) -> Certificate:
    """A certificate in the given state; its figures agree with `sample`."""
    certified = state in ("certified", "suspended")
    n, m, errors = (1840, 1527, 19) if certified else (120, 70, 2)
    values: dict[str, Any] = {
        "id": "cert-0f3a9c2e71b4d658",
        "task": "support",
        "state": state,
        "promise": "selective_error",
        "epsilon": 0.02,
        "delta": 0.05,
        "delta_spent": 0.025,
        "attempt": 1,
        "method": "exact binomial, fixed sequence",
        "n": n,
        "m": m,
        "errors": errors,
        "rungs": ("ngram", "head", "person"),
        "thresholds": (0.93, 0.81) if state != "none" else (None, None),
        "rejected": ((0.97, 0.9), (0.95, 0.86), (0.93, 0.81)) if certified else (),
        "local_share": Interval(0.83, 0.80, 0.86, n) if state != "none" else Interval(0.0, 0.0, 0.03, n),
        "expected_cost": 0.0,
        "sampling": "sampled at random from support-mail, 3 to 28 October",
        "unit": "messages",
        "label_kind": "people",
        "out_of_scope_rows": 37,
        "digests": {"encoder": "sha256:" + "ab" * 32, "head": "sha256:" + "cd" * 32},
        "created": CREATED,
        "expires": CREATED + 90 * DAY,
        "expires_requests": 100_000,
        "code_version": "0.1.0",
        "sentence": "",
        "p_value": 0.021 if certified else 0.4,
        "needed": None if certified else 400,
        "selective_error": Interval(errors / m, 0.0075, 0.0194, m),
        "wrong_local_rate": Interval(errors / n, 0.0062, 0.0161, n),
    }
    made = Certificate(**{**values, **changes})
    said = SUSPENDED if state == "suspended" else sentence(made)
    return made if made.sentence else msgspec.structs.replace(made, sentence=said)


def _labels() -> tuple[LabelRow, ...]:
    rows = ((131, 320, 0.97, 0.98), (126, 310, 0.88, 0.91), (99, 305, 0.95, 0.93), (88, 300, 0.99, 0.97))
    rows += ((74, 305, 0.90, 0.84), (32, 300, 0.93, 0.96))
    return tuple(
        LabelRow(label, n_train, n, p, r, 2 * p * r / (p + r))
        for label, (n_train, n, p, r) in zip(LABELS, rows, strict=True)
    )


def _candidates() -> tuple[Candidate, ...]:
    return (
        Candidate("n-gram alone", 6.2, 0.16, 0.912, 0.62, False),
        Candidate("encoder, 8-bit (INT8)", 23.1, 4.7, 0.938, 0.79, False),
        Candidate("n-gram, then encoder INT8", 29.3, 2.1, 0.941, 0.83, True),
        Candidate(
            "encoder, full precision (fp32)", 90.4, 8.5, 0.939, 0.79, False, "1.8 times slower, no more accurate"
        ),
    )


def sample(state: State = "certified", **changes: Any) -> FitReport:
    """A report in the given state; any field may be replaced."""
    proof = certificate(state)
    n = proof.n
    values: dict[str, Any] = {
        "task": Task("support", "classify", LABELS, "20261122-1", targets=Targets(0.02, 0.95, budget_ms=100.0)),
        "created": CREATED,
        "seed": 0,
        "data_name": "tickets.csv",
        "data_sha256": "5e" * 32,
        "rows": 550 + n,
        "n_train": 550,
        "n_calibrate": n,
        "n_report": 0,
        "split": "550 rows train and 1840 calibrate: random, seed 0.",
        "state": state,
        "measured": Measured(
            "calibrate",
            n,
            Interval(0.941, 0.930, 0.951, n),
            0.938,
            proof.local_share,
            Interval(0.0103, 0.0062, 0.0161, n),
            Interval(0.0124, 0.0075, 0.0194, proof.m),
            0.016,
        ),
        "certificate": proof,
        "latency": Latency(2.1, 7.4, 9.8, 200),
        "rss_mb": 212.0,
        "budgets": (Budget("time", "ms", 100.0, 7.4), Budget("memory", "MB", 200.0, 212.0)),
        "rungs": (
            RungRow("ngram", 3, "sha256:" + "ef" * 32, 6.2, 0.16, 0.912, 0.93, 0.55, 0.011),
            RungRow("head", 3, "sha256:" + "ab" * 32, 23.1, 4.7, 0.938, 0.81, 0.28, 0.015),
        ),
        "candidates": _candidates(),
        "curve": curve(),
        "labels": _labels(),
        "confusions": (
            Confusion(LABELS[1], LABELS[0], 9, ("When will it get here?", "How long until my card?")),
            Confusion(LABELS[4], LABELS[5], 4, ("Why was I charged for sending money back?",)),
        ),
        "noisy_labels": (NoisyLabel(211, "My card is gone", LABELS[0], LABELS[2], 0.97),),
        "findings": (Finding("duplicates", "4 messages occur twice with the same label.", (3, 9, 77, 210)),),
        "cost": CostComparison(2.4, 0.41, 0.17, "300 tokens in and 20 out at US$ 5 and 25 a million tokens"),
        "train_cpu_s": 21.4,
        "machine": {"cpu": "x86_64, 2 cores, AVX2", "python": "3.11.2", "onnxruntime": "1.23.0"},
        "report": "tasks/support/20261122-1/report.html",
    }
    return msgspec.structs.replace(FitReport(**values), **changes)
