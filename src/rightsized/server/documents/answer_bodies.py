"""What the route of answers takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from rightsized.apps.search.service import MOST_CHARS, MOST_HITS
from rightsized.core.types import Frozen
from rightsized.server.documents.bodies import DocumentFilters, DocumentRef, SearchResponse, Span


class AnswerRequest(Frozen, frozen=True):
    """A question to a collection, in words or with the syntax of search.

    `limit` is of the passages that come with the answer. `principals` asks on behalf of somebody; only an admin may.
    `scope` false: names of documents in the question do not narrow the search.
    """

    collection: str
    question: Annotated[str, Meta(min_length=1, max_length=MOST_CHARS)]
    limit: Annotated[int, Meta(ge=1, le=MOST_HITS)] = 10
    filters: DocumentFilters = DocumentFilters()
    principals: tuple[str, ...] | None = None
    scope: bool = True


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

    `abstained`: the evidence was too weak, and there are no sentences. `probability` is that the cited passage holds
    the answer, fitted on public judged questions. `state` is `certified` only under the certificate whose id is
    `certificate`; `promise` is its sentence, or why there is none. `method`: sentences of the document itself, or
    written by `model` from the passages and checked; `dropped` counts sentences that were not borne out. `decision` is
    the id of the record; empty where nothing is recorded.
    """

    collection: str
    status: Literal["answered", "abstained"]
    method: Literal["extract", "written"]
    text: str
    sentences: tuple[AnswerSentence, ...]
    probability: float
    state: Literal["certified", "uncertified"]
    certificate: str
    promise: str
    model: str
    dropped: int
    notes: tuple[str, ...]
    decision: str
    search: SearchResponse
