"""The best allowed sequence, against all sequences tried one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rightsized.engines.viterbi import best_path, marginals, transitions

TAGS = ("O", "B-x", "I-x", "B-y", "I-y")


def allowed(path: tuple[int, ...]) -> bool:
    before = "O"
    for tag in (TAGS[i] for i in path):
        if tag.startswith("I-") and before[2:] != tag[2:]:
            return False
        before = tag
    return True


@pytest.mark.parametrize("seed", range(20))
def test_no_allowed_sequence_is_better(seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(4, len(TAGS))).astype(np.float32)
    path = tuple(int(i) for i in best_path(scores, transitions(TAGS)))
    totals = {
        p: sum(scores[i, t] for i, t in enumerate(p)) for p in itertools.product(range(5), repeat=4) if allowed(p)
    }
    assert allowed(path)
    assert totals[path] == pytest.approx(max(totals.values()), abs=1e-5)


def test_an_inside_tag_never_begins_a_span() -> None:
    scores = np.array([[0, 0, 9, 0, 0]], dtype=np.float32)
    assert TAGS[best_path(scores, transitions(TAGS))[0]] != "I-x"


def test_nothing() -> None:
    assert list(best_path(np.zeros((0, 5), np.float32), transitions(TAGS))) == []


@pytest.mark.parametrize("seed", range(5))
def test_marginals_are_those_of_all_sequences_tried_one_by_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(size=(4, len(TAGS))).astype(np.float32)
    between = transitions(TAGS) + random.normal(size=(5, 5)).astype(np.float32)
    wanted = np.zeros((4, 5))
    for path in filter(allowed, itertools.product(range(5), repeat=4)):
        steps = sum(between[a, b] for a, b in itertools.pairwise((0, *path)))
        weight = np.exp(sum(scores[word, tag] for word, tag in enumerate(path)) + steps)
        for word, tag in enumerate(path):
            wanted[word, tag] += weight
    assert marginals(scores, between) == pytest.approx(wanted / wanted.sum(axis=1, keepdims=True), abs=1e-5)


def test_marginals_of_long_texts_and_of_none() -> None:
    scores = np.random.default_rng(0).normal(scale=30, size=(3_000, 5)).astype(np.float32)
    found = marginals(scores, transitions(TAGS))
    assert np.allclose(found.sum(axis=1), 1.0, atol=1e-5)
    assert marginals(np.zeros((0, 5), np.float32), transitions(TAGS)).shape == (0, 5)
