"""What is made of long documents: ranked clauses, packed contexts and summaries, each piece with its exact place."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from msgspec import field

from rightsized.apps.search.answer.records import Said
from rightsized.apps.search.types import Document, Found, Highlight
from rightsized.cascade.mapreduce import Step
from rightsized.core.frozen import Frozen

SummaryStatus = Literal["written", "partial", "abstained"]


class Clause(Frozen, frozen=True):
    """A clause, or a stretch of a section without clause numbers: characters `start` to `end` of its document's text.

    `number` is as written, empty where there is none; `path` the headings above it, outermost first. `page` is 0 where
    there are no pages. `score` in [0, 1] orders the clauses of one question and is that of its best passage.
    """

    number: str
    path: tuple[str, ...]
    start: int
    end: int
    page: int
    score: float
    document: str


class RankedClause(Frozen, frozen=True):
    """A clause above the line: its passages with their documents, the words of the question in it, its best sentence.

    `scores` are the parts of `clause.score`. `sentence` is of the best passage.
    """

    place: int
    clause: Clause
    passages: tuple[Found, ...]
    scores: dict[str, float]
    highlights: tuple[Highlight, ...]
    sentence: Highlight

    @property
    def document(self) -> Document:
        return self.passages[0].document

    @property
    def text(self) -> str:
        """Characters `clause.start` to `clause.end` of the document, but for how what is blank is written."""
        pieces = [self.passages[0].passage.text]
        for before, one in pairwise(self.passages):
            pieces += [_blank(one.passage.start - before.passage.end), one.passage.text]
        return "".join(pieces)


def _blank(length: int) -> str:
    return "\n".ljust(length) if length > 0 else ""


class ClauseRanking(Frozen, frozen=True):
    """Every clause of the documents for one question: the best ones whole, all others with their scores.

    `below` stands in order too: `ranked` and `below` together are all clauses there are. `passages` counts what was
    scored.
    """

    question: str
    documents: tuple[Document, ...]
    ranked: tuple[RankedClause, ...]
    below: tuple[Clause, ...]
    passages: int
    notes: tuple[str, ...] = ()

    @property
    def clauses(self) -> int:
        return len(self.ranked) + len(self.below)


class Part(Frozen, frozen=True):
    """What a packed context holds of one passage: characters `start` to `end` of its document; `whole` if all of it."""

    found: Found
    start: int
    end: int
    score: float
    whole: bool


class Packed(Frozen, frozen=True):
    """A context for a model: `text` of `tokens` tokens, at most `budget`; its `parts` in the order of the documents.

    `exact` says whether the model's own tokenizer counted; else `tokens` is a bound. `left_out` counts passages.
    """

    text: str
    tokens: int
    budget: int
    exact: bool
    parts: tuple[Part, ...]
    left_out: int
    notes: tuple[str, ...] = ()


class Sentence(Frozen, frozen=True):
    """One sentence of a document: `text` is the characters `mark.start` to `mark.end`.

    `found` is the passage around it. `score` orders the sentences of one summary and no other.
    """

    text: str
    mark: Highlight
    found: Found
    score: float = 0.0


class Section(Frozen, frozen=True):
    """A part of a document with its own sentences: a section, or a stretch where there are no headings."""

    path: tuple[str, ...]
    start: int
    end: int
    page: int
    passages: int
    sentences: tuple[Sentence, ...]


class Summary(Frozen, frozen=True):
    """Sentences of the document itself: `sentences` for the whole of it, `sections` beneath, both in its order.

    `tokens` is the size of `sentences`. `read` counts the sentences that were compared, `passages` all passages.
    """

    document: Document
    question: str
    sentences: tuple[Sentence, ...]
    sections: tuple[Section, ...]
    tokens: int
    passages: int
    read: int
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Unread(Frozen, frozen=True):
    """Characters `start` to `end` of a document that no step could read, and why, in words."""

    path: tuple[str, ...]
    start: int
    end: int
    page: int
    reason: str


class WrittenSummary(Frozen, frozen=True):
    """A summary that a model wrote, step by step; every sentence cites the places that bear it out.

    `status`: `written`; `partial` where a part of the document is `unread` or its notes could not be joined;
    `abstained` where no sentence is left that may be shown. Of the `written` sentences of all steps, `left_out` are not
    borne out by what they cite and went no further. `cost` is in US dollars. `promise` says why none is made.
    """

    document: Document
    question: str
    status: SummaryStatus
    sentences: tuple[Said, ...]
    steps: tuple[Step, ...]
    unread: tuple[Unread, ...]
    passages: int
    written: int
    left_out: int
    cost: float = 0.0
    promise: str = ""
    notes: tuple[str, ...] = ()
