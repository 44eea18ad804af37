"""Orders the first candidates by what they say: a weighted sum of features, by hand-checked weights or learned ones.

The default weights were fitted on four public sets with equal weight for each; `rank.tuning` fits a collection's own.
It reads texts, so that only the first candidates are worth it; the others keep their places behind them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.protocols import View
from rightsized.apps.search.rank import examples as past
from rightsized.apps.search.rank.features import NAMES, Candidate, Words, features
from rightsized.apps.search.rank.fusion import Candidates, stretched
from rightsized.apps.search.types import Filters, Found
from rightsized.parsers import analysis
from rightsized.parsers.stopwords import STOPWORDS

COLUMNS = (*NAMES, "feedback", "example")
DEPTH = 60  # candidates that are read
DEFAULT = {
    "lexical": 1.49,
    "dense": 0.49,
    "long_echo": 0.48,
    "long_run": 0.29,
    "long_coverage": 2.04,
    "feedback": 2.47,
}
FIRST = 3  # candidates whose vectors a question is moved towards, and how far
SHARE = np.float32(0.4)
LANGUAGE = "en"
EVERYTHING = Filters()
_HALF = np.float32(0.5)
Floats = NDArray[np.float64]


class Asked(NamedTuple):
    """A question as the ranking needs it: text, unit vector float32 (dimension,) or None, language (ISO 639-1)."""

    text: str
    vector: NDArray[np.float32] | None
    language: str = LANGUAGE


class Ordering:
    """Weights of features by name, and the examples that one of them needs."""

    def __init__(self, weights: dict[str, float] | None = None, examples: past.Examples | None = None) -> None:
        """The default weights, and no examples, unless given."""
        self.weights = dict(DEFAULT if weights is None else weights)
        self.examples = examples or past.none()
        self._row = np.array([self.weights.get(name, 0.0) for name in COLUMNS])
        self._weighed = frozenset(name for name in COLUMNS if self.weights.get(name, 0.0))

    @property
    def digest(self) -> str:
        """`sha256:...` of all that the order depends on."""
        found = hashlib.sha256(msgspec.json.encode(sorted(self.weights.items())))
        for part in (self.examples.questions, self.examples.centres):
            found.update(np.ascontiguousarray(part).tobytes())
        return "sha256:" + found.hexdigest()

    def matrix(
        self,
        view: View,
        asked: Asked,
        found: Sequence[Found],
        candidates: Candidates,
        wanted: Collection[str] = COLUMNS,
    ) -> Floats:
        """One row a candidate, float64 (n, len(COLUMNS)). `candidates` are those of `found`, best first.

        What is not `wanted` may be left at 0.
        """
        plain = described(asked, found, candidates, wanted)
        if asked.vector is None:
            return np.column_stack([plain, np.zeros((len(found), 2))])
        target = None
        if len(self.examples.questions):
            target = self.examples.target(asked.vector, self.examples.visible(view, asked.vector))
        vectors = view.vectors(candidates.rows.tolist())
        return np.column_stack([plain, feedback(asked.vector, vectors), past.likeness(target, vectors)])

    def scores(
        self,
        view: View,
        asked: Asked,
        candidates: Candidates,
        fused: NDArray[np.float32],
        filters: Filters = EVERYTHING,
    ) -> NDArray[np.float32]:
        """New scores float32 (n,) in [0, 1]; the first DEPTH by `fused` are read and stand before all others.

        Args:
            view: the asker's.
            asked: the question.
            candidates: in any order.
            fused: float32 (n,) in [0, 1], what orders them so far.
            filters: those in force.
        """
        scores = (fused * _HALF).astype(np.float32)
        first, head, found = read(view, candidates, fused, filters)
        if not found:
            return scores
        values = self.matrix(view, asked, found, head, self._weighed) @ self._row
        low, high = float(values.min()), float(values.max())
        scores[first] = 0.5 + 0.5 * (values - low) / (high - low) if high > low else 0.75
        return scores


def read(
    view: View, candidates: Candidates, fused: NDArray[np.float32], filters: Filters = EVERYTHING
) -> tuple[NDArray[np.intp], Candidates, list[Found]]:
    """The first DEPTH candidates that can still be read: their places, their scores and what they say."""
    first = np.argsort(-fused, kind="stable")[:DEPTH]
    found = view.found(candidates.rows[first].tolist(), filters)
    rows = {one.row for one in found}
    first = first[[row in rows for row in candidates.rows[first].tolist()]]
    return first, candidates.take(first), found


def feedback(question: NDArray[np.float32], vectors: NDArray[np.float32]) -> Floats:
    """Cosine to the question moved towards the first candidates, from 0 to 1: pseudo-relevance feedback (Rocchio 1971).

    Args:
        question: unit vector float32 (dimension,).
        vectors: of the candidates, best first, float32 (n, dimension).
    """
    moved = question + SHARE * vectors[:FIRST].mean(axis=0)
    return stretched((vectors @ moved).astype(np.float32)).astype(np.float64)


def described(asked: Asked, found: Sequence[Found], candidates: Candidates, wanted: Collection[str] = NAMES) -> Floats:
    """The features of candidates but for examples, float64 (n, len(NAMES)); what is not `wanted` may be 0."""
    language = analysis.stemmed_as(asked.language)
    every = analysis.words(asked.text, language)
    silent = _silent(language)
    content = [word for word in every if word not in silent] or every
    read = [
        Candidate(
            one.passage.text,
            analysis.words(one.passage.text, language),
            frozenset(analysis.words(" ".join(one.passage.path), language) if one.passage.path else ()),
            one.document.id,
            one.passage.ordinal,
        )
        for one in found
    ]
    return features(Words(asked.text, every, content), read, candidates.lexical, candidates.dense, wanted)


@cache
def _silent(language: str) -> frozenset[str]:
    """Words without meaning of their own, stemmed; known for English."""
    return frozenset(analysis.words(" ".join(sorted(STOPWORDS)), language)) if language == LANGUAGE else frozenset()
