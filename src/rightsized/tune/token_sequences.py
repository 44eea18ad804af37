"""Fits scores of tags and of what follows what together, over whole texts: a linear-chain conditional random field.

Lafferty, McCallum and Pereira, "Conditional Random Fields" (2001); L-BFGS on the penalised log-likelihood, forward and
backward over all texts at once. SciPy is loaded here only. `token_fields` averages what comes out with scores that are
fitted word by word.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.viterbi import transitions

STEPS = 100  # of L-BFGS
NEVER = -1e4
TINY = 1e-300

Floats = NDArray[np.float64]


class Sequences(NamedTuple):
    """All words of some texts, one after the other.

    Args:
        dense: float32 (words, columns).
        sparse: SciPy CSR matrix (words, more columns).
        tags: the number of each word's tag.
        lengths: words of each text; none is empty.
    """

    dense: NDArray[np.float32]
    sparse: Any
    tags: NDArray[np.int64]
    lengths: NDArray[np.int64]


class Chain(NamedTuple):
    """Weights of features (columns of dense, then of sparse; tags), bias (tags,), and between (tags, tags)."""

    weights: Floats
    bias: Floats
    between: Floats


def fit_chain(words: Sequences, tags: tuple[str, ...], strength: float) -> Chain:
    """The weights with the largest penalised likelihood. `strength`: inverse penalty, as of a logistic regression."""
    from scipy.optimize import minimize

    problem = _Problem(words, tags, strength)
    found = minimize(
        problem, np.zeros(problem.size), jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "maxcor": 10}
    )
    return problem.unpacked(found.x)


class _Problem:
    """The objective: its value and gradient at packed weights."""

    def __init__(self, words: Sequences, tags: tuple[str, ...], strength: float) -> None:
        self._words, self._strength = words, strength
        self._tags, self._columns = len(tags), int(words.dense.shape[1] + words.sparse.shape[1])
        self._transposed = words.sparse.T.tocsr()
        self._allowed = transitions(tags) == 0
        self._inside = np.arange(words.lengths.max())[None, :] < words.lengths[:, None]
        before = np.concatenate(([0], words.tags[:-1]))
        before[np.cumsum(words.lengths)[:-1]] = 0  # a text begins as after O
        self._before = before
        self._true = np.zeros((len(words.tags), self._tags))
        self._true[np.arange(len(words.tags)), words.tags] = 1.0
        self._followed = np.zeros((self._tags, self._tags))
        np.add.at(self._followed, (before, words.tags), 1.0)

    @property
    def size(self) -> int:
        return (self._columns + 1 + self._tags) * self._tags

    def unpacked(self, packed: Floats) -> Chain:
        """The weights; what is never allowed adds nothing here."""
        rows = packed.reshape(-1, self._tags)
        between = np.where(self._allowed, rows[self._columns + 1 :], 0.0)
        return Chain(rows[: self._columns], rows[self._columns], between)

    def __call__(self, packed: Floats) -> tuple[float, Floats]:
        weights, bias, between = self.unpacked(packed)
        width = self._words.dense.shape[1]
        scores = self._words.dense @ weights[:width].astype(np.float32) + self._words.sparse @ weights[width:] + bias
        ways = np.where(self._allowed, between, NEVER)
        ahead, behind, whole = self._passes(self._padded(scores), ways)
        true = scores[np.arange(len(scores)), self._words.tags].sum() + ways[self._before, self._words.tags].sum()
        penalty = 0.5 * ((weights**2).sum() + (between**2).sum())
        wrong = np.exp(ahead + behind - whole[:, None, None])[self._inside] - self._true
        slopes = np.concatenate([self._words.dense.T @ wrong.astype(np.float32), self._transposed @ wrong])
        expected = self._expected(self._padded(scores), ways, ahead, behind, whole)
        parts = (
            self._strength * slopes + weights,
            self._strength * wrong.sum(axis=0)[None, :],
            np.where(self._allowed, self._strength * (expected - self._followed) + between, 0.0),
        )
        return float(self._strength * (whole.sum() - true) + penalty), np.concatenate(parts).ravel()

    def _padded(self, scores: Floats) -> Floats:
        padded = np.zeros((*self._inside.shape, self._tags))
        padded[self._inside] = scores
        return padded

    def _passes(self, scores: Floats, ways: Floats) -> tuple[Floats, Floats, Floats]:
        """Forward and backward sums (texts, words, tags), and the whole of each text; behind its end nothing moves."""
        factors, steps = np.exp(ways), scores.shape[1]
        ahead, behind = np.empty_like(scores), np.zeros_like(scores)
        ahead[:, 0] = scores[:, 0] + ways[0]
        for at in range(1, steps):
            going = scores[:, at] + _passed(ahead[:, at - 1], factors)
            ahead[:, at] = np.where(self._inside[:, at, None], going, ahead[:, at - 1])
        for at in range(steps - 2, -1, -1):
            going = _passed(scores[:, at + 1] + behind[:, at + 1], factors.T)
            behind[:, at] = np.where(self._inside[:, at + 1, None], going, 0.0)
        top = ahead[:, -1].max(axis=1, keepdims=True)
        return ahead, behind, (np.log(np.exp(ahead[:, -1] - top).sum(axis=1, keepdims=True)) + top)[:, 0]

    def _expected(self, scores: Floats, ways: Floats, ahead: Floats, behind: Floats, whole: Floats) -> Floats:
        """How often each tag is expected to follow each, (tags, tags)."""
        found, factors = np.zeros((self._tags, self._tags)), np.exp(ways)
        found[0] = np.exp(ahead[:, 0] + behind[:, 0] - whole[:, None]).sum(axis=0)
        for at in range(1, scores.shape[1]):
            rows = self._inside[:, at]
            left, right = ahead[rows, at - 1], scores[rows, at] + behind[rows, at]
            most, best = left.max(axis=1, keepdims=True), right.max(axis=1, keepdims=True)
            scale = np.exp(most + best - whole[rows, None])
            found += factors * ((np.exp(left - most) * scale).T @ np.exp(right - best))
        return found


def _passed(logs: Floats, factors: Floats) -> Floats:
    top = logs.max(axis=1, keepdims=True)
    passed: Floats = np.log(np.maximum(np.exp(logs - top) @ factors, TINY)) + top
    return passed
