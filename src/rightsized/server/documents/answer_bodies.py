"""What the route of answers takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from rightsized.apps.search.answer.records import Method, WrittenBy
from rightsized.apps.search.service import MOST_CHARS, MOST_HITS
from rightsized.core.types import Frozen
from rightsized.server.documents.bodies import DocumentFilters, DocumentRef, SearchResponse, Span


class AnswerRequest(Frozen, frozen=True):
    """A question to a collection, in words or with the syntax of search.

    `limit` is of the passages that come with the answer. `principals` asks on behalf of somebody; only an admin may.
    `scope` false: names of documents in the question do not narrow the search. `method`: sentences of the documents
    (`extract`), or sentences that a model of the gateway writes, each checked against the passage that it cites.
    """

    collection: str
    question: Annotated[str, Meta(min_length=1, max_length=MOST_CHARS)]
    limit: Annotated[int, Meta(ge=1, le=MOST_HITS)] = 10
    filters: DocumentFilters = DocumentFilters()
    principals: tuple[str, ...] | None = None
    scope: bool = True
    method: Method = "extract"


class Citation(Frozen, frozen=True):
    """Where a sentence comes from: `quote` is the characters of `place` in the document's text.

    `page` is 0 where there are no pages; `headings` stand above it, outermost first.
    """

    document: DocumentRef
    quote: str
    place: Span
    page: int
    headings: tuple[str, ...]


class AnswerSentence(Frozen, frozen=True):
    """A sentence of the answer, and what it rests on."""

    text: str
    citations: tuple[Citation, ...]


class AnswerResponse(Frozen, frozen=True):
    """The answer, each sentence with its place, and the passages found.

    `abstained`: the evidence was too weak, and there are no sentences. `probability` is that a cited passage holds the
    answer, fitted on public judged questions unless the collection was calibrated. `certified`: `promise` is the
    certificate's sentence; else it says why none is made. `extract`: sentences of the documents, offered where nothing
    written may be shown. `written`: who wrote, and how many sentences were left out. `decision`: the id under which an
    answer with a certificate is on record, to be called right or wrong by feedback; empty where there is no promise.
    """

    collection: str
    status: Literal["answered", "abstained"]
    method: Method
    text: str
    sentences: tuple[AnswerSentence, ...]
    probability: float
    state: Literal["certified", "uncertified"]
    promise: str
    notes: tuple[str, ...]
    search: SearchResponse
    extract: tuple[AnswerSentence, ...] = ()
    written: WrittenBy | None = None
    decision: str = ""
