"""What tells a good candidate from a bad one, as numbers: the two rankings, shared words, headings, neighbours, kind.

A candidate is described by itself, its question and the other candidates, which the asker may all see; nothing else of
the collection is read. Word weights come from the candidates, not from the collection.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.rank.fusion import stretched

Floats = NDArray[np.float64]
NAMES = (
    "lexical", "dense", "long_echo", "long_run", "long_coverage",
    "echo", "run", "coverage", "pairs", "near", "precision", "heading",
    "cosine", "lexical_place", "dense_place", "length", "neighbour", "document", "position",
    "number", "span", "money", "number_asked", "span_asked",
)  # fmt: skip
OWN = frozenset(("length", "position", "number", "span", "money", "number_asked", "span_asked"))
AROUND = frozenset(("neighbour", "document"))
NEAR_WORDS = 8  # two words of the question count as near within so many words of the passage
LONG = 10.0  # words of a question for which its `long_` features count once
MOST_PLACES = 20  # of one word in a passage that are compared
_ASKS_SPAN = re.compile(
    r"\b(?:when|dates?|years?|periods?|terms?|expir\w*|deadlines?|duration|how long)\b", re.IGNORECASE
)
_ASKS_NUMBER = re.compile(
    r"\b(?:how (?:much|many|often)|amounts?|numbers?|percent\w*|rates?|limits?|caps?|minimum|maximum|prices?|fees?)"
    r"\b",
    re.IGNORECASE,
)
_SPAN = re.compile(r"\b(?:19|20)\d\d\b|\b(?:days?|months?|years?|weeks?)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d")
_MONEY = re.compile(r"[$€£¥%]|\b(?:USD|EUR|GBP|dollars?|percent)\b", re.IGNORECASE)


class Words(NamedTuple):
    """A question: as it was asked, all its words in order, and those that carry meaning; stemmed like candidates."""

    text: str
    every: Sequence[str]
    content: Sequence[str]


class Candidate(NamedTuple):
    """A candidate as it is read: its words (stemmed, in order), those of its headings, and where it stands."""

    text: str
    words: Sequence[str]
    heading: frozenset[str]
    document: str
    ordinal: int


def features(
    question: Words,
    candidates: Sequence[Candidate],
    lexical: NDArray[np.float32],
    dense: NDArray[np.float32],
    wanted: Collection[str] = NAMES,
) -> Floats:
    """One row a candidate, float64 (n, len(NAMES)), finite.

    Args:
        question: what was asked.
        candidates: in any order.
        lexical, dense: BM25 and cosines, float32 (n,), NaN where a ranking did not score a candidate.
        wanted: names of those to be worked out; others may be left at 0 where they cost time.
    """
    best, meaning = stretched(lexical).astype(np.float64), stretched(dense).astype(np.float64)
    known = np.isfinite(dense)
    cosine = np.where(known, dense, dense[known].min() if known.any() else 0.0)
    shared = _shared(question, candidates, whole="precision" in wanted)
    echo = _echo(question.every, candidates)
    long = (len(question.content) + 1) / LONG
    text = np.column_stack([echo, shared])  # echo, run, coverage, pairs, near, precision, heading
    own = np.zeros((len(candidates), len(OWN)))
    if not OWN.isdisjoint(wanted):
        asks = _asks(question.text)
        own = np.array([_own(asks, one) for one in candidates]).reshape(len(candidates), len(OWN))
    around = np.zeros((len(candidates), len(AROUND)))
    if not AROUND.isdisjoint(wanted):
        around = _around(candidates, (best + meaning) / 2)
    columns = (
        best, meaning, text[:, :3] * long, text, cosine, _places(best), _places(meaning), own[:, 0], around, own[:, 1:]
    )  # fmt: skip
    return np.column_stack(columns)


def _places(scores: Floats) -> Floats:
    """One over the place of each, from 1."""
    places = np.empty(len(scores))
    places[np.argsort(-scores, kind="stable")] = 1 / np.arange(1, len(scores) + 1)
    return places


def _rarity(sets: Iterable[Iterable[str]], n: int) -> dict[str, float]:
    """How rare each word is among the candidates (BM25's idf)."""
    counts = Counter(word for words in sets for word in words)
    return {word: math.log1p((n - count + 0.5) / (count + 0.5)) for word, count in counts.items()}


def _echo(every: Sequence[str], candidates: Sequence[Candidate]) -> Floats:
    """BM25 over pairs of adjacent words of the question, function words included, stretched to at most 1."""
    wanted = set(pairwise(every))
    found = [Counter(pair for pair in pairwise(one.words) if pair in wanted) for one in candidates]
    counts = Counter(pair for held in found for pair in held)
    n = len(candidates)
    weight = {pair: math.log1p((n - count + 0.5) / (count + 0.5)) for pair, count in counts.items()}
    mean = sum(len(one.words) for one in candidates) / max(1, n) or 1.0
    scores = np.zeros(n)
    for i, (held, one) in enumerate(zip(found, candidates, strict=True)):
        norm = 1.2 * (0.25 + 0.75 * len(one.words) / mean)
        scores[i] = sum(weight[pair] * count * 2.2 / (count + norm) for pair, count in held.items())
    return scores / max(float(scores.max(initial=0.0)), 1e-9)


def _shared(question: Words, candidates: Sequence[Candidate], *, whole: bool) -> Floats:
    """run, coverage, pairs, near, precision, heading of each candidate, float64 (n, 6).

    `whole`: precision too, for which every word of every candidate has to be weighed.
    """
    asked = question.content
    wanted = frozenset(asked)
    where = [_where(one.words, wanted) for one in candidates]
    rarity = _rarity([set(one.words) for one in candidates] if whole else where, len(candidates))
    rare = _rarity([("",)], len(candidates))[""]  # of a word that one candidate has
    weight = {word: rarity.get(word, rare) for word in asked}
    pairs = list(pairwise(asked))
    mass = sum(weight[a] + weight[b] for a, b in pairs) or 1.0
    total = sum(weight.values()) or 1.0
    rows = np.zeros((len(candidates), 6))
    for i, (one, places) in enumerate(zip(candidates, where, strict=True)):
        gaps = [_gap(places.get(a), places.get(b)) for a, b in pairs]
        held = sum(weight[word] for word in places) / total
        adjacent = sum(weight[a] + weight[b] for (a, b), gap in zip(pairs, gaps, strict=True) if gap == 1)
        near = sum(gap <= NEAR_WORDS for gap in gaps) / max(1, len(pairs))
        inside = sum(rarity[word] * len(at) for word, at in places.items())
        every = sum(rarity[word] for word in one.words) if whole else 0.0
        above = sum(value for word, value in weight.items() if word in one.heading) / total
        precision = inside / every if every else 0.0
        rows[i] = math.log1p(_longest(gaps)), held, adjacent / mass, near, precision, above
    return rows


def _where(words: Sequence[str], wanted: frozenset[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        if word in wanted:
            places.setdefault(word, []).append(place)
    return places


def _gap(first: Sequence[int] | None, second: Sequence[int] | None) -> int:
    """Words from one to the other, where they stand closest; a great number where one is absent."""
    if not first or not second:
        return 1 << 20
    return min(abs(a - b) for a in first[:MOST_PLACES] for b in second[:MOST_PLACES])


def _longest(gaps: Sequence[int]) -> int:
    """The most pairs in a row that stand side by side."""
    run = longest = 0
    for gap in gaps:
        run = run + 1 if gap == 1 else 0
        longest = max(longest, run)
    return longest


def _around(candidates: Sequence[Candidate], fused: Floats) -> Floats:
    """The better neighbour in the document, and the mean of the document's other candidates, float64 (n, 2)."""
    by_place = {(one.document, one.ordinal): fused[i] for i, one in enumerate(candidates)}
    sums: dict[str, float] = {}
    counts = Counter(one.document for one in candidates)
    for one, score in zip(candidates, fused, strict=True):
        sums[one.document] = sums.get(one.document, 0.0) + float(score)
    rows = np.zeros((len(candidates), 2))
    for i, (one, score) in enumerate(zip(candidates, fused, strict=True)):
        others = counts[one.document] - 1
        rows[i, 0] = max(by_place.get((one.document, one.ordinal + step), 0.0) for step in (-1, 1))
        rows[i, 1] = (sums[one.document] - score) / others if others else 0.0
    return rows


def _asks(question: str) -> tuple[float, float]:
    """Whether a number, and a span of time, is asked for."""
    return float(bool(_ASKS_NUMBER.search(question))), float(bool(_ASKS_SPAN.search(question)))


def _own(asked: tuple[float, float], one: Candidate) -> tuple[float, ...]:
    """length, position, number, span, money, number_asked, span_asked."""
    number, span, money = (float(bool(kind.search(one.text))) for kind in (_NUMBER, _SPAN, _MONEY))
    return (
        math.log1p(len(one.words)), math.log1p(one.ordinal), number, span, money, asked[0] * number, asked[1] * span,
    )  # fmt: skip
