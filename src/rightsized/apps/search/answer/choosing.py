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
METHOD = "extract-2"  # raised when code changes what is answered
SIGNALS = ("share", "word_lead", "meaning_lead", "cosine")
_COSINE = COLUMNS.index("cosine")
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
    """The answer's sentences in the order of the document, the best of them, and how likely it is right.

    `signals` is what the probability was told.
    """

    places: tuple[int, ...]
    best: int
    scores: Floats
    probability: float
    signals: tuple[float, ...] = ()


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
    told = signals(found, scores, best)
    return Chosen(tuple(places), best, scores, probability(told, weights), tuple(told.tolist()))


def signals(found: Evidence, scores: Floats, best: int) -> Floats:
    """What the probability is told of the best sentence, float64 (len(SIGNALS),), finite.

    `share`: of the passages read, by a softmax over their best sentences. `word_lead`: how far the passage's BM25 is
    ahead of the other passages' best, as a share of the greatest. `meaning_lead`: its cosine less the others' mean.
    `cosine`: of sentence and question. None grows with the collection.
    """
    of = np.array([one.hit for one in found.sentences])
    places = np.unique(of)
    weights = np.exp([float(scores[of == one].max()) - float(scores.max()) for one in places])
    share = float(weights[places == of[best]][0] / weights.sum())
    words, meaning = (_parts(found, name) for name in ("lexical", "dense"))
    others = np.arange(len(found.hits)) != of[best]
    word_lead = (words[of[best]] - words[others].max(initial=0.0)) / max(float(words.max()), 1e-9)
    meaning_lead = meaning[of[best]] - meaning[others].mean() if others.any() else 0.0
    return np.array([share, word_lead, meaning_lead, found.matrix[best, _COSINE]], np.float64)


def _parts(found: Evidence, name: str) -> Floats:
    """One part of the scores of each passage read; 0 or the least there is where it has none."""
    values = np.array([hit.scores.get(name, np.nan) for hit in found.hits], np.float64)
    known = values[np.isfinite(values)]
    least = 0.0 if name == "lexical" or not len(known) else float(known.min())
    return np.where(np.isfinite(values), values, least)


def probability(values: Floats, weights: Weights = DEFAULT) -> float:
    """The logistic model's value, in (0, 1)."""
    row = np.array([weights.confidence.get(name, 0.0) for name in SIGNALS])
    z = float(values @ row) + weights.confidence.get("bias", 0.0)
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, z))))
