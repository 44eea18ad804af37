"""From scored rows to figures: accuracy, the share answered here, the two risks, calibration error, confusions.

Pure NumPy on arrays; the same functions serve `fit`, `eval` and the benchmarks, so that a figure has one meaning.

- accuracy and macro F1: of the most capable local rung, over rows that some label fits, whether answered or not.
- coverage: share of all rows answered here, at the thresholds in force.
- wrong_local_rate: share of all rows answered here and wrong; an answered out-of-scope row is wrong.
- selective_error: share of the rows answered here that is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from rightsized.core.types import Interval, Prediction
from rightsized.tasks.records import Confusion, CurvePoint, LabelRow, Measured, Slice

ECE_BINS = 15
CURVE_POINTS = 200


class ScoredRows(Struct):
    """What each local rung said of each row.

    `score` float64 (n, K) in [0, 1]; `correct` bool (n, K); `predicted` K lists of n predictions;
    `labels` the true labels (empty tuple: out of scope); `texts` the rows themselves.
    """

    texts: list[str]
    labels: list[tuple[str, ...]]
    score: NDArray[np.float64]
    correct: NDArray[np.bool_]
    predicted: list[list[Prediction]]


def right(prediction: Prediction, labels: tuple[str, ...], multi_label: bool) -> bool:
    """Exact match: the label, or in a multi-label task the whole set."""
    return set(prediction.labels) == set(labels) if multi_label else (prediction.label,) == labels


def answered_by(score: NDArray[np.float64], thresholds: Sequence[float | None]) -> NDArray[np.int64]:
    """The rung that answers each row, or -1: the first with score >= threshold. NaN goes up."""
    rung = np.full(len(score), -1, dtype=np.int64)
    for k in range(len(thresholds) - 1, -1, -1):
        threshold = thresholds[k]
        if threshold is not None:
            rung[score[:, k] >= threshold] = k
    return rung


def proportion(successes: int, n: int, level: float = 0.95) -> Interval:
    """A share with its Wilson interval (Wilson 1927)."""
    if n == 0:
        return Interval(value=0.0, low=0.0, high=1.0, n=0, level=level)
    z = _normal_quantile(level)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(value=p, low=max(0.0, float(centre - half)), high=min(1.0, float(centre + half)), n=n, level=level)


def _normal_quantile(level: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + level / 2)


def measure(rows: ScoredRows, thresholds: Sequence[float | None], slice_: Slice, multi_label: bool = False) -> Measured:
    """All figures of one slice at these thresholds."""
    n = len(rows.texts)
    in_scope = np.array([bool(labels) or multi_label for labels in rows.labels], dtype=bool)
    best = rows.correct[:, -1] if n else np.zeros(0, dtype=bool)
    rung = answered_by(rows.score, thresholds)
    local = rung >= 0
    wrong = local & ~rows.correct[np.arange(n), np.maximum(rung, 0)]
    table = label_rows(rows, {}, multi_label)
    seen = [row.f1 for row in table if row.n]
    return Measured(
        slice=slice_,
        n=n,
        accuracy=proportion(int(best[in_scope].sum()), int(in_scope.sum())),
        macro_f1=float(np.mean(seen)) if seen else 0.0,
        coverage=proportion(int(local.sum()), n),
        wrong_local_rate=proportion(int(wrong.sum()), n),
        selective_error=proportion(int(wrong.sum()), int(local.sum())),
        ece=ece(rows.score[:, -1], best) if n else 0.0,
    )


def ece(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Expected calibration error over 15 equal-width bins (Guo et al. 2017)."""
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [
        abs(float(confidence[bins == b].mean()) - float(correct[bins == b].mean())) * float((bins == b).mean())
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def auroc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Area under the ROC curve by ranks, ties counting half (Mann-Whitney)."""
    both = np.concatenate([positive, negative])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    midrank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(midrank[inverse[: len(positive)]].sum())
    return (rank_sum - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))


def label_rows(rows: ScoredRows, n_train: dict[str, int], multi_label: bool = False) -> tuple[LabelRow, ...]:
    """Precision, recall and F1 of each label, by the most capable local rung."""
    true: Counter[str] = Counter()
    said: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    for labels, prediction in zip(rows.labels, rows.predicted[-1], strict=True):
        given = set(prediction.labels)
        if not labels and not multi_label:
            continue  # out of scope: no label could have been right
        true.update(labels)
        said.update(given)
        hit.update(given & set(labels))
    table = []
    for label in sorted(set(true) | set(n_train)):
        precision = hit[label] / said[label] if said[label] else 0.0
        recall = hit[label] / true[label] if true[label] else 0.0
        f1 = 2 * precision * recall / (precision + recall) if hit[label] else 0.0
        table.append(LabelRow(label, n_train.get(label, 0), true[label], precision, recall, f1))
    return tuple(table)


def confusions(rows: ScoredRows, most: int = 12) -> tuple[Confusion, ...]:
    """The pairs of labels mixed up most often, with up to three texts each."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for text, labels, prediction in zip(rows.texts, rows.labels, rows.predicted[-1], strict=True):
        if len(labels) == 1 and prediction.label != labels[0]:
            pairs.setdefault((labels[0], prediction.label), []).append(text)
    worst = sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0]))[:most]
    return tuple(Confusion(a, b, len(texts), tuple(texts[:3])) for (a, b), texts in worst)


def curve(score: NDArray[np.float64], correct: NDArray[np.bool_]) -> tuple[CurvePoint, ...]:
    """Risk against coverage as the threshold falls, at up to 200 thresholds; ties enter together."""
    n = len(score)
    if n == 0:
        return ()
    order = np.argsort(-score, kind="stable")
    sorted_score, wrong = score[order], np.cumsum(~correct[order])
    last = np.flatnonzero(np.append(sorted_score[:-1] != sorted_score[1:], True))
    if len(last) > CURVE_POINTS:
        last = last[np.unique(np.linspace(0, len(last) - 1, CURVE_POINTS).astype(int))]
    return tuple(
        CurvePoint(float(sorted_score[i]), float((i + 1) / n), float(wrong[i] / (i + 1))) for i in last.tolist()
    )
