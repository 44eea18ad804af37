"""Visual lines to blocks: headings by size and weight, paragraphs by gaps and indents, items, rows of tables.

Writes into a draft; each fragment leaves a `Line`, so that any stretch of the text has boxes. Words that a line's end
cut in two are put together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from rightsized.parsers.draft import Draft
from rightsized.parsers.numbers import heading_number, number_of
from rightsized.parsers.pdf.fragments import Fragment
from rightsized.parsers.pdf.frames import Rectangle
from rightsized.parsers.pdf.order import Row
from rightsized.parsers.pdf.tables import Cells, has_header, marker_of, table_at
from rightsized.parsers.text import depth_of
from rightsized.parsers.types import BlockKind, Box, Line

LONGEST_HEADING = 160  # characters
LARGER = 1.12  # times the body's size, from which a line is a heading
PARAGRAPH_GAP = 0.75  # of a line's height, between lines
WIDER = 1.3  # times the usual gap, likewise
FILLED = 0.85  # of the page's right edge, which a line reaches that another follows
MOST_LEADING = 1.6  # of a line's height
LEAST_GAPS = 3
INDENT = 0.9  # of the font's size
SHORT = 0.75  # of the width of the page's text: a sentence that ends before it ends its paragraph
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SENTENCE_END = re.compile(r"[.!?:;。！？]['\")\]”’»]*$")
_HYPHENS = ("-", "\u00ad", "\u2010")


Place = Callable[[Rectangle], Rectangle]


class Style(NamedTuple):
    """What is usual in a document: the body's size, whether it is bold, sizes of headings from the largest."""

    size: float
    bold: bool
    sizes: tuple[float, ...]
    words: frozenset[str]  # seen within lines, in small letters

    def level(self, size: float) -> int:
        """A heading's level by its size, from 1."""
        return 1 + sum(1 for one in self.sizes if one > size + 0.3)


def style_of(lines: Iterable[Row]) -> Style:
    """The style of (a sample of) the lines of a document."""
    sizes: Counter[float] = Counter()
    bold: Counter[bool] = Counter()
    words: set[str] = set()
    for line in lines:
        for fragment in line:
            sizes[round(fragment.size * 2) / 2] += len(fragment.text)
            bold[fragment.bold] += len(fragment.text)
            words.update(word.lower() for word in _WORD.findall(fragment.text)[:-1])
    body = max(sizes, key=lambda size: sizes[size]) if sizes else 10.0
    larger = sorted((size for size in sizes if size >= LARGER * body), reverse=True)
    return Style(body, bold[True] > bold[False], tuple(larger[:6]), frozenset(words))


class Writer:
    """Takes the lines of one page after the other."""

    def __init__(self, draft: Draft, style: Style) -> None:
        self._draft, self._style = draft, style
        self._paragraph: list[tuple[int, Row]] = []  # (page, line)
        self._places: dict[int, Place | None] = {}  # of the open pages
        self._left = 0.0  # edges of the lines of the open page
        self._right = 0.0
        self._gap = 0.0  # that is usual between lines of a paragraph

    def page(self, number: int, lines: Sequence[Row], place: Place | None = None) -> None:
        """Write a page. A paragraph that it leaves open goes on on the next.

        Args:
            place: where a rectangle of the lines' view stands on the page as it is displayed; None: there.
        """
        self._places = {page: known for page, known in self._places.items() if page == number - 1} | {number: place}
        self._left = min((line[0].left for line in lines), default=0.0)
        self._right = max((line[-1].right for line in lines), default=0.0)
        self._gap = _usual_gap(lines, self._right)
        at = 0
        while at < len(lines):
            table = table_at(lines, at)
            if table:
                self._close()
                self._rows(table, number)
                at += len(table)
                continue
            self._line(number, lines[at])
            at += 1

    def close(self) -> None:
        """Write what is still open."""
        self._close()

    def _line(self, page: int, line: Row) -> None:
        if self._paragraph and self._begins(page, line):
            self._close()
        self._paragraph.append((page, line))

    def _begins(self, page: int, line: Row) -> bool:
        """Whether a line begins a new block."""
        last_page, last = self._paragraph[-1]
        if self._heads(line) != self._heads(last) or abs(line[0].size - last[0].size) > 0.12 * self._style.size:
            return True
        if marker_of(line):
            return True
        ended = bool(_SENTENCE_END.search(last[-1].text))
        if page != last_page or line[0].top < last[0].top:  # a new page or column
            return ended or self._heads(line) or not line[0].text[:1].islower()
        if line[0].top - last[0].bottom > max(PARAGRAPH_GAP * last[0].height, WIDER * self._gap):
            return True
        numbered = bool(number_of(_words(line)))
        if self._heads(line):
            return numbered
        if numbered and (ended or last[-1].right < 0.8 * self._right):
            return True
        first = self._paragraph[0][1]
        indented = line[0].left - last[0].left > INDENT * line[0].size
        return ended and (
            (indented and first is not last) or last[-1].right < self._left + 0.75 * (self._right - self._left)
        )

    def _heads(self, line: Row) -> bool:
        """Whether a line looks like a heading's."""
        text = _words(line)
        if len(text) > LONGEST_HEADING or not any(map(str.isalpha, text)) or _is_bullet(marker_of(line)):
            return False
        if all(fragment.size >= LARGER * self._style.size for fragment in line):
            return True
        return all(one.bold for one in line) and not self._style.bold and not _SENTENCE_END.search(text.rstrip(":"))

    def _close(self) -> None:
        lines, self._paragraph = self._paragraph, []
        if not lines:
            return
        page, first = lines[0]
        marker = marker_of(first)
        kind: BlockKind = "paragraph"
        level, number = 0, None
        if (
            all(self._heads(line) for _, line in lines)
            and sum(len(_words(line)) for _, line in lines) <= LONGEST_HEADING
        ):
            number = heading_number(_words(first))
            kind, level = "heading", self._style.level(first[0].size) + max(0, depth_of(number) - 1)
        elif _is_bullet(marker):
            kind, level, number = "item", 1 + max(0, round((first[0].left - self._left) / 18)), ""
            lines[0] = (page, _without(first, marker))
        pieces = _Pieces(self._style.words)
        for on, line in lines:
            for at, fragment in enumerate(line):
                pieces.add(fragment, on, " " if at else "")
        self._write(kind, pieces, page, level=level, number=number)

    def _rows(self, table: list[Cells], page: int) -> None:
        header = (0, 0)
        named = has_header(table)
        for row in table:
            pieces = _Pieces(self._style.words)
            for at, cell in enumerate(row):
                if at:
                    pieces.tab()
                for fragment in cell:
                    pieces.add(fragment, page, "")
            start = self._write("row", pieces, page, header=header)
            if named and header == (0, 0):
                header = (start, self._draft.length)

    def _write(self, kind: BlockKind, pieces: _Pieces, page: int, **more: object) -> int:
        start, end = self._draft.add(kind, pieces.text, page=page, **more)  # type: ignore[arg-type]  # passed through
        for begin, stop, on, one in pieces.places:
            if stop > begin and start + begin < end:
                place, where = self._places.get(on), (one.left, one.top, one.right, one.bottom)
                box = Box(on, *(round(value, 2) for value in (place(where) if place else where)))
                self._draft.lines.append(Line(start + begin, min(end, start + stop), box))
        return start


