"""LexRank and MMR by their definitions, on texts small enough to see."""

from __future__ import annotations

import numpy as np

from rightsized.apps.triage.summary.centrality import MOST, central, centrality, chosen, similarities

TEXT = [
    "The tent leaks at the seam.",
    "I bought the tent in May.",
    "The leaking seam of the tent ruined our holiday in May.",
    "Kind regards from Wales.",
]


def test_scores_are_the_stationary_distribution_of_the_walk() -> None:
    similar = similarities(TEXT)
    scores = centrality(similar)
    others = similar - np.eye(4)
    rows = others.sum(axis=1, keepdims=True)
    walk = np.where(rows > 0, others / np.where(rows > 0, rows, 1), 0.25)
    google = 0.15 / 4 + 0.85 * walk
    values, vectors = np.linalg.eig(google.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    assert np.allclose(scores, stationary / stationary.sum(), atol=1e-6)
    assert np.isclose(scores.sum(), 1.0)


def test_what_shares_words_with_the_rest_is_central() -> None:
    assert int(np.argmax(centrality(similarities(TEXT)))) == 2
    assert int(np.argmin(centrality(similarities(TEXT)))) == 3


def test_a_repeat_is_not_chosen_beside_what_it_repeats() -> None:
    text = [*TEXT[:3], TEXT[2], TEXT[3]]
    similar = similarities(text)
    without = chosen(centrality(similar), similar, 2, novelty=0.0)
    assert without == [2, 3]
    picked = chosen(centrality(similar), similar, 2, novelty=0.5)
    assert not {2, 3} <= set(picked)


def test_sentences_come_in_the_order_of_the_text() -> None:
    assert central(TEXT, 3) == sorted(central(TEXT, 3))
    assert central(TEXT, 99) == [0, 1, 2, 3]


def test_nothing_and_words_without_meaning() -> None:
    assert central([], 3) == []
    assert central(["of the", "and so"], 3) == [0, 1]
    assert np.isfinite(centrality(similarities(["of the", "and so"]))).all()


def test_of_very_long_threads_the_first_and_the_last_are_compared() -> None:
    text = [f"Sentence number {at} about parcels." for at in range(MOST + 50)]
    found = central(text, 3)
    assert all(at < MOST // 2 or at >= len(text) - MOST // 2 for at in found)
