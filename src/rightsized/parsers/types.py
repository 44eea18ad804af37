"""What a parser reads of one document: its text, and the structure along it.

Offsets are in characters (Python's `str` index) of `Parsed.text`, the one canonical text of a document. Pages count
from 1; boxes are in points (1/72 inch) from the page's upper left.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from rightsized.core.frozen import Frozen

BlockKind = Literal["heading", "paragraph", "item", "row", "code", "quote"]


class Box(Frozen, frozen=True):
    """A rectangle on a page."""

    page: int
    left: float
    top: float
    right: float
    bottom: float


class Line(Frozen, frozen=True):
    """Where the characters `start` to `end` stand on a page; for formats that have pages."""

    start: int
    end: int
    box: Box


class Block(Frozen, frozen=True):
    """One piece of a document's structure: `text[start:end]`, in the order of reading, never overlapping.

    `level` is a heading's depth, from 1. `page` is 0 where the format has no pages. A table's row has its cells parted
    by tabs; `header` is the (start, end) of the row that names its columns, (0, 0) where none does. `number` is the
    clause or section number as written ("12.3(a)"), empty where there is none; it is part of the text all the same.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    page: int = 0
    header: tuple[int, int] = (0, 0)
    number: str = ""


class Part(Frozen, frozen=True):
    """A document inside a document: an attachment, a member of an archive."""

    name: str
    media_type: str
    data: bytes


class Parsed(Frozen, frozen=True):
    """What a parser read of one document.

    `date` is seconds since 1970 (UTC) where the document itself carries one (a mail's Date, a PDF's ModDate).
    `metadata`: such as `author`, `from`, `to`, `subject`, `message-id`, `sheet`. `notes`: what was not read, in words.
    """

    text: str
    title: str = ""
    blocks: tuple[Block, ...] = ()
    lines: tuple[Line, ...] = ()
    pages: int = 0
    date: float | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
