"""The canonical text of a document while it is being written, block by block: offsets are exact by construction."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rightsized.core.errors import DocumentError
from rightsized.parsers.encodings import clean
from rightsized.parsers.limits import LIMITS
from rightsized.parsers.numbers import heading_number, number_of
from rightsized.parsers.types import Block, BlockKind, Line, Parsed, Part

_SPACES = re.compile(r"[^\S\n]+")
_TIGHT = frozenset({"item", "row"})  # kinds that follow each other on the next line
_INDENTED = frozenset({"code", "row"})  # kinds whose blanks before the first word say something
Span = tuple[int, int]


class Draft:
    """Grows by `add`; `finish` makes the record. Raises DocumentError (`too-large`) beyond the limits."""

    def __init__(self, name: str) -> None:
        self._name, self._most = name, LIMITS.get().characters
        self._pieces: list[str] = []
        self._length = 0
        self._last: BlockKind | None = None
        self.blocks: list[Block] = []
        self.lines: list[Line] = []
        self.notes: list[str] = []

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._length

    def add(
        self,
        kind: BlockKind,
        text: str,
        *,
        level: int = 0,
        page: int = 0,
        header: Span = (0, 0),
        number: str | None = None,
    ) -> Span:
        """Append a block; returns where its text stands. `number` None: what the text begins with. Blank text: nothing.

        A tight kind (item, row) follows its like on the next line, all else after an empty one.
        """
        text = clean(text).strip("\n") if kind in _INDENTED else clean(text).strip()
        if not text.strip():
            return self._length, self._length
        if self._length:
            self._write("\n" if kind in _TIGHT and kind == self._last else "\n\n")
        start = self._length
        self._write(text)
        found = _number(kind, text) if number is None else number
        self.blocks.append(Block(kind, start, self._length, level, page, header, found))
        self._last = kind
        return start, self._length

    def row(self, cells: Sequence[str], *, page: int = 0, header: Span = (0, 0)) -> Span:
        """Append a table's row: cells parted by tabs, each on one line. All blank: nothing."""
        texts = [single_line(cell) for cell in cells]
        if not any(texts):
            return self._length, self._length
        while not texts[-1]:
            texts.pop()
        return self.add("row", "\t".join(texts), page=page, header=header)

    def _write(self, text: str) -> None:
        self._length += len(text)
        if self._length > self._most:
            raise DocumentError(
                f"{self._name} holds more than {self._most:,} characters of text.", reason="too-large", fix="Split it."
            )
        self._pieces.append(text)

    def finish(
        self,
        *,
        title: str = "",
        pages: int = 0,
        date: float | None = None,
        metadata: dict[str, str] | None = None,
        parts: Sequence[Part] = (),
    ) -> Parsed:
        """The record of all that was added. The title is the first heading where none is given."""
        text = "".join(self._pieces)
        first = next((block for block in self.blocks if block.kind == "heading"), None)
        return Parsed(
            text=text,
            title=single_line(clean(title)) or (single_line(text[first.start : first.end]) if first else ""),
            blocks=tuple(self.blocks),
            lines=tuple(self.lines),
            pages=pages,
            date=date,
            metadata={key: clean(value) for key, value in (metadata or {}).items() if value},
            parts=tuple(parts),
            notes=tuple(dict.fromkeys(self.notes)),
        )


def _number(kind: BlockKind, text: str) -> str:
    if kind in ("row", "code"):
        return ""
    return heading_number(text) if kind == "heading" else number_of(text)


def single_line(text: str) -> str:
    """Without line breaks and doubled blanks."""
    return " ".join(text.split())


def squeezed(text: str) -> str:
    """Without doubled blanks and blanks at the ends of lines; line breaks stay."""
    return "\n".join(line.strip() for line in _SPACES.sub(" ", text).split("\n"))
