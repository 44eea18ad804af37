"""What configurations do with rows: ties, NaN, order, and the grid's counts against counting row by row."""

from __future__ import annotations

import numpy as np
import pytest
from cascade_samples import population
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rightsized.cascade import grid
from rightsized.cascade.path import as_configuration, as_thresholds, mean_costs, nested_runs, outcomes
from rightsized.cascade.scores import Scores, one_row_a_group, regret
from rightsized.core.errors import DataError

COARSE = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, float("nan")])  # many ties


def scored(rungs: int) -> st.SearchStrategy[Scores]:
    rows = st.integers(2, 40)
    return rows.flatmap(
        lambda n: st.builds(
            Scores,
            hnp.arrays(np.float64, (n, rungs), elements=COARSE),
            hnp.arrays(np.bool_, (n, rungs)),
        )
    )


def slowly(configuration: np.ndarray, rows: Scores) -> tuple[int, int]:
    """Routing as the words of the design say it, one row at a time."""
    local = wrong = 0
    for scores, correct in zip(rows.scores, rows.correct, strict=True):
        for score, right, threshold in zip(scores, correct, configuration, strict=True):
            if not np.isnan(score) and score >= threshold:
                local += 1
                wrong += not right
                break
    return local, wrong


@settings(max_examples=60, deadline=None)
@given(rows=scored(2), first=st.sampled_from([0.0, 0.25, 0.5, 1.0, np.inf]), second=st.sampled_from([0.0, 0.5, np.inf]))
def test_outcomes_are_routing(rows: Scores, first: float, second: float) -> None:
    configuration = np.array([first, second])
    local, wrong = outcomes(configuration[None, :], rows).count()
    assert (int(local[0]), int(wrong[0])) == slowly(configuration, rows)


@settings(max_examples=40, deadline=None)
@given(rows=st.one_of(scored(1), scored(2), scored(3)))
def test_grid_counts_every_point_as_routing_does(rows: Scores) -> None:
    costs = (*(0.1, 0.2, 0.4)[: rows.rungs], 1.0)
    points = grid.build(rows, costs, 6)
    local, wrong = outcomes(points.configurations, rows).count()
    assert points.local.tolist() == local.tolist()
    assert points.wrong.tolist() == wrong.tolist()
    assert points.cost == pytest.approx(mean_costs(points.configurations, rows, costs))


@settings(max_examples=40, deadline=None)
@given(rows=scored(1))
def test_a_looser_threshold_answers_all_that_a_stricter_one_does(rows: Scores) -> None:
    points = grid.build(rows, (0.1, 1.0))
    seen = outcomes(points.configurations[::-1], rows)
    assert (seen.local[:, 1:] >= seen.local[:, :-1]).all()
    assert nested_runs(points.configurations[::-1]) == 1


def test_nan_goes_up_even_at_threshold_zero() -> None:
    rows = Scores(np.array([[np.nan, 0.9], [0.0, 0.1]]), np.array([[True, True], [False, True]]))
    seen = outcomes(np.array([[0.0, 0.5]]), rows)
    assert seen.local[:, 0].tolist() == [True, True]
    assert seen.wrong[:, 0].tolist() == [False, True]  # row 0 by rung 1, row 1 by rung 0 and wrong


def test_every_rung_tried_is_paid_for() -> None:
    rows = Scores(np.array([[0.9, 0.9], [0.1, 0.9], [0.1, 0.1]]), np.ones((3, 2), np.bool_))
    cost = mean_costs(np.array([[0.5, 0.5]]), rows, (1.0, 10.0, 100.0))[0]
    assert cost == pytest.approx((1 + 11 + 111) / 3)


def test_never_is_none_for_users_and_infinity_within() -> None:
    assert as_thresholds(as_configuration((None, 0.25))) == (None, 0.25)


@pytest.mark.parametrize(
    ("scores", "correct", "groups", "words"),
    [
        (np.zeros((3, 0)), np.zeros((3, 0), np.bool_), (), "do not match"),
        (np.zeros((3, 1)), np.zeros((2, 1), np.bool_), (), "do not match"),
        (np.zeros((3, 1)), np.zeros((3, 1), np.int64), (), "true or false"),
        (np.full((3, 1), 1.5), np.zeros((3, 1), np.bool_), (), "row 0 lies outside"),
        (np.full((3, 1), -0.1), np.zeros((3, 1), np.bool_), (), "lies outside"),
        (np.zeros((3, 1)), np.zeros((3, 1), np.bool_), ("a",), "1 group ids for 3 rows"),
    ],
)
def test_scores_that_cannot_be_used_are_named(
    scores: np.ndarray, correct: np.ndarray, groups: tuple[str, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        Scores(scores, correct, groups)


def test_one_row_a_group_is_blind_to_order_of_size_and_uniform_within() -> None:
    groups = [f"g{i // 4}" for i in range(4000)]
    picked = one_row_a_group(groups, seed=3)
    assert len(picked) == 1000
    assert len({groups[i] for i in picked}) == 1000
    assert np.bincount(picked % 4).tolist() == pytest.approx([250] * 4, abs=60)
    assert not np.array_equal(picked, one_row_a_group(groups, seed=4))


def test_rows_keep_their_groups() -> None:
    rows = population(6)
    kept = Scores(rows.scores, rows.correct, list("aabbcc")).rows(np.array([1, 4]))
    assert list(kept.groups) == ["a", "c"]


@settings(max_examples=60, deadline=None)
@given(
    answers=hnp.arrays(np.int64, (30, 3), elements=st.integers(0, 2)),
    truth=hnp.arrays(np.int64, 30, elements=st.integers(0, 2)),
)
def test_regret_is_never_more_than_error_or_disagreement(answers: np.ndarray, truth: np.ndarray) -> None:
    last = answers[:, 2]
    right, same = answers[:, :2] == truth[:, None], answers[:, :2] == last[:, None]
    kept = regret(right, last == truth)
    assert (kept >= right).all()
    assert (kept >= same).all()
