"""Near-duplicates: planted pairs are found, and the search agrees with comparing every pair."""

from __future__ import annotations

import random
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from rightsized.tune.duplicates import clusters, conflicts, near_duplicates, normalise, same_text, straddling


def sentences(count: int, seed: int = 0) -> list[str]:
    generator = random.Random(seed)
    words = ["".join(generator.choices(string.ascii_lowercase, k=generator.randint(3, 9))) for _ in range(400)]
    return [" ".join(generator.choices(words, k=14)) for _ in range(count)]


def slow_jaccard(a: str, b: str) -> float:
    first, second = ({t[i : i + 5] for i in range(max(len(t) - 4, 1))} for t in (normalise(a), normalise(b)))
    return len(first & second) / len(first | second)


def test_planted_pairs_are_found_among_thousands() -> None:
    texts = sentences(3000)
    planted = {(row, 3000 + k) for k, row in enumerate(range(0, 3000, 100))}
    texts += [texts[row][:-3] + "." for row, _ in sorted(planted)]
    found = {(pair.first, pair.second) for pair in near_duplicates(texts)}
    assert found == planted


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text("ab c", max_size=14), max_size=14))
def test_the_search_agrees_with_comparing_every_pair(texts: list[str]) -> None:
    expected = {
        frozenset((normalise(a), normalise(b)))
        for i, a in enumerate(texts)
        for b in texts[i + 1 :]
        if slow_jaccard(a, b) >= 0.8
    }
    found = near_duplicates(texts)
    assert {frozenset((normalise(texts[p.first]), normalise(texts[p.second]))) for p in found} == expected
    for pair in found:
        assert pair.similarity == slow_jaccard(texts[pair.first], texts[pair.second])


def test_straddling_gives_each_row_its_nearest() -> None:
    first = sentences(50)
    second = [*sentences(50, seed=1), first[7] + "!", first[9][:-4], first[9][:-1]]
    found = {pair.first: pair.second for pair in straddling([*first, first[7].upper()], second)}
    assert found == {7: 50, 50: 50, 9: 52}


def test_a_text_repeated_often_costs_one_pair_a_row() -> None:
    texts = ["the same old template message"] * 2000 + sentences(10)
    assert len(near_duplicates(texts)) == 1999
    assert len(set(clusters(texts))) == 11


def test_conflicting_labels_are_grouped() -> None:
    texts = ["Lost card!", "lost card", "LOST  CARD", "other", "other"]
    found = conflicts(texts, ["lost", "stolen", "lost", "x", "x"])
    assert [(conflict.rows, conflict.labels) for conflict in found] == [((0, 1, 2), ("lost", "stolen"))]
    assert same_text(texts) == [(0, 1, 2), (3, 4)]
