"""Reads the small markup of the sources: headings, paragraphs, bullets, tables. No inline marks, no nesting.

`#` to `###` open a heading, `- ` a bullet, `|` a table's row (the first names the columns), `---` a new page or slide.
Lines that follow each other without a blank line are one paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_HEADING = re.compile(r"(#{1,3}) (.+)")


class Heading(NamedTuple):
    """A heading; level 1 is the document's title."""

    level: int
    text: str


class Paragraph(NamedTuple):
    """Running text."""

    text: str


class Bullet(NamedTuple):
    """One item of a list."""

    text: str


class Table(NamedTuple):
    """Rows of cells; the first row names the columns."""

    rows: list[list[str]]


class Break(NamedTuple):
    """A new page or slide."""


Block = Heading | Paragraph | Bullet | Table | Break


def blocks(source: str) -> Iterator[Block]:
    """The blocks of a source in order. Raises ValueError for a table whose rows differ in length."""
    for chunk in re.split(r"\n\s*\n", source.strip()):
        yield from _chunk([line.strip() for line in chunk.splitlines()])


def title(source: str) -> str:
    """The text of the first heading. Raises ValueError where there is none."""
    for block in blocks(source):
        if isinstance(block, Heading):
            return block.text
    raise ValueError("A source needs a heading.")


def _chunk(lines: list[str]) -> Iterator[Block]:
    if lines[0].startswith("|"):
        yield _table(lines)
        return
    running: list[str] = []
    for line in lines:
        special = _special(line)
        if special is None and not (line.startswith("- ")):
            running.append(line)
            continue
        if running:
            yield _joined(running)
        running = [] if special else [line]
        if special:
            yield special
    if running:
        yield _joined(running)


def _special(line: str) -> Heading | Break | None:
    if line == "---":
        return Break()
    found = _HEADING.fullmatch(line)
    return Heading(len(found[1]), found[2]) if found else None


def _joined(lines: list[str]) -> Paragraph | Bullet:
    text = " ".join(lines)
    return Bullet(text[2:]) if text.startswith("- ") else Paragraph(text)


def _table(lines: list[str]) -> Table:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    if len({len(row) for row in rows}) != 1:
        raise ValueError(f"The rows of a table differ in length: {lines[0]!r}.")
    return Table(rows)
