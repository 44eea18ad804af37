"""Overlapping findings are settled the same way whatever their order, and nothing found is uncovered."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rightsized.core.pii import Finding
from rightsized.guard.pii.overlaps import disjoint

TEXT = "abc def-ghi. jkl mno"
SPANS = st.tuples(st.integers(0, 19), st.integers(1, 8), st.sampled_from([0.4, 0.6, 0.95, 1.0]), st.sampled_from("pq"))
FOUND = st.lists(SPANS.map(lambda s: Finding(s[0], min(s[0] + s[1], len(TEXT)), s[3], s[2], "test")), max_size=8)


@given(FOUND, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_nothing_overlaps(found: list[Finding], random: object) -> None:
    settled = disjoint(found, TEXT)
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random
    assert disjoint(shuffled, TEXT) == settled
    assert all(a.end <= b.start for a, b in pairwise(settled))


@given(FOUND)
def test_letters_and_digits_stay_covered(found: list[Finding]) -> None:
    settled = disjoint(found, TEXT)
    covered = {i for one in settled for i in range(one.start, one.end)}
    assert {i for one in found for i in range(one.start, one.end) if TEXT[i].isalnum()} <= covered


def test_the_longer_stands_over_one_inside_it() -> None:
    outer, inner = Finding(0, 11, "url", 0.9, "a"), Finding(4, 7, "person", 1.0, "b")
    assert disjoint([inner, outer], TEXT) == (outer,)


def test_a_proven_one_stands_inside_a_weak_one() -> None:
    outer, inner = Finding(0, 16, "address", 0.5, "a"), Finding(4, 7, "payment_card", 1.0, "b")
    settled = disjoint([inner, outer], TEXT)
    assert [(TEXT[one.start : one.end], one.type) for one in settled] == [
        ("abc", "address"),
        ("def", "payment_card"),
        ("ghi. jkl", "address"),
    ]
