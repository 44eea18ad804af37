"""The sentences of the best passages, each described by numbers: what it shares with the question, and where it stands.

Nothing is chosen here; `choosing` orders the sentences and says how likely the first is to answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.rank.features import NAMES, Candidate, Words, features
from rightsized.apps.search.types import Found, Hit
from rightsized.core.protocols import Encoder
from rightsized.parsers import analysis
from rightsized.parsers.sentences import sentences
from rightsized.parsers.stopwords import STOPWORDS

PASSAGES = 6  # of the results that are read for an answer
MOST_SENTENCES = 40  # that are encoded for one question: more cost time and changed nothing on the measuring data
LANES = 4  # texts given to the encoder at once, so that one question does not fill its queue
LANGUAGE = "en"
LEAST_CHARS = 3  # of a sentence
OWN = ("passage", "passage_cosine", "passage_place", "title", "unfinished", "row")
COLUMNS = (*NAMES, *OWN)
Floats = NDArray[np.float64]


class Sentence(NamedTuple):
    """Characters `start` to `end` of the document, the text there, and which hit it belongs to."""

    start: int
    end: int
    text: str
    hit: int

    @property
    def shown(self) -> str:
        return " ".join(self.text.split())


class Evidence(NamedTuple):
    """Sentences with one row of numbers each, float64 (n, len(COLUMNS)); `hits` are the passages they come from."""

    hits: tuple[Hit, ...]
    sentences: list[Sentence]
    matrix: Floats


async def gathered(question: str, hits: Sequence[Hit], encoder: Encoder | None, language: str = LANGUAGE) -> Evidence:
    """Describe the sentences of the first passages.

    Args:
        question: its words, without syntax.
        hits: best first; the first PASSAGES are read.
        encoder: without one the meaning of sentences is left out.
        language: ISO 639-1, by which words are stemmed.
    Raises:
        BusyError: the encoder's queue is full.
    """
    read = tuple(hits[:PASSAGES])
    some = split(read)
    cosines = await _cosines(question, [with_header(one, read) for one in some], encoder)
    return Evidence(read, some, described(question, read, some, cosines, language))


def split(hits: Sequence[Hit]) -> list[Sentence]:
    """The sentences of passages, at most MOST_SENTENCES, those of better passages first; none stands there twice."""
    found: list[Sentence] = []
    seen: set[tuple[str, int, int]] = set()
    for at, hit in enumerate(hits):
        passage = hit.found.passage
        for start, end in sentences(passage.text):
            key = hit.found.document.id, passage.start + start, passage.start + end
            text = passage.text[start:end]
            if key not in seen and len(text) >= LEAST_CHARS:
                seen.add(key)
                found.append(Sentence(key[1], key[2], text, at))
    return found[:MOST_SENTENCES]


def with_header(one: Sentence, hits: Sequence[Hit]) -> str:
    """What is encoded: the sentence; a table's row under its columns' names."""
    header = hits[one.hit].found.passage.header
    return f"{header}\n{one.text}" if header and "\t" in one.text else one.text


def described(
    question: str, hits: Sequence[Hit], some: Sequence[Sentence], cosines: NDArray[np.float32], language: str
) -> Floats:
    """One row a sentence, finite."""
    stemmer = analysis.stemmed_as(language)
    every = analysis.words(question, stemmer)
    silent = set(analysis.words(" ".join(sorted(STOPWORDS)), stemmer)) if language == LANGUAGE else set()
    content = [word for word in every if word not in silent] or every
    read = [_candidate(one, at, hits[one.hit].found, stemmer) for at, one in enumerate(some)]
    lexical = np.array([hits[one.hit].scores.get("lexical", np.nan) for one in some], np.float32)
    shared = features(Words(question, every, content), read, lexical, cosines)
    own = np.array([_own(one, hits) for one in some], np.float64).reshape(len(some), len(OWN))
    return np.column_stack([shared, own])


def _candidate(one: Sentence, at: int, found: Found, stemmer: str) -> Candidate:
    heading = frozenset(analysis.words(" ".join((found.document.title, *found.passage.path)), stemmer))
    return Candidate(one.text, analysis.words(one.text, stemmer), heading, str(one.hit), at)


def _own(one: Sentence, hits: Sequence[Hit]) -> tuple[float, ...]:
    """The columns of OWN."""
    hit = hits[one.hit]
    path = hit.found.passage.path
    heading = bool(path) and one.shown.casefold().rstrip(".:") == " ".join(path[-1].split()).casefold().rstrip(".:")
    dense = hit.scores.get("dense", 0.0)
    return (
        hit.score,
        dense if np.isfinite(dense) else 0.0,
        1 / (1 + one.hit),
        float(heading or one.shown.endswith("?")),
        float(one.shown[-1:] not in ".!?;)”\"'"),
        float("\t" in one.text),
    )


async def _cosines(question: str, texts: Sequence[str], encoder: Encoder | None) -> NDArray[np.float32]:
    """Of each text with the question, float32 (n,); NaN without an encoder."""
    if encoder is None or not texts or not question.strip():
        return np.full(len(texts), np.nan, np.float32)
    lanes = asyncio.Semaphore(LANES)

    async def vector(text: str) -> NDArray[np.float32]:
        async with lanes:
            return (await encoder.encode(text)).vector

    asked, *others = await asyncio.gather(*(vector(text) for text in (question, *texts)))
    return np.asarray(np.stack(others) @ asked, np.float32)
