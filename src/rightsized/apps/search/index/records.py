"""The rows of the store as it hands them out, apart from any database.

Numbers are the store's own: they order and join, and are never shown. `row` numbers a passage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rightsized.apps.search.types import Item, Passage
from rightsized.parsers.types import Parsed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class State(NamedTuple):
    """`generation` grows with each change that a search can see; `serving` is the digest of the encoder in force.

    A sidecar older than `oldest` cannot be brought up and must be made anew.
    """

    generation: int
    lineage: str
    serving: str
    oldest: int


class Columns(NamedTuple):
    """Documents and complete contents as columns, by number, for masks: one entry a document or a content."""

    generation: int
    documents: NDArray[np.int64]
    content_of: NDArray[np.int64]  # position in `contents`
    class_of: NDArray[np.int64]
    dates: NDArray[np.float64]
    contents: NDArray[np.int64]
    first_rows: NDArray[np.int64]
    passages: NDArray[np.int64]
    languages: tuple[str, ...]
    language_of: NDArray[np.int32]  # position in `languages`, a content


class Content(NamedTuple):
    """A content as a writer knows it."""

    number: int
    complete: bool
    passages: int


class Member(NamedTuple):
    """What was found inside a content: `child` is its content, 0 where it could not be read, for `reason`."""

    name: str
    child: int
    size: int
    reason: str = ""
    detail: str = ""


class Fresh(NamedTuple):
    """A content to be stored: what the parser read, its passages, and what tells it apart."""

    sha256: str
    recipe: str
    media_type: str
    language: str
    parsed: Parsed
    passages: Sequence[Passage]


class Listed(NamedTuple):
    """A document as the store has it, as far as a sync must know; `parent` is 0 where it stands by itself."""

    number: int
    key: str
    version: str
    content: int
    recipe: str
    sha256: str
    size: int
    parent: int
    principals: tuple[str, ...]
    metadata: dict[str, str]


class Put(NamedTuple):
    """A document is to point at a content. `parent` is the key it lies in; `before` is the key it had until now."""

    item: Item
    content: int
    parent: str
    before: str


class Entry(NamedTuple):
    """A content for the lexical index: `rows` and `texts` of its passages, `classes` of its documents."""

    content: int
    language: str
    classes: tuple[int, ...]
    rows: Sequence[int]
    texts: Sequence[str]


class Stretch(NamedTuple):
    """Vectors of consecutive passages of a content: int8 (n, dimension) with a float32 scale each (n,)."""

    content: int
    ordinal: int
    vectors: NDArray[np.int8]
    scales: NDArray[np.float32]
