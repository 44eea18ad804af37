"""The listwise fit: it recovers an order, is pulled to its prior, and refuses what says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.core.errors import DataError
from rightsized.tune.listwise import fit_listwise


def lists(count: int = 200, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    random = np.random.default_rng(seed)
    features, relevant = [], []
    for _ in range(count):
        rows = random.standard_normal((12, 4)) * [1.0, 10.0, 0.1, 1.0]
        rows[:, 3] = 7.0  # the same for all: says nothing
        truth = rows @ [2.0, 0.0, -10.0, 5.0] + random.gumbel(size=12)
        marks = np.zeros(12, bool)
        marks[int(np.argmax(truth))] = True
        features.append(rows)
        relevant.append(marks)
    return features, relevant


def test_it_recovers_the_order() -> None:
    features, relevant = lists()
    weights = fit_listwise(features, relevant, strength=0.1)
    assert weights[0] > 1.0 and weights[2] < -5.0
    assert abs(weights[1]) < 0.05 and weights[3] == 0.0
    held, marks = lists(seed=1)
    hits = sum(bool(mark[int(np.argmax(rows @ weights))]) for rows, mark in zip(held, marks, strict=True))
    assert hits / len(held) > 0.4  # 1 in 12 by chance


def test_a_strong_pull_leaves_the_prior() -> None:
    features, relevant = lists(50)
    prior = np.array([1.0, 2.0, 3.0, 0.0])
    assert fit_listwise(features, relevant, prior=prior, strength=1e9) == pytest.approx(prior, rel=1e-3)


def test_lists_that_say_nothing_are_left_out() -> None:
    features, relevant = lists(50)
    silent = [*features, np.ones((5, 4)) * 100, np.zeros((3, 4))]
    marks = [*relevant, np.zeros(5, bool), np.ones(3, bool)]
    np.testing.assert_allclose(fit_listwise(silent, marks), fit_listwise(features, relevant))


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(DataError, match="nothing can be learned"):
        fit_listwise([np.ones((3, 2))], [np.zeros(3, bool)])
    with pytest.raises(DataError, match="not of the same"):
        fit_listwise([np.ones((3, 2))], [np.array([True, False])])
