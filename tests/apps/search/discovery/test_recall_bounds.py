"""Bounds are exact: against whole numbers, over every possible sample, and over attempts that follow each other."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.apps.search.discovery.stopping.bounds import Seen, at_most, fewest, most, planned, recall, spent

DELTA = 0.05


def exactly(seen: int, pile: int, responsive: int, drawn: int) -> Fraction:
    ways = sum(
        math.comb(responsive, x) * math.comb(pile - responsive, drawn - x) for x in range(seen + 1) if x <= drawn
    )
    return Fraction(ways, math.comb(pile, drawn))


@given(st.integers(1, 60), st.data())
def test_the_distribution_is_that_of_whole_numbers(pile: int, data: st.DataObject) -> None:
    responsive, drawn = data.draw(st.integers(0, pile)), data.draw(st.integers(0, pile))
    for seen in range(drawn + 1):
        assert at_most(seen, pile, responsive, drawn) == pytest.approx(
            float(exactly(seen, pile, responsive, drawn)), abs=1e-12
        )


@pytest.mark.parametrize(("pile", "drawn"), [(30, 7), (50, 25), (50, 50), (200, 40)])
def test_the_bounds_are_the_tightest_that_hold(pile: int, drawn: int) -> None:
    for seen in range(drawn + 1):
        bound = most(seen, pile, drawn, DELTA)
        assert exactly(seen, pile, bound, drawn) > DELTA
        assert bound == pile - (drawn - seen) or exactly(seen, pile, bound + 1, drawn) <= DELTA
        assert fewest(seen, pile, drawn, DELTA) <= bound


@pytest.mark.parametrize(("pile", "drawn"), [(40, 10), (300, 60)])
def test_a_bound_is_wrong_at_most_delta_of_the_time_whatever_the_pile_holds(pile: int, drawn: int) -> None:
    for responsive in range(pile + 1):
        ways = [x for x in range(min(drawn, responsive) + 1) if drawn - x <= pile - responsive]
        chance = {
            x: Fraction(math.comb(responsive, x) * math.comb(pile - responsive, drawn - x), math.comb(pile, drawn))
            for x in ways
        }
        assert sum(chance[x] for x in ways if most(x, pile, drawn, DELTA) < responsive) <= DELTA
        assert sum(chance[x] for x in ways if fewest(x, pile, drawn, DELTA) > responsive) <= DELTA


def test_a_million_documents_are_as_exact() -> None:
    bound = most(3, 1_000_000, 2_000, DELTA)
    assert exactly(3, 1_000_000, bound, 2_000) > Fraction(DELTA) * Fraction(999_990, 1_000_000)
    assert exactly(3, 1_000_000, bound + 1, 2_000) <= DELTA


def test_what_nobody_decided_on_counts_as_missed() -> None:
    whole = recall(Seen(100, 0, 1000, 200, 1, 0, 1), DELTA)
    half = recall(Seen(100, 0, 1000, 200, 1, 50, 1), DELTA)
    lost = recall(Seen(100, 30, 1000, 200, 1, 0, 1), DELTA)
    assert half.low < whole.low
    assert lost.low < whole.low
    assert whole.low <= whole.value <= whole.high


def test_edges() -> None:
    assert recall(Seen(0, 0, 0, 0, 0, 0, 0), DELTA).low == 1.0  # nothing is responsive, and all of it is read
    assert recall(Seen(5, 0, 0, 0, 0, 0, 0), DELTA).low == 1.0
    assert recall(Seen(5, 0, 100, 0, 0, 0, 0), DELTA).low == pytest.approx(5 / 105)
    assert recall(Seen(5, 0, 100, 100, 0, 0, 0), DELTA).low == 1.0
    assert recall(Seen(0, 0, 100, 50, 0, 0, 0), DELTA).low == 0.0


def test_attempts_share_delta() -> None:
    assert sum(spent(DELTA, attempt) for attempt in range(1, 1000)) < DELTA


def test_a_false_certificate_is_as_rare_as_promised_however_often_one_looks() -> None:
    """A review that finds what it should slowly, sampled after each step until a sample certifies."""
    draw, target, size, steps, wrong, looked = random.Random(5), 0.8, 60, 5, 0, 400
    for _ in range(looked):
        pile, known, missing, certified = 400, 60, 40, False  # recall .60, and .62, .64, ... after each step
        for attempt in range(1, steps + 1):
            sample = draw.sample(range(pile), size)
            hit = sum(one < missing for one in sample)
            low = recall(Seen(known, 0, pile, size, hit, 0, hit), spent(DELTA, attempt)).low
            if low >= target:
                certified = (known + hit) / (known + missing) < target
                break
            known, missing, pile = known + hit, missing - hit, pile - size
        wrong += certified
    assert at_least(wrong, looked) > 1e-4


def at_least(wrong: int, looked: int) -> float:
    """P(at least so many) where each goes wrong DELTA of the time."""
    return 1.0 - sum(math.comb(looked, x) * DELTA**x * (1 - DELTA) ** (looked - x) for x in range(wrong))


def test_a_planned_sample_does_what_it_is_for() -> None:
    plan = planned(1000, 20_000, 0.8, DELTA / 2)
    assert recall(Seen(1000, 0, 20_000, plan.none, 0, 0, 0), DELTA / 2).low >= 0.8
    assert recall(Seen(1000, 0, 20_000, plan.none - 1, 0, 0, 0), DELTA / 2).low < 0.8
    draw, missing = random.Random(1), round(1000 / plan.assumed) - 1000
    certified = 0
    for _ in range(200):
        hit = sum(one < missing for one in draw.sample(range(20_000), plan.size))
        certified += recall(Seen(1000, 0, 20_000, plan.size, hit, 0, hit), DELTA / 2).low >= 0.8
    assert certified >= 0.7 * 200
    assert planned(0, 100, 0.8, DELTA).size == 0
    assert planned(1000, 10, 0.8, DELTA).size == 1