class _Pieces:
    """A block's text as it grows, and where each fragment stands in it."""

    def __init__(self, words: frozenset[str]) -> None:
        self.text = ""
        self.places: list[tuple[int, int, int, Fragment]] = []
        self._words = words

    def tab(self) -> None:
        self.text += "\t"

    def add(self, fragment: Fragment, page: int, within: str) -> None:
        """Append a fragment; `within` is what parts it from the one before on its line, empty at the start."""
        words = fragment.text
        if self.text and not self.text.endswith("\t"):
            self._join(words, within)
        start = len(self.text)
        self.text += words
        self.places.append((start, len(self.text), page, fragment))

    def _join(self, words: str, within: str) -> None:
        if within:
            self.text += within
        elif self.text.endswith(_HYPHENS) and len(self.text) > 1 and self.text[-2].isalpha() and words[:1].islower():
            if not self._keeps_hyphen(words):
                self.text = self.text[:-1]
                start, end, page, fragment = self.places[-1]
                self.places[-1] = (start, min(end, len(self.text)), page, fragment)
            elif not self.text.endswith("-"):
                self.text = f"{self.text[:-1]}-"
        elif not (_is_dense(self.text[-1]) and _is_dense(words[:1])):
            self.text += " "

    def _keeps_hyphen(self, words: str) -> bool:
        """Whether the hyphen is the word's own: it is seen so elsewhere, and not written as one word."""
        before, after = re.search(r"[^\W\d_]+(?=.$)", self.text), re.match(r"[^\W\d_]+", words)
        if not before or not after:
            return False
        first, second = before[0].lower(), after[0].lower()
        return f"{first}-{second}" in self._words and first + second not in self._words


def _usual_gap(lines: Sequence[Row], right: float) -> float:
    """The space below lines that are filled, in points: text with wide leading is no row of paragraphs."""
    gaps = [
        below[0].top - line[0].bottom
        for line, below in pairwise(lines)
        if line[-1].right > FILLED * right and 0 < below[0].top - line[0].bottom < MOST_LEADING * line[0].height
    ]
    return median(gaps) if len(gaps) >= LEAST_GAPS else 0.0


def _is_bullet(marker: str) -> bool:
    return bool(marker) and not number_of(f"{marker} X")


def _words(line: Row) -> str:
    return " ".join(fragment.text for fragment in line)


def _without(line: Row, marker: str) -> Row:
    """A line without the bullet before it."""
    if line[0].text == marker:
        return line[1:] or line
    return (line[0]._replace(text=line[0].text[len(marker) :].lstrip()), *line[1:])


def _is_dense(character: str) -> bool:
    """Whether the script puts no blanks between words."""
    return "\u2e80" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef" or character >= "\U00020000"
