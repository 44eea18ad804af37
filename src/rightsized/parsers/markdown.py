"""Markdown: the text as it was written, its structure in blocks (CommonMark's, and GitHub's tables).

Markers of headings, items and quotes stand outside of the blocks' spans; rows and fenced code stand inside as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rightsized.parsers.numbers import heading_number, number_of
from rightsized.parsers.text import encoding_of, lines_of, losses, read_text
from rightsized.parsers.types import Block, BlockKind, Parsed

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+|$)(.*?)(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(?:(=+)|(-+))[ \t]*$")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})([^`]*)$")
_ITEM = re.compile(r"([ \t]*)(?:[-*+]|(\d{1,9})[.)])[ \t]+(?:\[[ xX]\][ \t]+)?(?=\S)")
_QUOTE = re.compile(r" {0,3}>[ \t]?")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_DELIMITER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|$)", re.DOTALL)
_FIELD = re.compile(
    r"^(title|author|date|description|tags|lang)[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE | re.IGNORECASE
)
_INDENTED = re.compile(r"(?: {4}|\t)[ \t]*\S")


class _Line(NamedTuple):
    start: int
    end: int
    text: str


def parse_markdown(path: Path, name: str) -> Parsed:
    """Read a Markdown file. Raises DocumentError (`too-large`)."""
    decoded = read_text(path, name)
    text, fields = decoded.text, {}
    front = _FRONT.match(text)
    if front:
        fields = {key.lower(): value.strip("\"'") for key, value in _FIELD.findall(front[1])}
    blocks = tuple(markdown_blocks(text, front.end() if front else 0))
    title = fields.pop("title", "")
    first = next((block for block in blocks if block.kind == "heading"), None)
    if not title and first:
        title = text[first.start : first.end]
    return Parsed(text=text, title=title, blocks=blocks, metadata=encoding_of(decoded) | fields, notes=losses(decoded))


def markdown_blocks(text: str, begin: int = 0) -> Iterator[Block]:
    """The blocks of a Markdown text from `begin` on."""
    lines = [_Line(start, end, text[start:end]) for start, end in lines_of(text) if start >= begin]
    return _Reader(text, lines).blocks()


class _Reader:
    """One pass over the lines; `_run` holds those of the paragraph, item or quote that is open."""

    def __init__(self, text: str, lines: list[_Line]) -> None:
        self._text, self._lines = text, lines
        self._run: list[_Line] = []
        self._at = 0

    def blocks(self) -> Iterator[Block]:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if not line.text.strip():
                yield from self._close()
                self._at += 1
            elif fence := _FENCE.match(line.text):
                yield from self._close()
                yield self._fenced(fence[1])
            elif heading := _ATX.match(line.text):
                yield from self._close()
                yield from self._block(
                    "heading", line.start + heading.start(2), line.start + heading.end(2), len(heading[1])
                )
                self._at += 1
            elif self._run and (under := _SETEXT.match(line.text)) and not _ITEM.match(self._run[0].text):
                first, last = self._run[0], self._run[-1]
                self._run = []
                yield from self._block("heading", first.start, last.end, 1 if under[1] else 2)
                self._at += 1
            elif _RULE.match(line.text):
                yield from self._close()
                self._at += 1
            elif self._is_table():
                yield from self._close()
                yield from self._table()
            elif not self._run and _INDENTED.match(line.text) and not _ITEM.match(line.text):
                yield self._indented()
            else:
                yield from self._continued(line)
        yield from self._close()

    def _continued(self, line: _Line) -> Iterator[Block]:
        """A line of a paragraph, item or quote."""
        quoted = bool(_QUOTE.match(line.text))
        if self._run and (_ITEM.match(line.text) or (quoted and not _QUOTE.match(self._run[0].text))):
            yield from self._close()
        self._run.append(line)
        self._at += 1

    def _close(self) -> Iterator[Block]:
        if not self._run:
            return
        first, last = self._run[0], self._run[-1]
        self._run = []
        if item := _ITEM.match(first.text):
            number = f"{item[2]}" if item[2] else ""
            level = 1 + len(item[1].replace("\t", "    ")) // 2
            yield from self._block("item", first.start + item.end(), last.end, level, number)
        elif quote := _QUOTE.match(first.text):
            yield from self._block("quote", first.start + quote.end(), last.end)
        else:
            yield from self._block("paragraph", first.start, last.end)

    def _block(
        self, kind: BlockKind, start: int, end: int, level: int = 0, number: str | None = None
    ) -> Iterator[Block]:
        words = self._text[start:end]
        start += len(words) - len(words.lstrip())
        end = start + len(words.strip())
        if start < end:
            numbered = heading_number if kind == "heading" else number_of
            found = numbered(self._text[start:end].lstrip("*_")) if number is None else number
            yield Block(kind, start, end, level, number=found)

    def _fenced(self, mark: str) -> Block:
        """Code between fences, the fences with it; open to the end of the text where none closes it."""
        first = last = self._lines[self._at]
        self._at += 1
        while self._at < len(self._lines):
            last = self._lines[self._at]
            self._at += 1
            words = last.text.strip()
            if words.startswith(mark) and not words.strip(mark[0]):
                break
        return Block("code", first.start, last.end)

    def _indented(self) -> Block:
        first = last = self._lines[self._at]
        while self._at < len(self._lines) and _INDENTED.match(self._lines[self._at].text):
            last = self._lines[self._at]
            self._at += 1
        return Block("code", first.start, last.end)

    def _is_table(self) -> bool:
        if self._at + 1 >= len(self._lines) or "|" not in self._lines[self._at].text:
            return False
        under = self._lines[self._at + 1].text
        return "|" in under + self._lines[self._at].text and bool(_DELIMITER.match(under)) and "-" in under

    def _table(self) -> Iterator[Block]:
        """Rows as written; the line of dashes belongs to none."""
        head = self._lines[self._at]
        header = (head.start, head.end)
        yield Block("row", *header)
        self._at += 2
        while self._at < len(self._lines) and "|" in self._lines[self._at].text:
            row = self._lines[self._at]
            yield Block("row", row.start, row.end, header=header)
            self._at += 1
