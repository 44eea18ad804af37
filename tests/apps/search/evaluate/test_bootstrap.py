"""Intervals: coverage on data whose mean is known, groups drawn whole, differences paired, the same seed the same."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.apps.search.evaluate.bootstrap import compare, interval
from rightsized.core.errors import DataError


def test_intervals_cover_the_true_mean() -> None:
    random = np.random.default_rng(1)
    inside = 0
    for seed in range(300):
        found = interval((random.random(60) ** 3).tolist(), seed=seed, draws=400)  # skewed; the mean is 1/4
        inside += found.low <= 0.25 <= found.high
    assert 0.91 <= inside / 300 <= 0.98


def test_groups_widen_where_their_questions_agree() -> None:
    random = np.random.default_rng(2)
    levels = np.repeat(random.random(20), 15)
    groups = [f"doc{i // 15}" for i in range(300)]
    alone, together = interval(levels.tolist()), interval(levels.tolist(), groups)
    assert together.groups == 20 and together.n == 300
    assert alone.mean == pytest.approx(together.mean)
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_groups_of_different_sizes_keep_the_mean_over_questions() -> None:
    found = interval([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"])
    assert found.mean == pytest.approx(0.75)
    assert (found.low, found.high) == (0.0, 1.0)


def test_a_difference_is_paired() -> None:
    random = np.random.default_rng(3)
    base = random.random(200)
    found = compare(base.tolist(), (base + 0.01).tolist())
    assert found.mean == pytest.approx(0.01)
    assert found.proven and found.low == pytest.approx(0.01)
    assert (found.better, found.worse, found.n) == (200, 0, 200)


def test_no_difference_is_not_proven() -> None:
    random = np.random.default_rng(4)
    a, b = random.random(200), random.random(200)
    found = compare(a.tolist(), b.tolist())
    assert found.low < 0 < found.high and not found.proven


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(5).random(50).tolist()
    assert interval(values, seed=3) == interval(values, seed=3)
    assert interval(values, seed=3) != interval(values, seed=4)


def test_one_value_or_equal_values_have_no_width() -> None:
    assert (interval([0.4]).low, interval([0.4]).high) == (0.4, 0.4)
    assert interval([0.5] * 9).high == 0.5


@pytest.mark.parametrize(("values", "groups"), [([], ()), ([float("nan")], ()), ([1.0, 2.0], ("a",))])
def test_what_cannot_be_drawn_is_refused(values: list[float], groups: tuple[str, ...]) -> None:
    with pytest.raises(DataError):
        interval(values, groups)


def test_values_of_other_questions_are_refused() -> None:
    with pytest.raises(DataError, match="not of the same questions"):
        compare([1.0], [1.0, 0.0])
