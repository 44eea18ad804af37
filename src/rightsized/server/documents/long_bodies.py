"""What the routes of long documents take and give: clauses, contexts, summaries."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from rightsized.apps.search.long.packing import LEAST_BUDGET
from rightsized.apps.search.long.service import MOST_BUDGET, MOST_CHARS, MOST_CLAUSES, MOST_DOCUMENTS
from rightsized.apps.search.long.written import SECONDS
from rightsized.cascade.mapreduce import Step
from rightsized.core.types import Frozen
from rightsized.server.documents.answer_bodies import AnswerSentence
from rightsized.server.documents.bodies import DocumentRef, Span

Ids = Annotated[tuple[str, ...], Meta(min_length=1, max_length=MOST_DOCUMENTS)]
Words = Annotated[str, Meta(min_length=1, max_length=MOST_CHARS)]


class ClausesRequest(Frozen, frozen=True):
    """Which clauses of documents, named by their ids, matter for something.

    `limit` is of the clauses given whole. `principals` asks on behalf of somebody; only an admin may.
    """

    collection: str
    documents: Ids
    question: Words
    limit: Annotated[int, Meta(ge=1, le=MOST_CLAUSES)] = 10
    principals: tuple[str, ...] | None = None


class ClausePlace(Frozen, frozen=True):
    """Where a clause stands and its score: characters `start` to `end` of the document's text.

    `number` is as written, empty where there is none; `headings` stand above it, outermost first; `page` is 0 where
    there are no pages. `score` in [0, 1] orders this list and no other.
    """

    document: str
    number: str
    headings: tuple[str, ...]
    start: int
    end: int
    page: int
    score: float


class ClauseHit(Frozen, frozen=True):
    """A clause above the line: its text, the words of the question in it, its best sentence."""

    document: DocumentRef
    clause: ClausePlace
    text: str
    scores: dict[str, float]
    highlights: tuple[Span, ...]
    sentence: Span


class ClausesResponse(Frozen, frozen=True):
    """Every clause of the documents: `ranked` whole, best first, and all others `below` the line, best first too.

    `passages` counts what was scored: all there are.
    """

    collection: str
    documents: tuple[DocumentRef, ...]
    ranked: tuple[ClauseHit, ...]
    below: tuple[ClausePlace, ...]
    clauses: int
    passages: int
    notes: tuple[str, ...]


class ContextRequest(Frozen, frozen=True):
    """What of documents, named by their ids, a model should read for a question, in at most `budget` tokens."""

    collection: str
    documents: Ids
    question: Words
    budget: Annotated[int, Meta(ge=LEAST_BUDGET, le=MOST_BUDGET)] = 2000
    principals: tuple[str, ...] | None = None


class ContextPart(Frozen, frozen=True):
    """A stretch of a document in the context; `whole` where it is all of its passage."""

    document: str
    start: int
    end: int
    page: int
    headings: tuple[str, ...]
    score: float
    whole: bool


class ContextResponse(Frozen, frozen=True):
    """The context, its tokens by the collection's encoder (`exact`) or at most (not `exact`), and where it comes from.

    `left_out` counts passages.
    """

    collection: str
    text: str
    tokens: int
    budget: int
    exact: bool
    parts: tuple[ContextPart, ...]
    left_out: int
    notes: tuple[str, ...]


class SummaryRequest(Frozen, frozen=True):
    """A summary of a document, for a question or of everything.

    `budget` is tokens of the whole, `each` sentences of a section. `written` has a model write it, part by part, for at
    most `seconds`; without it every sentence is the document's own.
    """

    collection: str
    document: str
    question: Annotated[str, Meta(max_length=MOST_CHARS)] = ""
    budget: Annotated[int, Meta(ge=LEAST_BUDGET, le=4000)] = 300
    each: Annotated[int, Meta(ge=1, le=10)] = 2
    written: bool = False
    seconds: Annotated[float, Meta(gt=0, le=3600)] = SECONDS
    principals: tuple[str, ...] | None = None


class SummarySection(Frozen, frozen=True):
    """A part of the document with its own sentences."""

    headings: tuple[str, ...]
    start: int
    end: int
    page: int
    passages: int
    sentences: tuple[AnswerSentence, ...]


class UnreadPart(Frozen, frozen=True):
    """A part of the document that no step could read, and why."""

    headings: tuple[str, ...]
    start: int
    end: int
    page: int
    reason: str


class SummaryResponse(Frozen, frozen=True):
    """The summary; each sentence with the places that it rests on.

    `extract`: sentences of the document, with `sections` beneath. `write`: of a model, checked against what they cite;
    then `steps` tell how it came about, `unread` what is missing, `left_out` how many sentences of all `written` were
    borne out by nothing that they cite. `partial`: a part is unread or unjoined. No certificate covers it.
    """

    collection: str
    document: DocumentRef
    method: Literal["extract", "write"]
    status: Literal["extracted", "written", "partial", "abstained"]
    sentences: tuple[AnswerSentence, ...]
    passages: int
    sections: tuple[SummarySection, ...] = ()
    tokens: int = 0
    steps: tuple[Step, ...] = ()
    unread: tuple[UnreadPart, ...] = ()
    written: int = 0
    left_out: int = 0
    cost: float = 0.0
    promise: str = ""
    notes: tuple[str, ...] = ()
    took_ms: dict[str, float] = field(default_factory=dict)
