"""Which sentences of a longer text stand for the rest: LexRank for centrality, MMR against repeating oneself.

Erkan and Radev, "LexRank: Graph-based Lexical Centrality as Salience in Text Summarization" (2004), in its continuous
form over TF-IDF cosines; Carbonell and Goldstein, "The Use of MMR" (1998). On short dialogues the first three
sentences do better (benchmarks/results/triage_summary.json): this is for long threads.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.parsers.stopwords import STOPWORDS

Scores = NDArray[np.float64]
DAMPING = 0.85  # share of a walk that follows similarities; the rest goes anywhere
ITERATIONS = 100
CLOSE = 1e-8  # change of the scores at which the walk has settled
MOST = 400  # sentences that are compared with each other; of more, the first and the last
_WORD = re.compile(r"[^\W_]+")


def terms(text: str) -> list[str]:
    """The words of a sentence that carry meaning, in lower case."""
    return [word for word in (found[0].lower() for found in _WORD.finditer(text)) if word not in STOPWORDS]


def similarities(sentences: Sequence[str]) -> Scores:
    """Cosines of TF-IDF vectors, float64 (n, n); a sentence without words of meaning is like none, itself included."""
    counts = [Counter(terms(one)) for one in sentences]
    known = {word: at for at, word in enumerate(sorted(set().union(*counts)))} if counts else {}
    weights = np.zeros((len(sentences), max(1, len(known))))
    appears = Counter(word for one in counts for word in one)
    for row, one in enumerate(counts):
        for word, times in one.items():
            weights[row, known[word]] = times * (math.log((1 + len(counts)) / (1 + appears[word])) + 1.0)
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    weights /= np.where(norms > 0, norms, 1.0)
    found: Scores = weights @ weights.T
    return found


def centrality(similar: Scores) -> Scores:
    """How central each sentence is: the stationary distribution of the walk along similarities, float64 (n,), sum 1."""
    count = len(similar)
    if count == 0:
        return np.zeros(0)
    others = similar * (1.0 - np.eye(count))  # a sentence does not vote for itself: one that is like none would win
    rows = others.sum(axis=1, keepdims=True)
    walk = np.where(rows > 0, others / np.where(rows > 0, rows, 1.0), 1.0 / count)
    scores: Scores = np.full(count, 1.0 / count)
    for _ in range(ITERATIONS):
        following = (1 - DAMPING) / count + DAMPING * (walk.T @ scores)
        if float(np.abs(following - scores).sum()) < CLOSE:
            return following
        scores = following
    return scores


def chosen(relevance: Scores, similar: Scores, count: int, novelty: float = 0.3) -> list[int]:
    """The sentences to show, in the order of the text.

    Args:
        relevance: of each sentence, float64 (n,); scaled here to [0, 1].
        similar: float64 (n, n).
        count: how many at most.
        novelty: what being like a chosen sentence takes off, in [0, 1].
    """
    if not len(relevance):
        return []
    spread = float(relevance.max() - relevance.min())
    scaled = (relevance - relevance.min()) / spread if spread > 0 else np.zeros(len(relevance))
    left, taken = list(range(len(relevance))), list[int]()
    while left and len(taken) < count:
        penalty = {one: max((float(similar[one, other]) for other in taken), default=0.0) for one in left}
        best = max(left, key=lambda one: ((1 - novelty) * float(scaled[one]) - novelty * penalty[one], -one))
        taken.append(best)
        left.remove(best)
    return sorted(taken)


def central(sentences: Sequence[str], count: int) -> list[int]:
    """The places of the sentences that stand for a text, in its order."""
    places = list(range(len(sentences)))
    if len(places) > MOST:
        places = [*places[: MOST // 2], *places[-(MOST - MOST // 2) :]]
    similar = similarities([sentences[one] for one in places])
    return [places[one] for one in chosen(centrality(similar), similar, count)]
