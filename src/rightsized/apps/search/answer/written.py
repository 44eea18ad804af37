"""Answers that a model writes from the asker's passages: each sentence cites one, and is shown if that bears it out.

The passages come from the asker's view; what the model may be and where it may run is for the writer's side. Checking
is in `support`; nothing that fails it is shown, quoted or hinted at.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from rightsized.apps.search.answer.answering import (
    Bar,
    Inquiry,
    Reading,
    as_tested,
    extract,
    reading,
)
from rightsized.apps.search.answer.choosing import probability, signals
from rightsized.apps.search.answer.records import Answer, Cited, Said, WrittenBy
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.highlighting import mark
from rightsized.apps.search.types import Hit
from rightsized.core.errors import (
    ContextLengthError,
    EgressDeniedError,
    ForbiddenError,
    UpstreamError,
    UpstreamTimeoutError,
)
from rightsized.core.protocols import Encoder
from rightsized.tasks.faithful.claims import NOT_FOUND, Claim, claims
from rightsized.tasks.faithful.support import Source, Support, common_words, judged
from rightsized.tasks.writing import Excerpt, Prompt, Text, TextWriter

MOST_PASSAGES = 8  # that a model is given
MOST_READ = 2400  # tokens of them, by length; less where the model reads less
MOST_WRITTEN = 300  # tokens
MOST_SENTENCES = 4  # that the model is asked for
CHARS_A_TOKEN = 3.0  # low, so that what is thought to fit does
FRAME = 400  # tokens of the instructions and around the passages
LEAST_COSINE = 0.4  # of a sentence with what bears it out, where there is an encoder
SHOWN_SHARE = 0.5  # of the sentences written: below it what is left is no answer
INSTRUCTIONS = (
    "You answer questions from numbered passages of documents. Use nothing but the passages. Write at most "
    f"{MOST_SENTENCES} short sentences, in the words of the passages where you can; keep numbers, names, conditions "
    "and negations as they stand. End every sentence with the number of the passage that says so, in square brackets, "
    f"such as [2]. If the passages do not answer the question, write {NOT_FOUND} and nothing else."
)
NOT_WRITTEN = (ForbiddenError, EgressDeniedError, UpstreamError, UpstreamTimeoutError, ContextLengthError)
_LEANING = re.compile(
    r"\W*(?:it|they|this|these|that|those|he|she|however|but|also|therefore|otherwise|in that case|then|if so)\b",
    re.IGNORECASE,
)


class _Shown(NamedTuple):
    """A sentence that may be shown, and where its passage bears it out: hit and support, at least one."""

    text: str
    places: tuple[tuple[Hit, Support], ...]


async def write(view: View, question: str, writer: TextWriter, how: Inquiry) -> Answer:
    """Let a model answer from the first passages; abstain, and offer the extract, where its answer does not hold.

    Args:
        view: the asker's: nothing else is given to the model.
        writer: writes for this asker and collection.
        how: without the collection's encoder sentences are compared by words alone.
    Raises:
        InputError, BusyError, RateLimitError, UnsupportedError: nothing was written, and somebody should know.
    """
    read = await reading(view, question, how, MOST_PASSAGES)
    encoder = how.encoder
    bar = as_tested(how.bar, read.found)
    taken = packed(read.passages[:MOST_PASSAGES], writer.context)
    fallback = await asyncio.to_thread(_abstained, view, read, bar)
    if not taken:
        return fallback
    try:
        text = await writer.write(prompt(question, taken))
    except NOT_WRITTEN as error:
        return replace(fallback, notes=(f"Nothing was written: {error.message}",))
    if not text.tier:
        return replace(fallback, notes=(f"No model wrote an answer: {text.reason or 'a person must'}.",))
    fits = encoder is not None and encoder.digest == view.encoder
    said = claims(text.text)
    kept = await borne_out(said, taken, question, encoder if fits else None)
    by = WrittenBy(text.tier, text.model, text.decision, text.state, text.certificate, len(said), len(said) - len(kept))
    return await asyncio.to_thread(_answer, view, read, bar, kept, text, replace(fallback, written=by))


def packed(hits: Sequence[Hit], context: int) -> list[Hit]:
    """The hits that a model is given, best first, within what it reads; none whose text another holds."""
    room = MOST_READ if not context else min(MOST_READ, context - MOST_WRITTEN - FRAME)
    taken: list[Hit] = []
    for hit in hits:
        passage = hit.found.passage
        repeated = any(passage.text in one.found.passage.text for one in taken)
        size = int(len(passage.text) + len(_label(hit))) / CHARS_A_TOKEN
        if not repeated and size <= room:
            taken.append(hit)
            room -= int(size) + 1
    return taken


def prompt(question: str, hits: Sequence[Hit]) -> Prompt:
    """What the model is asked."""
    excerpts = tuple(Excerpt(hit.found.passage.text, _label(hit), hit.found.document.id) for hit in hits)
    return Prompt(INSTRUCTIONS, f"Question: {question}", excerpts, tokens=MOST_WRITTEN)


async def borne_out(said: Sequence[Claim], hits: Sequence[Hit], question: str, encoder: Encoder | None) -> list[_Shown]:
    """The sentences that passages which they cite bear out. What leans on one that is left out goes with it."""
    common = common_words(question, *(hit.found.passage.text for hit in hits))
    kept: list[_Shown] = []
    gap = False
    for one in said:
        found = await asyncio.to_thread(_supports, one, hits, common)
        places = [place for place in found if encoder is None or await _near(one.text, *place, encoder)]
        if not places or (gap and _LEANING.match(one.text)):
            gap = True
            continue
        gap = False
        kept.append(_Shown(one.text, tuple(places)))
    return kept


def _supports(claim: Claim, hits: Sequence[Hit], common: frozenset[str]) -> list[tuple[Hit, Support]]:
    found = []
    for number in claim.cited:
        if 1 <= number <= len(hits):
            hit = hits[number - 1]
            verdict = judged(claim.text, Source(hit.found.passage.text, _label(hit)), common)
            if verdict.support is not None:
                found.append((hit, verdict.support))
    return found


async def _near(claim: str, hit: Hit, support: Support, encoder: Encoder) -> bool:
    """Whether the meanings are near: a last look at what the rules let pass."""
    passage = hit.found.passage
    held = passage.text[support.start : support.end]
    above = passage.header if "\t" in held else ""
    first, second = await asyncio.gather(encoder.encode(claim), encoder.encode(f"{above}\n{held}".strip()))
    return float(first.vector @ second.vector) >= LEAST_COSINE


def _label(hit: Hit) -> str:
    """Title, headings and names of columns."""
    passage = hit.found.passage
    where = " > ".join(dict.fromkeys((hit.found.document.title or hit.found.document.key, *passage.path)))
    return f"{where}\n{passage.header}" if passage.header else where


def _abstained(view: View, read: Reading, bar: Bar) -> Answer:
    """No written answer; the extract, where there is one, is offered in its place."""
    found = extract(view, read, bar)
    return Answer(
        "abstained", "write", (), 0.0, found.results, state=bar.state, promise=bar.promise, offered=found.sentences
    )


def _answer(view: View, read: Reading, bar: Bar, kept: Sequence[_Shown], text: Text, fallback: Answer) -> Answer:
    by = fallback.written
    assert by is not None
    notes = _notes(by, text)
    told = evidence_of(read, kept)
    likely = probability(np.array(told), bar.weights) if told else 0.0
    if not kept or len(kept) < SHOWN_SHARE * by.sentences or not told or likely < bar.least:
        return replace(fallback, probability=likely, notes=notes, signals=told)
    said = tuple(Said(one.text, tuple(_cited(view, *place) for place in one.places)) for one in kept)
    return replace(
        fallback, status="answered", sentences=said, probability=likely, notes=notes, offered=(), signals=told
    )


def _notes(by: WrittenBy, text: Text) -> tuple[str, ...]:
    notes = []
    if not by.sentences:
        notes.append("The model found no answer in the passages.")
    if by.left_out:
        of = f"{by.left_out} of {by.sentences} sentences" if by.sentences > 1 else "The sentence written"
        notes.append(f"{of} left out: no passage cited bears out what it says.")
    if text.cut:
        notes.append("The model was stopped before its end.")
    return tuple(notes)


def evidence_of(read: Reading, kept: Sequence[_Shown]) -> tuple[float, ...]:
    """What the probability is told, as for an extract: of the best sentence read that bears anything out."""
    evidence, chosen = read.evidence, read.chosen
    if chosen is None or not kept:
        return ()
    cited = [
        at
        for at, one in enumerate(evidence.sentences)
        for shown in kept
        for hit, support in shown.places
        if evidence.hits[one.hit].found.row == hit.found.row
        and one.start < hit.found.passage.start + support.end
        and hit.found.passage.start + support.start < one.end
    ]
    if not cited:
        return ()
    best = max(cited, key=lambda at: float(chosen.scores[at]))
    return tuple(signals(evidence, chosen.scores, best).tolist())


def _cited(view: View, hit: Hit, support: Support) -> Cited:
    passage, document = hit.found.passage, hit.found.document
    start, end = passage.start + support.start, passage.start + support.end
    lines = view.lines(document.id) if document.pages else ()
    return Cited(passage.text[support.start : support.end], hit.found, mark(start, end, lines), support.coverage)
