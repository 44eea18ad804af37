"""Metrics of one ranking against judgements, as trec_eval computes them: linear gains, judged grades above 0 relevant.

A row that was not judged counts as not relevant. A ranking shorter than `k` is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2

DEPTH = 100  # how deep rankings are read, for R@100 and for the reciprocal rank
NAMES = ("ndcg@10", "recall@10", "recall@100", "mrr")


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Normalised discounted cumulated gain at k (Järvelin and Kekäläinen 2002); 0 where nothing is relevant."""
    gained = sum(max(grades.get(one, 0), 0) / log2(place + 2) for place, one in enumerate(ranked[:k]))
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    most = sum(grade / log2(place + 2) for place, grade in enumerate(ideal))
    return gained / most if most else 0.0


def recall(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Share of the relevant rows that stand among the first k; 0 where nothing is relevant."""
    relevant = {one for one, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, int], k: int = DEPTH) -> float:
    """One over the place of the first relevant row among the first k; 0 where none is there."""
    for place, one in enumerate(ranked[:k], 1):
        if grades.get(one, 0) > 0:
            return 1.0 / place
    return 0.0


def measure(ranked: Sequence[str], grades: Mapping[str, int]) -> tuple[float, float, float, float]:
    """nDCG@10, R@10, R@100 and the reciprocal rank of one ranking without repeats, in the order of `NAMES`."""
    return (
        ndcg(ranked, grades, 10),
        recall(ranked, grades, 10),
        recall(ranked, grades, DEPTH),
        reciprocal_rank(ranked, grades),
    )
