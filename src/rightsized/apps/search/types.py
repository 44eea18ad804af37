"""The records of document search that pass between passages, store, query and answers.

Offsets are in characters (Python's `str` index) of `Parsed.text`, the one canonical text of a document: whatever
shows a highlight slices that text. Pages count from 1; boxes are in points (1/72 inch) from the page's upper left.
"""

from __future__ import annotations

from msgspec import field

from rightsized.core.frozen import Frozen
from rightsized.parsers.types import Box

EVERYONE = "everyone"  # the principal that every asker has


class Passage(Frozen, frozen=True):
    """A stretch of one document that is found and cited as a whole: `text[start:end]`.

    `path` is the headings above it, outermost first; `header` the columns' names where it is rows of a table. `indexed`
    is what is embedded and searched: title, path, header and the text.
    """

    ordinal: int
    start: int
    end: int
    text: str
    indexed: str
    path: tuple[str, ...] = ()
    header: str = ""
    page: int = 0
    number: str = ""


class Item(Frozen, frozen=True):
    """One document as a connector lists it, before its content is read.

    `key` names it within its source (a relative path, an object's key, a message's file; `path!/member` for parts).
    `version` changes whenever the content may have changed (size and mtime in nanoseconds and inode, an ETag): equal
    version means nothing to do. `principals` are those who may see it ("user:anna", "group:legal", "everyone"); none
    means nobody. `modified` is in seconds since 1970.
    """

    key: str
    version: str
    size: int
    modified: float
    principals: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


class Document(Frozen, frozen=True):
    """One document of a collection as it is stored. `id` stays when it is moved or its content changes.

    `content` is the sha256 of its bytes: two documents with equal content share passages and vectors, not permissions.
    """

    id: str
    source: str
    key: str
    content: str
    title: str
    media_type: str
    size: int
    modified: float
    date: float
    pages: int = 0
    principals: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    parent: str = ""
    notes: tuple[str, ...] = ()


class DeadLetter(Frozen, frozen=True):
    """A document that could not be taken in: `reason` is a code (`encrypted`, `timeout`, ...), `detail` a sentence."""

    source: str
    key: str
    version: str
    reason: str
    detail: str
    tried: float


class Found(Frozen, frozen=True):
    """A passage of a document that the asker may see. `row` is the store's number of the passage."""

    row: int
    document: Document
    passage: Passage


class Filters(Frozen, frozen=True):
    """What narrows a search, before anything is ranked. Fields are joined by "and", the values of one by "or".

    `documents` are ids. `fields` are metadata (`type`, `author`, `source`, `folder`, ...). `since` and `until` are
    bounds of `Document.date` in seconds since 1970, both included.
    """

    documents: tuple[str, ...] = ()
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    since: float | None = None
    until: float | None = None


class Highlight(Frozen, frozen=True):
    """Words of a passage to mark: offsets into the document's text, and boxes where it has pages."""

    start: int
    end: int
    boxes: tuple[Box, ...] = ()


class Hit(Frozen, frozen=True):
    """One result. `score` in [0, 1] orders this list and no other; `scores` are its parts (lexical, dense, ...).

    `sentence` is the passage's best one. `folded` are passages that stand behind this one because they say the same, or
    are of the same document where results are grouped.
    """

    found: Found
    score: float
    scores: dict[str, float] = field(default_factory=dict)
    highlights: tuple[Highlight, ...] = ()
    sentence: Highlight | None = None
    folded: tuple[Found, ...] = ()


class Facet(Frozen, frozen=True):
    """How many visible documents have this value of a field."""

    field: str
    value: str
    count: int
