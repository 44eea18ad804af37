"""Summaries that a model writes of documents longer than it reads: notes of parts, then notes of notes, each checked.

Every sentence of every step cites numbered passages, or sentences of the step below, and goes on only if they bear it
out; so each sentence at the end is traced to passages. Who may write, and where, is for the writer's side.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from rightsized.apps.search.answer.records import Cited, Said
from rightsized.apps.search.long.records import SummaryStatus, Unread, WrittenSummary
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.highlighting import mark
from rightsized.apps.search.types import Found
from rightsized.cascade.mapreduce import MapReduce, Note, Outcome, Piece, Room, Step, Told
from rightsized.core.errors import UpstreamError
from rightsized.core.protocols import Progress, no_progress
from rightsized.parsers.types import Line
from rightsized.tasks.faithful.claims import NOT_FOUND, claims
from rightsized.tasks.faithful.support import Source, common_words, judged
from rightsized.tasks.writing import Excerpt, Prompt, TextWriter, shown

CHARS_A_TOKEN = 3.0  # low, so that what is thought to fit does; what does not is asked in halves
FRAME = 400  # tokens of the instructions, the question and around them
CONTEXT = 4096  # tokens that a model is taken to read where it does not say
WRITTEN = 200  # tokens of one step
NOTE = 280  # tokens of a note as the next step shows it: each sentence in a frame of its own
MOST_SENTENCES = 5  # that a step is asked for
STEPS = 200  # parts that one document may be read in: about 500,000 tokens for a model that reads 4,096
LANES = 2  # steps asked at a time: others ask too
SECONDS = 900.0  # for all steps together, unless the caller says otherwise
STEP_SECONDS = 120.0  # for one
NO_CERTIFICATE = "No promise is made about written summaries: they have no certificate."
_RULES = (
    f"Use nothing but the passages. Write at most {MOST_SENTENCES} short sentences, in the words of the passages where "
    "you can; keep numbers, names, conditions and negations as they stand. End every sentence with the number of the "
    "passage that says so, in square brackets, such as [2]. If nothing in them matters, write "
    f"{NOT_FOUND} and nothing else."
)
MAP = f"You note what matters in one part of a document, given as numbered passages. {_RULES}"
REDUCE = f"You join notes on the parts of one document, given as numbered passages, into a summary of it. {_RULES}"
EVERYTHING = "What does this lay down: who must, may or gets what, when, and with which limits?"


class _Line(NamedTuple):
    """A sentence that is borne out, and the places of the passages that do so."""

    text: str
    places: tuple[int, ...]


class Limits(NamedTuple):
    """`seconds` for all steps together."""

    seconds: float = SECONDS
    steps: int = STEPS
    lanes: int = LANES


LIMITS = Limits()


async def write_summary(
    view: View,
    document: str,
    question: str,
    *,
    writer: TextWriter,
    limits: Limits = LIMITS,
    progress: Progress = no_progress,
) -> WrittenSummary:
    """Let a model summarise a document, for a question or of everything.

    Args:
        view: the asker's: nothing else is given to the model.
        question: in words; empty for everything.
        writer: writes for this asker and collection.
    Raises:
        NotFoundError: the document is not there for this asker.
        InputError: it would take too many steps. ConfigError: the model reads too little for any.
        ForbiddenError, EgressDeniedError, UnsupportedError: no model may, or can, read it.
    """
    known = await asyncio.to_thread(view.document, document)
    found = await asyncio.to_thread(view.passages, document)
    lines = await asyncio.to_thread(view.lines, document) if known.pages else ()
    teller = _Teller(found, question, writer)
    room = Room(
        (writer.context or CONTEXT) - WRITTEN - FRAME - _size(question),
        NOTE,
        limits.steps,
        limits.lanes,
        time.monotonic() + limits.seconds,
    )
    reader = MapReduce(teller, room, teller.size, progress)
    outcome = await reader.run([Piece(at, one.passage.text, _shown(one)) for at, one in enumerate(found)])
    told = [line for note in outcome.notes for line in teller.lines(note)]
    said = await asyncio.to_thread(_said, told, found, lines)
    unread = tuple(_unread(found, one) for one in outcome.steps if one.kind == "map" and not one.done)
    return WrittenSummary(
        known, question, _status(said, unread, outcome), said, tuple(outcome.steps), unread, len(found),
        teller.written, teller.left_out, outcome.cost, NO_CERTIFICATE, _notes(outcome, teller),
    )  # fmt: skip


def _status(said: Sequence[Said], unread: Sequence[Unread], outcome: Outcome) -> SummaryStatus:
    if not said:
        return "abstained"
    return "partial" if unread or len(outcome.notes) > 1 else "written"


class _Teller:
    """Asks the writer for notes, checks every sentence, and remembers which passages bear it out."""

    def __init__(self, found: Sequence[Found], question: str, writer: TextWriter) -> None:
        self._found, self._question, self._writer = found, question, writer
        self._lines: dict[tuple[int, int], list[_Line]] = {}
        self.written = self.left_out = 0

    def lines(self, note: Note) -> list[_Line]:
        """The sentences of a note."""
        return self._lines[note.first, note.last]

    def size(self, text: str) -> int:
        """Tokens of a note as a step shows it: a sentence a line."""
        return sum(_size(shown(1, Excerpt(line))) for line in text.splitlines())

    async def map(self, pieces: Sequence[Piece]) -> Told:
        first, last = pieces[0].number, pieces[-1].number + 1
        excerpts = [_excerpt(self._found[one.number]) for one in pieces]
        return await self._told(MAP, excerpts, [(one.number,) for one in pieces], first, last)

    async def reduce(self, notes: Sequence[Note], *, last: bool) -> Told:
        below = [line for note in notes for line in self.lines(note)]
        excerpts = [Excerpt(line.text, document=self._found[0].document.id) for line in below]
        return await self._told(REDUCE, excerpts, [line.places for line in below], notes[0].first, notes[-1].last)

    async def _told(
        self, instructions: str, excerpts: Sequence[Excerpt], places: Sequence[tuple[int, ...]], first: int, last: int
    ) -> Told:
        asked = f"Question: {self._question}" if self._question.strip() else EVERYTHING
        prompt = Prompt(instructions, asked, tuple(excerpts), tokens=WRITTEN, seconds=STEP_SECONDS)
        text = await self._writer.write(prompt)
        if not text.tier:
            raise UpstreamError(f"No model wrote: {text.reason or 'a person must answer'}.", retryable=False)
        kept = await asyncio.to_thread(self._checked, text.text, excerpts, places)
        self._lines[first, last] = kept
        written = "\n".join(line.text for line in kept)
        return Told(written, text.cut, text.tier, text.decision, text.usage, text.cost)

    def _checked(self, written: str, excerpts: Sequence[Excerpt], places: Sequence[tuple[int, ...]]) -> list[_Line]:
        """The sentences that what they cite bears out, down to the passages themselves."""
        common = common_words(self._question, *(one.text for one in excerpts))
        kept: list[_Line] = []
        said = claims(written)
        for claim in said:
            cited = [number - 1 for number in claim.cited if 1 <= number <= len(excerpts)]
            held = [at for at in cited if judged(claim.text, _source(excerpts[at]), common).support is not None]
            rests = tuple(dict.fromkeys(place for at in held for place in places[at]))
            if rests:
                kept.append(_Line(claim.text, rests))
        self.written += len(said)
        self.left_out += len(said) - len(kept)
        return kept


def _source(one: Excerpt) -> Source:
    return Source(one.text, one.label)


def _excerpt(found: Found) -> Excerpt:
    passage = found.passage
    where = " > ".join(dict.fromkeys((found.document.title or found.document.key, *passage.path)))
    label = f"{where}\n{passage.header}" if passage.header else where
    return Excerpt(passage.text, label, found.document.id)


def _size(text: str) -> int:
    return int(len(text) / CHARS_A_TOKEN) + 1


def _shown(found: Found) -> int:
    """Tokens of a passage as a step shows it."""
    return _size(shown(1, _excerpt(found)))


def _said(told: Sequence[_Line], found: Sequence[Found], lines: Sequence[Line]) -> tuple[Said, ...]:
    """Sentences with the places in the document that bear them out; once more checked against the passages alone."""
    common = common_words(*(found[place].passage.text for line in told for place in line.places))
    said = []
    for line in told:
        places = []
        for at in line.places:
            passage, excerpt = found[at].passage, _excerpt(found[at])
            support = judged(line.text, _source(excerpt), common).support
            if support is not None:
                start, end = passage.start + support.start, passage.start + support.end
                quote = passage.text[support.start : support.end]
                places.append(Cited(quote, found[at], mark(start, end, lines), round(support.coverage, 4)))
        if places:
            said.append(Said(line.text, tuple(places)))
    return tuple(said)


def _unread(found: Sequence[Found], step: Step) -> Unread:
    first, last = found[step.first].passage, found[step.last - 1].passage
    return Unread(first.path, first.start, last.end, first.page, step.reason)


def _notes(outcome: Outcome, teller: _Teller) -> tuple[str, ...]:
    failed = [one for one in outcome.steps if not one.done]
    notes = []
    if failed:
        notes.append(f"{len(failed)} of {len(outcome.steps)} steps failed.")
    if len(outcome.notes) > 1:
        notes.append("The notes of the parts could not be joined: they stand one after the other.")
    if teller.left_out:
        notes.append(
            f"{teller.left_out} of {teller.written} sentences left out: nothing cited bears out what they say."
        )
    if any(one.cut for one in outcome.steps):
        notes.append("In some steps the model was stopped before its end.")
    return tuple(notes)
