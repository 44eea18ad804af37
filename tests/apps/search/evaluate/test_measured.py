"""Running configurations over judged questions and comparing them."""

from __future__ import annotations

import pytest

from rightsized.apps.search.evaluate.beir import Judged, Question, Row
from rightsized.apps.search.evaluate.measured import groups_of, run
from rightsized.core.errors import DataError


def judged(count: int = 20) -> Judged:
    rows = tuple(Row(f"r{i}", f"text {i}", "", f"d{i % 4}", {}) for i in range(count))
    questions = tuple(Question(f"q{i}", f"question {i}", {"doc": f"d{i % 4}"}) for i in range(count))
    return Judged("made", rows, questions, {f"q{i}": {f"r{i}": 1} for i in range(count)})


def test_a_perfect_configuration_beats_a_reversed_one() -> None:
    data = judged()
    right = run("right", data, lambda q: [q.id.replace("q", "r")])
    second = run("second", data, lambda q: ["other", "other", q.id.replace("q", "r")])
    assert right.intervals()["ndcg@10"].mean == 1.0
    assert second.intervals()["mrr"].mean == pytest.approx(0.5)  # the repeat counts once
    gain = right.gain_over(second)["ndcg@10"]
    assert gain.proven and gain.better == 20 and gain.worse == 0


def test_progress_ends_at_the_number_of_questions() -> None:
    seen: list[tuple[int, int]] = []
    run("any", judged(3), lambda q: [], lambda stage, done, total: seen.append((done, total)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_groups_are_read_off_the_questions() -> None:
    data = judged(8)
    assert groups_of(data, "doc") == ("d0", "d1", "d2", "d3") * 2
    outcome = run("any", data, lambda q: [q.id.replace("q", "r")])
    assert outcome.intervals(groups_of(data, "doc"))["ndcg@10"].groups == 4
    with pytest.raises(DataError, match="no field 'contract'"):
        groups_of(data, "contract")
