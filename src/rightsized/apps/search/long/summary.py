"""Summaries of the document's own sentences: of each section the most central ones, of the whole the best of those.

Passages are compared by vectors that are stored already; only the sentences of the most central ones are encoded, so
that a summary takes about as long whatever the length. Nothing is written here: every sentence is the document's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.long.counting import Counter
from rightsized.apps.search.long.meaning import Read, centre, read
from rightsized.apps.search.long.parts import PassageRun, parts
from rightsized.apps.search.long.records import Section, Sentence, Summary
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.highlighting import mark
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Encoder
from rightsized.parsers.sentences import sentences
from rightsized.parsers.types import Line

MOST_SENTENCES = 160  # encoded for one summary: 2 s on one core with the default encoder
PASSAGES = 3  # of a section whose sentences are read
LEAST_WORDS, MOST_WORDS = 6, 80  # of a sentence that can stand by itself
NO_MEANING = "Only words were compared: the encoder at hand is not the one that this collection was indexed with."
Floats = NDArray[np.float64]


class Wanted(Frozen, frozen=True):
    """What a summary is to be: for a question, or of everything. `budget` is tokens of the whole, without sections."""

    question: str = ""
    budget: int = 300
    each: int = 2  # sentences of a section


class Weights(NamedTuple):
    """What makes a sentence worth telling; sums of cosines and a place in [0, 1]."""

    section: float = 0.5
    document: float = 0.3
    place: float = 0.15
    question: float = 1.5
    alike: float = 0.5  # taken off for the nearest sentence told already


WEIGHTS = Weights()


class _Candidate(NamedTuple):
    part: int
    passage: int
    start: int  # in the passage's text
    end: int
    place: float  # 1 for the first of its part, falling


class _Compared(NamedTuple):
    """Candidates with their worth float64 (n,) and their vectors float32 (n, dimension)."""

    candidates: list[_Candidate]
    worth: Floats
    vectors: NDArray[np.float32]


async def summarise(view: View, document: str, wanted: Wanted, *, counter: Counter, encoder: Encoder | None) -> Summary:
    """The summary of a document.

    Args:
        view: the asker's.
        document: id.
        counter: of the tokens of `wanted.budget`.
        encoder: the collection's; without it only words are compared, and a note says so.
    Raises:
        NotFoundError: the document is not there for this asker.
        BusyError: the encoder's queue is full.
    """
    began = time.perf_counter()
    known = await asyncio.to_thread(view.document, document)
    whole = await read(view, document, encoder)
    runs = parts(whole.found)
    asked = (await whole.meaning.texts([wanted.question]))[0] if wanted.question.strip() else None
    candidates = _candidates(whole, runs, asked)
    texts = [_text(whole, one) for one in candidates]
    vectors = await whole.meaning.texts(texts)
    compared = _Compared(candidates, _worth(whole, runs, candidates, vectors, asked), vectors)
    encoded = time.perf_counter()
    lines = await asyncio.to_thread(view.lines, document) if known.pages else ()
    made = _Maker(whole, compared, lines)
    sections = tuple(made.section(number, run, wanted.each) for number, run in enumerate(runs))
    told, tokens = made.whole(wanted.budget, counter)
    notes = (NO_MEANING,) if whole.meaning.of_words else ()
    seconds = {"encode": encoded - began, "choose": time.perf_counter() - encoded}
    return Summary(known, wanted.question, told, sections, tokens, len(whole.found), len(candidates), seconds, notes)


def _candidates(whole: Read, runs: Sequence[PassageRun], asked: NDArray[np.float32] | None) -> list[_Candidate]:
    """Sentences of the most central passages of each part, MOST_SENTENCES together, in the order of the document."""
    share = max(1, MOST_SENTENCES // max(1, len(runs)))
    found: list[_Candidate] = []
    for number, run in enumerate(runs):
        own = whole.vectors[run.first : run.last]
        central = own @ centre(own) + (own @ asked if asked is not None else 0)
        best = sorted((run.first + np.argsort(-central, kind="stable")[:PASSAGES]).tolist())
        some = [_Candidate(number, at, *span, 0.0) for at in best for span in _able(whole, at)]
        some = some[:share]
        found += [one._replace(place=1 / (1 + at)) for at, one in enumerate(some)]
    return found


def _able(whole: Read, at: int) -> list[tuple[int, int]]:
    """The sentences of a passage that can stand by themselves: no headings, rows, questions or fragments."""
    passage = whole.found[at].passage
    heading = " ".join(passage.path[-1].split()).casefold() if passage.path else ""
    return [
        (start, end)
        for start, end in sentences(passage.text)
        if _stands(passage.text[start:end]) and " ".join(passage.text[start:end].split()).casefold() != heading
    ]


def _stands(sentence: str) -> bool:
    words = len(sentence.split())
    ended = sentence.rstrip("”\"')")[-1:] in ".!;。"
    return LEAST_WORDS <= words <= MOST_WORDS and "\t" not in sentence and ended


def _text(whole: Read, one: _Candidate) -> str:
    return whole.found[one.passage].passage.text[one.start : one.end]


def _worth(
    whole: Read,
    runs: Sequence[PassageRun],
    candidates: Sequence[_Candidate],
    vectors: NDArray[np.float32],
    asked: NDArray[np.float32] | None,
) -> Floats:
    """How much each candidate tells, before what others tell is taken off."""
    if not candidates:
        return np.zeros(0)
    centres = np.stack([centre(whole.vectors[run.first : run.last]) for run in runs])
    own = np.einsum("ij,ij->i", vectors, centres[[one.part for one in candidates]])
    total = vectors @ centre(whole.vectors)
    place = np.array([one.place for one in candidates])
    worth = WEIGHTS.section * own + WEIGHTS.document * total + WEIGHTS.place * place
    if asked is not None:
        worth = worth + WEIGHTS.question * (vectors @ asked)
    return np.asarray(worth, np.float64)


class _Maker:
    """Chooses sentences of a document that was compared."""

    def __init__(self, whole: Read, compared: _Compared, lines: Sequence[Line]) -> None:
        self._whole, self._compared, self._lines = whole, compared, lines
        self._told: list[int] = []

    def section(self, number: int, run: PassageRun, each: int) -> Section:
        """A part with its best sentences, in order."""
        own = [at for at, one in enumerate(self._compared.candidates) if one.part == number]
        chosen = list[int]()
        while len(chosen) < each and (best := self._next(own, chosen)) is not None:
            chosen.append(best)
        self._told += chosen
        first, last = self._whole.found[run.first].passage, self._whole.found[run.last - 1].passage
        told = tuple(self._sentence(at) for at in sorted(chosen))
        return Section(run.path, first.start, last.end, first.page, run.last - run.first, told)

    def whole(self, budget: int, counter: Counter) -> tuple[tuple[Sentence, ...], int]:
        """The best of the parts' sentences that fit into so many tokens, in order, and their tokens."""
        chosen, open_ = list[int](), list(self._told)
        while (best := self._next(open_, chosen)) is not None:
            open_.remove(best)
            if self._tokens([*chosen, best], counter) <= budget:
                chosen.append(best)
        return tuple(self._sentence(at) for at in sorted(chosen)), self._tokens(chosen, counter)

    def _tokens(self, chosen: Sequence[int], counter: Counter) -> int:
        return counter.of(" ".join(_text(self._whole, self._compared.candidates[at]) for at in sorted(chosen)))

    def _next(self, some: Sequence[int], chosen: Sequence[int]) -> int | None:
        """The candidate that tells most beside those chosen."""
        left = [at for at in some if at not in chosen]
        if not left:
            return None
        vectors = self._compared.vectors
        alike = (vectors[left] @ vectors[list(chosen)].T).max(axis=1) if chosen else np.zeros(len(left))
        return left[int(np.argmax(self._compared.worth[left] - WEIGHTS.alike * alike))]

    def _sentence(self, at: int) -> Sentence:
        one = self._compared.candidates[at]
        found = self._whole.found[one.passage]
        start, end = found.passage.start + one.start, found.passage.start + one.end
        text = _text(self._whole, one)
        return Sentence(text, mark(start, end, self._lines), found, round(float(self._compared.worth[at]), 4))
