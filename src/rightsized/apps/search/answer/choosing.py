"""Which sentences answer, and how likely the answer is right: two linear models, fitted on public judged questions.

The first orders sentences, the second turns what is seen of the best one into a probability (logistic). Both
are a few numbers in `Weights`, and their digest names the method on certificates.
"""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import field
from numpy.typing import NDArray

from rightsized.apps.search.answer.evidence import COLUMNS, Evidence
from rightsized.apps.search.answer.weights import CONFIDENCE, ORDER
from rightsized.core.frozen import Frozen

MOST = 3  # sentences of an answer
NEAR = 1.0  # in units of the order's scores: a further sentence must come so close to the best one
METHOD = "extract-1"  # raised when code changes what is answered
SIGNALS = ("margin", "cosine", "passage_cosine", "coverage")
_SEEN = tuple(COLUMNS.index(name) for name in SIGNALS[1:])
Floats = NDArray[np.float64]


class Weights(Frozen, frozen=True):
    """Weights of COLUMNS for the order, of SIGNALS for the probability (`bias` is its constant)."""

    order: dict[str, float] = field(default_factory=lambda: dict(ORDER))
    confidence: dict[str, float] = field(default_factory=lambda: dict(CONFIDENCE))

    @property
    def digest(self) -> str:
        """`sha256:...` of method and weights."""
        content = METHOD, MOST, NEAR, sorted(self.order.items()), sorted(self.confidence.items())
        return "sha256:" + hashlib.sha256(msgspec.json.encode(content)).hexdigest()


DEFAULT = Weights()


class Chosen(NamedTuple):
    """The answer's sentences in the order of the document, the best of them, and how likely it is right."""

    places: tuple[int, ...]
    best: int
    scores: Floats
    probability: float


def choose(found: Evidence, weights: Weights = DEFAULT) -> Chosen | None:
    """The best sentence, and those of its passage that come near it; None where there is no sentence."""
    if not found.sentences:
        return None
    scores = found.matrix @ np.array([weights.order.get(name, 0.0) for name in COLUMNS])
    best = int(np.argmax(scores))
    hit = found.sentences[best].hit
    near = [
        at
        for at in np.argsort(-scores, kind="stable").tolist()
        if found.sentences[at].hit == hit and scores[at] >= scores[best] - NEAR
    ]
    places = sorted(near[:MOST], key=lambda at: found.sentences[at].start)
    return Chosen(tuple(places), best, scores, probability(signals(found, scores, best), weights))


def signals(found: Evidence, scores: Floats, best: int) -> Floats:
    """What the probability is told of the best sentence, float64 (len(SIGNALS),).

    `margin` is how far it stands above the best sentence of another passage.
    """
    hits = np.array([one.hit for one in found.sentences])
    others = scores[hits != hits[best]]
    runner_up = float(others.max()) if len(others) else float(scores.min())
    return np.array([float(scores[best]) - runner_up, *found.matrix[best, _SEEN]])


def probability(values: Floats, weights: Weights = DEFAULT) -> float:
    """The logistic model's value, in (0, 1)."""
    row = np.array([weights.confidence.get(name, 0.0) for name in SIGNALS])
    z = float(values @ row) + weights.confidence.get("bias", 0.0)
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, z))))
