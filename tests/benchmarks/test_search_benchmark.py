"""The benchmark of document search: halves, fusion of ranks and samples are what the result file says of them."""

from __future__ import annotations

import numpy as np

from benchmarks import search
from benchmarks.search_peers import reciprocal
from rightsized.apps.search.evaluate.asking import Asking
from rightsized.apps.search.evaluate.beir import Judged, Question, Row
from rightsized.apps.search.rank.ordering import COLUMNS


def judged() -> Judged:
    rows = tuple(Row(f"r{i}", f"text {i}", "", f"d{i % 5}", {}) for i in range(40))
    questions = tuple(Question(f"q{i}", f"question {i}", {"doc": f"d{i % 5}"}) for i in range(40))
    return Judged("made", rows, questions, {f"q{i}": {f"r{i}": 1} for i in range(40)})


def test_halves_keep_documents_whole() -> None:
    task = search.Task("any", "cuad", Asking("doc"), "doc")
    halves = {one.fields["doc"]: set() for one in judged().questions}
    for one in judged().questions:
        halves[one.fields["doc"]].add(search._half(task, one))
    assert all(len(found) == 1 for found in halves.values())
    alone = search.Task("any", "obliqa", Asking())
    assert {search._half(alone, one) for one in judged().questions} == {0, 1}


def test_every_set_has_weights_for_both_halves_and_for_learning() -> None:
    for task in search.TASKS:
        assert len(search.HALVES[task.data]) == 2
        assert {len(weights) for weights in (*search.HALVES[task.data], search.OTHERS[task.data])} == {
            len(search.NAMED)
        }
    assert set(search.NAMED) <= set(COLUMNS)


def test_reciprocal_rank_fusion() -> None:
    (fused,) = reciprocal([["a", "b", "c"]], [["c", "b"]], k=1)
    assert fused == ["c", "b", "a"]  # 1/4 + 1/2, 1/3 + 1/3, 1/2


def test_a_sample_is_drawn_once_and_for_all() -> None:
    some = search._sample(judged(), 10)
    assert len(some.questions) == 10 and some.rows == judged().rows
    assert some == search._sample(judged(), 10)
    assert search._sample(judged(), 0) == search._sample(judged(), 99) == judged()


def test_ranking_by_cosine_stays_within_the_document() -> None:
    data = judged()
    vectors = np.eye(40, dtype=np.float32)
    found = search._by_cosine(data, [f"d{i % 5}" for i in range(40)], (vectors, vectors))
    assert [ranked[0] for ranked in found] == [f"r{i}" for i in range(40)]
    assert all(len(ranked) == 8 for ranked in found)
