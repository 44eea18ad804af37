"""A linear map behind a frozen encoder, fitted so that a text finds its partner among others. NumPy alone, seconds.

The loss is MultipleNegativesRanking (Henderson et al. 2017) as in `contrastive_child`: softmax over the cosines of a
text to its partner, to the other partners of the batch and to mined negatives. The map begins as the identity, is the
same for what asks and what is asked, and can stand in the encoder's own graph, between pooling and normalisation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress

WARMUP = 0.1  # of all steps, in which the rate of learning grows
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # Adam's moments (Kingma and Ba 2015)
_FORBIDDEN = -1e9  # logit of what is no negative
Floats = NDArray[np.float32]


class Fit(Frozen, frozen=True):
    """`batch` pairs a step; `rate` of learning at its highest; logits are cosines times `scale`."""

    epochs: float = 4.0
    batch: int = 64
    rate: float = 1e-3
    scale: float = 20.0
    seed: int = 0


class Vectors(NamedTuple):
    """Unit vectors of pairs, float32 (n, dimension) each, and of negatives (m, dimension), each of the pair `of` (m,).

    `document`, `asked` and `said` int64 (n,) number the partner's document, what asks and what the partner says; those
    of negatives are `negative_document` and `negative_said` (m,). Nothing of the partner's document, and nothing that
    says the same, is a negative; nor is the partner of what asks the same. The first `held_out` pairs are not learnt.
    """

    asks: Floats
    partners: Floats
    negatives: Floats
    of: NDArray[np.int64]
    document: NDArray[np.int64]
    asked: NDArray[np.int64]
    said: NDArray[np.int64]
    negative_document: NDArray[np.int64]
    negative_said: NDArray[np.int64]
    held_out: int = 0


class Fitted(NamedTuple):
    """`matrix` (dimension, dimension): a vector is mapped to `vector @ matrix`. `before`, `after`: share of held-out
    pairs that find their partner first in a batch."""

    matrix: Floats
    steps: int
    loss: float
    before: float
    after: float


def fit_projection(vectors: Vectors, fit: Fit, progress: Progress = no_progress) -> Fitted:
    """Fit the map. The same vectors and seed give the same map, to the last bit on one machine."""
    learn = np.arange(vectors.held_out, len(vectors.asks))
    kept = np.arange(vectors.held_out)
    matrix = np.eye(vectors.asks.shape[1], dtype=np.float32)
    before = _accuracy(vectors, matrix, kept, fit)
    steps = max(1, round(len(learn) / fit.batch * fit.epochs))
    random = np.random.default_rng(fit.seed)
    first, second = np.zeros_like(matrix), np.zeros_like(matrix)
    losses: list[float] = []
    order = learn[:0]
    for step in range(steps):
        if len(order) < min(fit.batch, len(learn)):
            order = np.concatenate([order, random.permutation(learn)])
        rows, order = order[: fit.batch], order[fit.batch :]
        batch = _Batch(vectors, rows, matrix, fit.scale)
        losses.append(batch.loss)
        slope = batch.slope()
        first = FIRST * first + (1 - FIRST) * slope
        second = SECOND * second + (1 - SECOND) * slope**2
        fair = np.sqrt(second / (1 - SECOND ** (step + 1))) + TINY
        matrix = (matrix - _rate(fit.rate, step, steps) * first / (1 - FIRST ** (step + 1)) / fair).astype(np.float32)
        progress("Fitting", step + 1, steps)
    last = losses[-max(1, steps // 10) :]
    return Fitted(matrix, steps, sum(last) / len(last), before, _accuracy(vectors, matrix, kept, fit))


def applied(vectors: Floats, matrix: Floats) -> Floats:
    """Vectors (n, dimension) mapped and normalised again."""
    mapped = vectors @ matrix
    found: Floats = mapped / np.maximum(np.linalg.norm(mapped, axis=1, keepdims=True), 1e-12)
    return found.astype(np.float32)


class _Batch:
    """Some pairs and their negatives, mapped: the loss, its slope, and who is nearest."""

    def __init__(self, vectors: Vectors, rows: NDArray[np.int64], matrix: Floats, scale: float) -> None:
        some = np.flatnonzero(np.isin(vectors.of, rows))
        self._plain = np.concatenate([vectors.asks[rows], vectors.partners[rows], vectors.negatives[some]])
        self._size, self._scale = len(rows), scale
        mapped = self._plain @ matrix
        self._lengths = np.maximum(np.linalg.norm(mapped, axis=1, keepdims=True), 1e-12)
        self._units = mapped / self._lengths
        logits = scale * self._units[: self._size] @ self._units[self._size :].T
        logits[_forbidden(vectors, rows, some)] = _FORBIDDEN
        self._own = np.arange(self._size)
        self.hits = logits.argmax(axis=1) == self._own
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        self._chances = odds / odds.sum(axis=1, keepdims=True)
        self.loss = float(-np.log(np.maximum(self._chances[self._own, self._own], 1e-12)).mean())

    def slope(self) -> Floats:
        """Of the loss with respect to the matrix."""
        by_logit = self._chances.copy()
        by_logit[self._own, self._own] -= 1
        by_logit *= self._scale / self._size
        asks, others = self._units[: self._size], self._units[self._size :]
        by_unit = np.concatenate([by_logit @ others, by_logit.T @ asks])
        along = (by_unit * self._units).sum(axis=1, keepdims=True)
        found: Floats = self._plain.T @ ((by_unit - along * self._units) / self._lengths)
        return found


def _forbidden(vectors: Vectors, rows: NDArray[np.int64], some: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(pairs, candidates): what may be no negative of a pair."""
    document = np.concatenate([vectors.document[rows], vectors.negative_document[some]])
    said = np.concatenate([vectors.said[rows], vectors.negative_said[some]])
    found: NDArray[np.bool_] = vectors.document[rows][:, None] == document
    found |= vectors.said[rows][:, None] == said
    found[:, : len(rows)] |= vectors.asked[rows][:, None] == vectors.asked[rows]
    found[np.arange(len(rows)), np.arange(len(rows))] = False
    return found


def _accuracy(vectors: Vectors, matrix: Floats, kept: NDArray[np.int64], fit: Fit) -> float:
    if not len(kept):
        return 0.0
    parts = [kept[at : at + fit.batch] for at in range(0, len(kept), fit.batch)]
    return float(np.concatenate([_Batch(vectors, part, matrix, fit.scale).hits for part in parts]).mean())


def _rate(most: float, step: int, steps: int) -> float:
    """Warm-up, then linear decay."""
    warm = max(1.0, WARMUP * steps)
    return most * min((step + 1) / warm, (steps - step) / max(1.0, steps - warm))
