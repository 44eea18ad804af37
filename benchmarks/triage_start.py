"""From no label at all: accuracy by label names alone, with 1 to 20 examples a label, and the labels that a test takes.

    python -m benchmarks.triage_start --json [--data PATH]

The head of the encoder (C = 10) learns from the labels' names and k drawn examples of each; judged on the test rows;
means over seeds. With 5 and 10 examples a label of banking77 the product's own fit says how many fresh labels would
probably certify 5% error (simulated on out-of-fold predictions, as every report does).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness, models, pools
from benchmarks.harness import note
from benchmarks.triage_learning import Replay, accuracy, replay_of
from benchmarks.triage_sets import SETS
from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.plan import Plan
from rightsized.cascade.scores import Scores
from rightsized.tune.classifier import fit_classifier
from rightsized.tune.training import FitOptions, TrainingData, label_words

SHOTS, SEEDS, QUICK_SEEDS = (0, 1, 2, 5, 10, 20), 5, 2
DRAWN = (5, 10)  # examples a label of the files that come with banking77
EPSILON, DELTA = 0.05, 0.05


def run(replay: Replay, seeds: int) -> list[dict[str, float]]:
    """Accuracy at each number of examples a label."""
    found = []
    for shots in SHOTS:
        note(f"{replay.name}: {shots} a label")
        each = [accuracy(replay, _drawn(replay, shots, seed)) for seed in range(seeds if shots else 1)]
        found.append({"examples": shots, "accuracy": float(np.mean(each)), "low": min(each), "high": max(each)})
    return found


def _drawn(replay: Replay, shots: int, seed: int) -> list[int]:
    """Rows: so many of each label, at random."""
    order = np.random.default_rng(seed).permutation(len(replay.labels))
    rows = [order[replay.labels[order] == label][:shots] for label in range(len(replay.named))]
    return [int(row) for part in rows for row in part]


def needed(data: Path, shots: int) -> dict[str, Any]:
    """What the product's fit on a few-shot file says of itself, and of the labels that a test would take."""
    texts, labels = harness.banking77(data, f"{shots}shot")
    encoder = models.encoder(sessions=1)
    names = sorted(set(labels))
    named = dict(zip(names, models.vectors(encoder, [label_words(name) for name in names]), strict=True))
    training = TrainingData(texts, labels, models.vectors(encoder, texts), encoder.digest, named)
    encoder.close()
    fitted = fit_classifier(training, FitOptions())
    plan = Plan("selective_error", EPSILON, DELTA, pools.COSTS)
    found = calibrate(plan, Scores(fitted.oof_scores, fitted.oof_correct))
    return {
        "examples": shots,
        "out_of_fold_accuracy": float(fitted.oof_correct[:, 1].mean()),
        "state": found.state,
        "answered_here": found.local_share.value,
        "fresh_labels_needed": found.needed,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """All data sets."""
    given = harness.options("triage_start", __doc__ or "", arguments=arguments)
    seeds = QUICK_SEEDS if given.quick else SEEDS
    names = list(SETS)[: 1 if given.quick else None]
    result: dict[str, Any] = {name: run(replay_of(*SETS[name](given.data)), seeds) for name in names}
    if not given.quick:
        result["banking77, fitted"] = [needed(given.data, shots) for shots in DRAWN]
    lines = [f"{name}: {row}" for name, rows in result.items() for row in rows]
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    raise SystemExit(main())
