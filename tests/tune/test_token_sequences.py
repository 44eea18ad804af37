"""The conditional random field: its gradient is the slope of its value, and it learns what only the order tells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from rightsized.engines.viterbi import best_path, transitions
from rightsized.tune.token_sequences import Sequences, _Problem, fit_chain

TAGS = ("O", "B-x", "I-x", "B-y", "I-y")


def words(seed: int, lengths: tuple[int, ...]) -> Sequences:
    random = np.random.default_rng(seed)
    count = sum(lengths)
    tags, before, rest = [], 0, [at for length in lengths for at in range(length)]
    for place in rest:
        before = 0 if place == 0 else before
        ways = [to for to in range(5) if transitions(TAGS)[before, to] == 0]
        before = int(random.choice(ways))
        tags.append(before)
    dense = random.normal(size=(count, 3)).astype(np.float32)
    sparse = csr_matrix(random.integers(0, 2, size=(count, 4)).astype(np.float32))
    return Sequences(dense, sparse, np.array(tags), np.array(lengths))


def test_the_gradient_is_the_slope_of_the_value() -> None:
    problem = _Problem(words(1, (1, 5, 3)), TAGS, 0.7)
    at = np.random.default_rng(2).normal(size=problem.size) * 0.5
    _, slope = problem(at)
    for place in range(0, problem.size, 3):
        step = np.zeros(problem.size)
        step[place] = 1e-3
        wanted = (problem(at + step)[0] - problem(at - step)[0]) / 2e-3
        if wanted:  # weights of what is never allowed move nothing
            assert slope[place] == pytest.approx(wanted, rel=0.02, abs=0.02)
        else:
            assert slope[place] == 0.0


def test_it_learns_what_only_the_order_tells() -> None:
    """The second word of each text looks like the first, and is tagged by it."""
    random = np.random.default_rng(0)
    kinds = random.integers(0, 2, 200)
    dense = np.zeros((400, 3), np.float32)
    dense[0::2, 0], dense[0::2, 1], dense[1::2, 2] = kinds == 0, kinds == 1, 1.0
    tags = np.empty(400, np.int64)
    tags[0::2], tags[1::2] = 1 + 2 * kinds, 2 + 2 * kinds
    none = csr_matrix((400, 1), dtype=np.float32)
    found = fit_chain(Sequences(dense, none, tags, np.full(200, 2)), TAGS, 10.0)
    scores = (dense @ found.weights[:3] + found.bias).astype(np.float32)
    between = (transitions(TAGS) + found.between).astype(np.float32)
    paths = [best_path(scores[at : at + 2], between).tolist() for at in range(0, 400, 2)]
    assert paths == tags.reshape(-1, 2).tolist()
