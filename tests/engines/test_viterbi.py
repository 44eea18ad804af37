"""The best allowed sequence, against all sequences tried one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rightsized.engines.viterbi import best_path, transitions

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
