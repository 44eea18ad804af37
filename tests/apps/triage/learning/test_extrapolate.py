"""Labels that an error rate takes: right where the curve says so, refused where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.apps.triage.learning.extrapolate import reach

SIZES = [100, 200, 400, 800, 1600]


def rows(rates: list[float], count: int, seed: int) -> np.ndarray:
    """Whether each row is wrong at each size: a row is hard or easy at all sizes, as real ones are."""
    hard = np.random.default_rng(seed).random(count)
    return np.array([hard < rate for rate in rates])


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rates = [2.0 * n**-0.45 for n in SIZES]  # 0.0723 at 1,600 labels
    truth = (2.0 / 0.06) ** (1 / 0.45) - SIZES[-1]  # 817 more
    inside, told = 0, 0
    for seed in range(15):
        found = reach(SIZES, rows(rates, 2_000, seed), 0.06, seed)
        if found.more is None or found.low is None or found.high is None:
            continue
        told += 1
        inside += found.low <= truth <= found.high
    assert told >= 7
    assert inside / told >= 0.6  # 80% are meant; 15 draws tell that from few


@pytest.mark.parametrize(
    ("rates", "budget", "why"),
    [
        ([0.3, 0.3, 0.3, 0.3, 0.3], 0.05, "if ever"),
        ([0.4, 0.3, 0.25, 0.22, 0.21], 0.05, "if ever"),
        ([0.5, 0.3, 0.2], 0.05, "too few"),
    ],
)
def test_no_number_where_the_curve_gives_none(rates: list[float], budget: float, why: str) -> None:
    found = reach(SIZES[: len(rates)], rows(rates, 2_000, 0), budget)
    assert (found.more, found.low, found.high) == (None, None, None)
    assert why in found.why


def test_what_is_reached_takes_no_more_and_few_errors_tell_nothing() -> None:
    assert reach(SIZES, rows([0.2, 0.1, 0.08, 0.06, 0.04], 2_000, 0), 0.05).more == 0
    assert "too few errors" in reach(SIZES, rows([0.4, 0.3, 0.2, 0.15, 0.1], 60, 0), 0.05).why
