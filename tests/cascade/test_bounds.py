"""Exact tests and intervals against SciPy's own distributions and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rightsized.cascade import bounds


@settings(max_examples=60, deadline=None)
@given(m=st.integers(0, 3000), share=st.floats(0, 1), epsilon=st.floats(0.001, 0.5))
def test_p_values_are_the_binomial_distribution(m: int, share: float, epsilon: float) -> None:
    e = int(share * m)
    p = float(bounds.binomial_p_values(e, m, epsilon))
    # Below 1e-100 the two computations differ in the ninth digit, and nothing hangs on it.
    assert p == pytest.approx(1.0 if m == 0 else stats.binom.cdf(e, m, epsilon), rel=1e-9, abs=1e-100)


@settings(max_examples=40, deadline=None)
@given(epsilon=st.floats(0.003, 0.4), delta=st.floats(0.0005, 0.3))
def test_critical_errors_are_where_the_p_value_crosses_delta(epsilon: float, delta: float) -> None:
    trials = np.arange(0, 400)
    critical = bounds.critical_errors(trials, epsilon, delta)
    for m, e in zip(trials, critical, strict=True):
        if e >= 0:
            assert bounds.binomial_p_values(e, m, epsilon) <= delta
        if e < m:
            assert bounds.binomial_p_values(e + 1, m, epsilon) > delta


def test_the_fewest_rows_that_can_prove_anything() -> None:
    assert bounds.smallest_trials(0.02, 0.05) == 149
    assert bounds.smallest_trials(0.01, 0.05) == 299
    assert bounds.critical_errors(148, 0.02, 0.05) == -1
    assert bounds.critical_errors(149, 0.02, 0.05) == 0


@pytest.mark.parametrize("epsilon", [0.01, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("m", [30, 149, 500, 2000])
def test_p_values_are_super_uniform_at_the_limit(epsilon: float, m: int) -> None:
    """Exactly, not by simulation: P(p <= a) <= a for every a that p can take."""
    e = np.arange(m + 1)
    p = bounds.binomial_p_values(e, m, epsilon)
    reached = stats.binom.cdf(e, m, epsilon)  # P(E <= e) = P(p <= p(e)), p rising with e
    assert (reached <= p * (1 + 1e-9)).all()


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 500), share=st.floats(0, 1))
def test_clopper_pearson_is_scipys(n: int, share: float) -> None:
    e = int(share * n)
    ours, theirs = bounds.clopper_pearson(e, n), stats.binomtest(e, n).proportion_ci(0.95, "exact")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_intervals_of_nothing_say_nothing() -> None:
    assert (bounds.clopper_pearson(0, 0).low, bounds.clopper_pearson(0, 0).high) == (0.0, 1.0)
    assert (bounds.dkw_interval(0.5, 0).low, bounds.dkw_interval(0.5, 0).high) == (0.0, 1.0)


def test_dkw_holds_for_the_worst_threshold() -> None:
    random = np.random.default_rng(0)
    n, missed = 200, 0
    half = bounds.dkw_interval(0.5, n).high - 0.5
    for _ in range(1000):
        missed += stats.kstest(random.random(n), "uniform").statistic > half
    assert missed <= 50 + 3 * np.sqrt(1000 * 0.05 * 0.95)
