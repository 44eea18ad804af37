"""Metrics against cases worked out by hand and against trec_eval's own code, where that is installed."""

from __future__ import annotations

import random
from math import log2

import pytest

from rightsized.apps.search.evaluate.metrics import DEPTH, measure, ndcg, recall, reciprocal_rank


def test_ndcg_of_a_perfect_ranking_is_one() -> None:
    assert ndcg(["a", "b", "c"], {"a": 2, "b": 1, "c": 0}, 10) == pytest.approx(1.0)


def test_ndcg_uses_linear_gains() -> None:
    gained = 1 / log2(2) + 3 / log2(3)
    ideal = 3 / log2(2) + 1 / log2(3)
    assert ndcg(["one", "three"], {"one": 1, "three": 3}, 10) == pytest.approx(gained / ideal)


def test_ndcg_divides_by_what_k_places_could_hold() -> None:
    grades = {str(i): 1 for i in range(20)}
    assert ndcg([str(i) for i in range(20)], grades, 10) == pytest.approx(1.0)
    assert ndcg(["x"] * 9 + ["0"], grades, 10) == pytest.approx(
        (1 / log2(11)) / sum(1 / log2(i + 2) for i in range(10))
    )


def test_negative_grades_gain_nothing() -> None:
    assert ndcg(["bad", "good"], {"bad": -2, "good": 1}, 10) == pytest.approx(1 / log2(3))


def test_recall_counts_relevant_rows_only() -> None:
    grades = {"a": 1, "b": 2, "c": 0, "d": 1}
    assert recall(["c", "a", "x"], grades, 10) == pytest.approx(1 / 3)
    assert recall(["c", "a", "b", "d"], grades, 2) == pytest.approx(1 / 3)


def test_reciprocal_rank_reads_no_deeper_than_asked() -> None:
    assert reciprocal_rank(["x", "y", "a"], {"a": 1}) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x"] * DEPTH + ["a"], {"a": 1}) == 0.0


@pytest.mark.parametrize("metric", [ndcg, recall])
def test_nothing_relevant_gives_zero(metric: object) -> None:
    assert metric(["a"], {"a": 0}, 10) == 0.0  # type: ignore[operator]  # both have one signature


def test_equal_to_trec_eval() -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    drawn = random.Random(5)
    rows = [f"d{i}" for i in range(300)]
    grades = {f"q{q}": {row: drawn.choice([0, 1, 1, 2, 3]) for row in drawn.sample(rows, 25)} for q in range(40)}
    ranked = {q: drawn.sample(rows, drawn.choice([5, 50, 100])) for q in grades}
    runs = {q: {row: float(-place) for place, row in enumerate(found)} for q, found in ranked.items()}
    oracle = pytrec_eval.RelevanceEvaluator(grades, {"ndcg_cut.10", "recall.10,100", "recip_rank"}).evaluate(runs)
    for question, found in ranked.items():
        theirs = oracle[question]
        expected = [theirs[name] for name in ("ndcg_cut_10", "recall_10", "recall_100", "recip_rank")]
        assert measure(found, grades[question]) == pytest.approx(expected)
