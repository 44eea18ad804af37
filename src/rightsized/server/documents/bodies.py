"""What the routes of document search take and give."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from rightsized.apps.search.query.results import Correction, Scope
from rightsized.apps.search.query.suggesting import Suggestion
from rightsized.apps.search.service import MOST_CHARS, MOST_HITS, MOST_SUGGESTIONS, VisibleCollection
from rightsized.apps.search.types import Facet
from rightsized.core.types import Frozen
from rightsized.parsers.types import Box


class DocumentFilters(Frozen, frozen=True):
    """What narrows a search before anything is ranked.

    `documents` are ids. `fields` are metadata such as `type`, `author` and `folder`: one of the values of each must
    fit. `since` and `until` are bounds of the document's date, seconds since 1970.
    """

    documents: tuple[str, ...] = ()
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    since: float | None = None
    until: float | None = None


class SearchRequest(Frozen, frozen=True):
    """A question to a collection.

    The question may hold "phrases", AND, OR, NOT, -word, parentheses, `field:value`, `after:2024-01-31` and
    `before:2024`. `principals` asks on behalf of somebody; only an admin may. `scope` false: names of documents in the
    question do not narrow the search. `by_document`: one hit a document. `half_life_days`: after so many days a
    document has lost half of what its age can take, 30% of its score at most; 0 leaves age alone.
    """

    collection: str
    query: Annotated[str, Meta(max_length=MOST_CHARS)]
    limit: Annotated[int, Meta(ge=1, le=MOST_HITS)] = 10
    offset: Annotated[int, Meta(ge=0)] = 0
    filters: DocumentFilters = DocumentFilters()
    principals: tuple[str, ...] | None = None
    scope: bool = True
    by_document: bool = False
    half_life_days: Annotated[float, Meta(ge=0)] = 0.0


class DocumentRef(Frozen, frozen=True):
    """A document: its id in the collection, where it comes from, and what it is. `date` is in seconds since 1970."""

    id: str
    title: str
    source: str
    key: str
    media_type: str
    date: float
    pages: int
    parent: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


class Span(Frozen, frozen=True):
    """Characters `start` to `end` of a document's text, and where they stand on its pages."""

    start: int
    end: int
    boxes: tuple[Box, ...] = ()


class PassageHit(Frozen, frozen=True):
    """A passage that was found: `text` is characters `start` to `end` of the document's text.

    `page` is 0 where there are no pages; `headings` stand above the passage, outermost first; `highlights` are within
    `start` and `end`. `score` in [0, 1] orders this list and no other.
    """

    document: DocumentRef
    text: str
    start: int
    end: int
    page: int
    headings: tuple[str, ...]
    score: float
    scores: dict[str, float]
    highlights: tuple[Span, ...] = ()


class SearchResponse(Frozen, frozen=True):
    """The passages found, best first, and everything that was done to find them.

    `total` counts passages among the candidates; `more` says that there may be others. `took_ms` is by part.
    """

    collection: str
    hits: tuple[PassageHit, ...]
    total: int
    more: bool
    facets: tuple[Facet, ...]
    scope: Scope
    corrections: tuple[Correction, ...]
    notes: tuple[str, ...]
    took_ms: dict[str, float]


class SuggestRequest(Frozen, frozen=True):
    """What has been typed so far; `principals` as in a search."""

    collection: str
    text: Annotated[str, Meta(max_length=MOST_CHARS)]
    limit: Annotated[int, Meta(ge=1, le=MOST_SUGGESTIONS)] = 8
    principals: tuple[str, ...] | None = None


class SuggestResponse(Frozen, frozen=True):
    """How it may go on: titles, completed words, and corrections of words that nothing visible has."""

    collection: str
    suggestions: tuple[Suggestion, ...]


class SimilarRequest(Frozen, frozen=True):
    """A document, by its id, that others shall be like; with `start`, its passage that holds this character alone."""

    collection: str
    document: str
    start: Annotated[int, Meta(ge=0)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_HITS)] = 10
    filters: DocumentFilters = DocumentFilters()
    principals: tuple[str, ...] | None = None


class SimilarResponse(Frozen, frozen=True):
    """The best passage of each of the most similar documents, best first; copies of the document are left out."""

    collection: str
    hits: tuple[PassageHit, ...]


class CollectionList(Frozen, frozen=True):
    """Collections that hold something which the asker may see."""

    collections: tuple[VisibleCollection, ...]


class DocumentView(Frozen, frozen=True):
    """A document with its text."""

    document: DocumentRef
    text: str
