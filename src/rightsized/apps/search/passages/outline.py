"""A parsed document as sections: the headings above, and blocks that together hold all of its text.

What parsers left between blocks, or a text without blocks, becomes paragraphs here. Nothing is sized or cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rightsized.parsers.sentences import Span, trimmed
from rightsized.parsers.types import Block, Parsed

DEEPEST = 12  # levels of headings; deeper ones count as the last of them
LONGEST_HEADING = 160  # characters; what is marked as a heading and is longer is a paragraph
_BLANK_LINES = re.compile(r"(?:\r?\n|\r|\u2028)[^\S\n\r\u2028]*(?:\r?\n|\r|\u2028)\s*|[\x0c\u2029]\s*")
_BLANKS = r"[^\S\r\n\u2028]*"
_MARKER = re.compile(  # of a heading, an item or a quote, at the end of what stands before it
    rf"(?:^|[\r\n\u2028]){_BLANKS}((?:[#>*+-]+|\d{{1,9}}[.)]){_BLANKS}(?:\[[ xX]\]{_BLANKS})?)\Z"
)
_SPACES = re.compile(r"\s+")


class Section(NamedTuple):
    """`path`: headings from the outermost to its own. `heads`: where those stand that open it, in order."""

    path: tuple[str, ...]
    heads: tuple[Span, ...]
    blocks: tuple[Block, ...]

    @property
    def above(self) -> tuple[str, ...]:
        """The path without the headings that stand in the section's own text."""
        return self.path[: max(0, len(self.path) - len(self.heads))]


def sections(parsed: Parsed) -> list[Section]:
    """The sections in the order of the text. A heading with only deeper headings below it opens the first of those."""
    found: list[Section] = []
    levels: list[tuple[int, str]] = []
    heads: list[Span] = []
    blocks: list[Block] = []
    for block, start in _whole(parsed):
        if block.kind != "heading" or block.end - block.start > LONGEST_HEADING:
            blocks.append(_moved(block, start, block.end))
            continue
        level = min(max(1, block.level), DEEPEST)
        if blocks or (heads and levels and level <= levels[-1][0]):
            found.append(Section(_names(levels), tuple(heads), tuple(blocks)))
            heads, blocks = [], []
        while levels and levels[-1][0] >= level:
            levels.pop()
        levels.append((level, single_line(parsed.text[block.start : block.end])))
        heads.append((start, block.end))
    if blocks or heads:
        found.append(Section(_names(levels), tuple(heads), tuple(blocks)))
    return found


def single_line(text: str) -> str:
    """Without line breaks and doubled blanks."""
    return _SPACES.sub(" ", text).strip()


def _names(levels: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(name for _, name in levels)


def _whole(parsed: Parsed) -> Iterator[tuple[Block, int]]:
    """The blocks, without the blanks at their ends, and what stands between them as paragraphs.

    With each comes where its marker begins, such as `##` or a bullet outside of it: its own start where it has none.
    """
    at, page = 0, 1 if parsed.pages else 0
    for block in sorted(parsed.blocks, key=lambda block: (block.start, block.end)):
        marked = _marker(parsed.text, at, block.start)
        yield from _paragraphs(parsed.text, at, marked, page)
        start, end = trimmed(parsed.text, max(at, block.start), max(at, block.end))
        at, page = max(at, block.end), block.page
        if start < end:
            yield _moved(block, start, end), marked if marked < block.start else start
    yield from _paragraphs(parsed.text, at, len(parsed.text), page)


def _marker(text: str, at: int, start: int) -> int:
    """Where the marker in front of a block begins, on its own line; the block's start where there is none."""
    if at >= start:
        return start
    found = _MARKER.search(text, at, start)
    return found.start(1) if found else start


def _moved(block: Block, start: int, end: int) -> Block:
    if (start, end) == (block.start, block.end):
        return block
    return Block(block.kind, start, end, block.level, block.page, block.header, block.number)


def _paragraphs(text: str, start: int, end: int, page: int) -> Iterator[tuple[Block, int]]:
    if start >= end or text[start:end].isspace():
        return
    begin = start
    for gap in [*_BLANK_LINES.finditer(text, start, end), None]:
        first, last = trimmed(text, begin, gap.start() if gap else end)
        if first < last:
            yield Block("paragraph", first, last, page=page), first
        begin = gap.end() if gap else end
