"""The body of a Word document from a stream of its elements: paragraphs, items, headings, rows of tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from string import hexdigits
from typing import Any

from rightsized.parsers.docx.numbering import BULLET, Numbering
from rightsized.parsers.docx.paragraphs import Note, notes_of, words_of
from rightsized.parsers.docx.styles import BODY_LEVEL, Style, Styles
from rightsized.parsers.draft import Draft, Span, single_line, squeezed
from rightsized.parsers.ooxml import attribute, child, local
from rightsized.parsers.types import BlockKind

MOST_SPANNED = 64  # columns of one cell


@dataclass
class _Table:
    """A table that is open. `cells` of the row that is open, each a list of paragraphs."""

    cells: list[list[str]] = field(default_factory=list)
    header: Span = (0, 0)
    rows: int = 0
    first_names: bool = False  # its look sets the first row apart
    names: bool = False  # this row repeats on every page


class Body:
    """Writes into a draft what it reads."""

    def __init__(self, draft: Draft, styles: Styles, numbering: Numbering, notes: dict[Note, str]) -> None:
        self._draft, self._styles, self._numbering, self._notes = draft, styles, numbering, notes
        self._tables: list[_Table] = []
        self._skipped = 0  # depth inside what is a copy for older readers
        self.title = ""

    def read(self, events: Iterator[tuple[str, Any]]) -> None:
        """Read (event, element) pairs to their end; each paragraph and row is forgotten once it is written."""
        for event, element in events:
            name = local(element)
            if name == "Fallback":
                self._skipped += 1 if event == "start" else -1
            elif self._skipped:
                continue
            elif event == "start":
                self._start(name)
            elif name == "p":
                self._paragraph(element)
                _forget(element)
            elif name in ("tbl", "tr", "tc", "tblPr", "trPr"):
                self._end(name, element)

    def _start(self, name: str) -> None:
        if name == "tbl":
            self._tables.append(_Table())
        elif name == "tc" and self._tables:
            self._tables[-1].cells.append([])

    def _end(self, name: str, element: Any) -> None:
        if not self._tables:
            return
        table = self._tables[-1]
        if name == "tblPr":
            look = child(element, "tblLook")
            table.first_names = look is not None and _first_row(look)
        elif name == "trPr":
            names = child(element, "tblHeader")
            table.names = names is not None and attribute(names, "val", "1") not in ("0", "false")
        elif name == "tc":
            self._cell(table, element)
        elif name == "tr":
            self._row(table)
            _forget(element)
        else:
            self._tables.pop()
            _forget(element)

    def _cell(self, table: _Table, element: Any) -> None:
        span = child(element, "tcPr", "gridSpan")
        wide = attribute(span, "val") if span is not None else ""
        if wide.isdecimal() and table.cells:
            table.cells.extend([] for _ in range(min(int(wide[:4]), MOST_SPANNED) - 1))

    def _row(self, table: _Table) -> None:
        cells, table.cells = table.cells, []
        names, table.names = table.names, False
        texts = [single_line(" ".join(paragraphs)) for paragraphs in cells]
        if len(self._tables) > 1:  # a table in a cell is part of that cell's words
            outer = self._tables[-2].cells
            if outer:
                outer[-1].append(" ".join(text for text in texts if text))
            return
        if len(cells) == 1:
            for paragraph in cells[0]:
                self._draft.add("paragraph", paragraph)
            return
        span = self._draft.row(texts, header=table.header)
        first = table.rows == 0 and (names or (table.first_names and not any(map(_is_figure, texts))))
        if first and span[1] > span[0]:
            table.header = span
        table.rows += 1

    def _paragraph(self, element: Any) -> None:
        words = squeezed(words_of(element).replace("\t", " ")).strip()
        properties = child(element, "pPr")
        style = self._styles.of(properties)
        marker = self._numbering.marker(style.numbered) if style.numbered is not None else ""
        if not words:
            return
        if self._tables:
            cells = self._tables[-1].cells
            if cells:
                cells[-1].append(words if marker in ("", BULLET) else f"{marker} {words}")
                cells[-1].extend(self._noted(element))
            return
        self._write(words, style, marker)
        for text in self._noted(element):
            self._draft.add("paragraph", text, number="")

    def _write(self, words: str, style: Style, marker: str) -> None:
        kind: BlockKind = "quote" if style.quote else "paragraph"
        level, number = 0, None
        if style.title:
            self.title = self.title or single_line(words)
            kind, level = "heading", 1
        elif style.outline < BODY_LEVEL:
            kind, level = "heading", style.outline + 1
        elif style.numbered is not None and marker:
            kind, level = "item", style.numbered.level + 1
        if marker == BULLET:
            number = ""
        elif marker:
            words, number = f"{marker} {words}", marker.rstrip(".:")
        self._draft.add(kind, words, level=level, number=number)

    def _noted(self, element: Any) -> list[str]:
        return [text for note in notes_of(element) if (text := self._notes.pop(note, ""))]


def _first_row(look: Any) -> bool:
    if given := attribute(look, "firstRow"):
        return given not in ("0", "false", "off")
    bits = attribute(look, "val")
    return len(bits) == 4 and all(one in hexdigits for one in bits) and bool(int(bits, 16) & 0x20)


def _is_figure(text: str) -> bool:
    return 2 * sum(map(str.isdigit, text)) > len(text)


def _forget(element: Any) -> None:
    """Free an element that was read, and what its parent kept before it."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None and local(parent) in ("body", "tbl", "tc"):
            del parent[0]
