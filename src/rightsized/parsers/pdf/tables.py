"""Runs of visual lines whose cells stand in columns. Only what is plain is taken for a table: no rules are read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rightsized.parsers.numbers import number_of
from rightsized.parsers.pdf.fragments import Fragment
from rightsized.parsers.pdf.order import Row

LEAST_ROWS = 3  # two, where there are three columns or more
_LEADERS = re.compile(r"(?:\.\s?){4,}")
_BULLETS = frozenset("•‣◦▪–·●○-*o➢✓\uf0b7\uf0a7")
Cells = list[list[Fragment]]  # by column; several where a cell has several lines


def marker_of(line: Row) -> str:
    """The bullet or number that stands apart before the words of a line; empty where there is none."""
    first = line[0].text
    if first in _BULLETS or (len(line) > 1 and number_of(f"{first} X") and len(first) < 16):
        return first
    return first[0] if first[0] in _BULLETS and first[1:2] == " " else ""


def is_row(line: Row) -> bool:
    """Whether a line may be a table's: cells apart from each other, and not a number or bullet with its words."""
    words = [fragment for fragment in line if not _LEADERS.fullmatch(fragment.text)]
    if any(_LEADERS.search(fragment.text) for fragment in line):
        return False  # a table of contents
    return len(words) > 1 and not (len(words) == 2 and marker_of(line))


def table_at(lines: Sequence[Row], at: int) -> list[Cells]:
    """The rows of the table that begins with line `at`, one for each visual line; empty where none does."""
    run: list[Row] = []
    for line in lines[at:]:
        if not is_row(line) or (run and not _follows(run[-1], line)):
            break
        run.append(line)
    if len(run) < 2:
        return []
    columns = _columns(run)
    if len(columns) < 2 or (len(run) < LEAST_ROWS and len(columns) < 3):
        return []
    if run[0][0].left > run[0][-1].left:  # right to left
        columns.reverse()
    table = [_cells(line, columns) for line in run]
    filled = sum(bool(cell) for row in table for cell in row)
    return table if filled >= 0.5 * len(columns) * len(run) else []


def has_header(table: Sequence[Cells]) -> bool:
    """Whether the first row names the columns: no figures in it where others have some, or it alone is bold."""
    first, rest = table[0], table[1:]
    if any(_figures(cell) for cell in first if cell):
        return False
    bold = all(fragment.bold for cell in first for fragment in cell)
    others = [all(fragment.bold for cell in row for fragment in cell) for row in rest]
    return (bold and not all(others)) or any(_figures(cell) for row in rest for cell in row if cell)


def _follows(last: Row, line: Row) -> bool:
    gap = line[0].top - max(fragment.bottom for fragment in last)
    return -0.5 * line[0].height < gap < 2.5 * line[0].height


def _columns(run: Sequence[Row]) -> list[tuple[float, float]]:
    """Intervals of the page's width that the cells fill, merged where they overlap."""
    merged: list[tuple[float, float]] = []
    for left, right in sorted((fragment.left, fragment.right) for line in run for fragment in line):
        if merged and left <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], right))
        else:
            merged.append((left, right))
    return merged


def _cells(line: Row, columns: Sequence[tuple[float, float]]) -> Cells:
    cells: Cells = [[] for _ in columns]
    for fragment in line:
        at = next(index for index, (left, right) in enumerate(columns) if left <= fragment.left <= right)
        cells[at].append(fragment)
    return cells


def _figures(cell: Sequence[Fragment]) -> bool:
    text = "".join(fragment.text for fragment in cell)
    return sum(map(str.isdigit, text)) * 2 > len(text)
