"""Confidence where a text may have several labels: how sure is said beside how often the set is exactly right.

nlupp banking, in a full run hotels too: cut at random into 60 and 40%, several times; fitted on the first part, judged
on the second. `said` is the mean of s(x), `right` the share of exact sets, `ece` the calibration error over ten groups
of equal size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, models
from benchmarks.harness import note
from rightsized.tune.classifier import Fitted, fit_classifier
from rightsized.tune.training import FitOptions, TrainingData

TRAIN_SHARE, GROUPS, SPLITS, QUICK_SPLITS = 0.6, 10, 8, 2
RUNGS = ("ngram", "head")


def measured(
    fitted: Fitted, texts: list[str], labels: list[tuple[str, ...]], vectors: NDArray[np.float32]
) -> dict[str, dict[str, float]]:
    """Figures of both rungs on rows that had no part in the fit, beside what the fit said out-of-fold."""
    found = {}
    for k, rung in enumerate(RUNGS):
        scored = [
            fitted.classifier.score_vector(text, vector) if k else fitted.classifier.score_text(text)
            for text, vector in zip(texts, vectors, strict=True)
        ]
        score = np.array([one.score for one in scored])
        right = np.array([set(one.prediction.labels) == set(own) for one, own in zip(scored, labels, strict=True)])
        found[rung] = {
            "said": float(score.mean()),
            "right": float(right.mean()),
            "right_out_of_fold": float(fitted.oof_correct[:, k].mean()),
            "ece": calibration_error(score, right),
        }
    return found


def calibration_error(score: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean distance of score and share right over GROUPS groups of equal size, in the order of the score."""
    parts = np.array_split(np.argsort(score, kind="stable"), GROUPS)
    return float(sum(len(part) * abs(score[part].mean() - right[part].mean()) for part in parts) / len(score))


def run(path: Path, splits: int) -> dict[str, Any]:
    """The mean over random splits of one file."""
    rows = list(harness.rows(path))
    texts, labels = [row["text"] for row in rows], [tuple(row.get("intents") or ()) for row in rows]
    opened = models.encoder()
    vectors, digest = models.vectors(opened, texts), opened.digest
    opened.close()
    each: list[dict[str, dict[str, float]]] = []
    for seed in range(splits):
        note(f"{path.name}: split {seed + 1} of {splits}")
        order = np.random.default_rng(seed).permutation(len(texts))
        train, rest = np.split(order, [int(TRAIN_SHARE * len(order))])
        data = TrainingData([texts[i] for i in train], [labels[i] for i in train], vectors[train], digest)
        fitted = fit_classifier(data, FitOptions(seed=seed, multi_label=True))
        each.append(measured(fitted, [texts[i] for i in rest], [labels[i] for i in rest], vectors[rest]))
    mean = {rung: {name: float(np.mean([one[rung][name] for one in each])) for name in each[0][rung]} for rung in RUNGS}
    names = {label for row in labels for label in row}
    return {"rows": len(texts), "labels": len(names), "splits": splits, "mean": mean, "each": each}


def main() -> int:
    given = harness.options("several_labels", __doc__.splitlines()[0] if __doc__ else "")
    names = ("nlupp_banking",) if given.quick else ("nlupp_banking", "nlupp_hotels")
    splits = QUICK_SPLITS if given.quick else SPLITS
    result = {name: run(given.data / "triage" / f"{name}.jsonl.gz", splits) for name in names}
    lines = [
        f"{name} {rung}: said {row['said']:.3f}, right {row['right']:.3f}, out-of-fold {row['right_out_of_fold']:.3f}, "
        f"calibration error {row['ece']:.3f}"
        for name, found in result.items()
        for rung, row in found["mean"].items()
    ]
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    raise SystemExit(main())
