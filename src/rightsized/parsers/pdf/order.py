"""Fragments of a page to visual lines in the order of reading: columns first, then from top to bottom.

A gap from top to bottom parts columns only where both sides look like prose (lines that fill their column): the columns
of a table stay together, as cells of one line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from rightsized.parsers.pdf.fragments import Fragment

MOST_FRAGMENTS = 3000  # of a page that is put in order; above it PDFium's order stays
FILLED = 0.8  # of a column's width, which a line of prose reaches
PROSE_SHARE = 0.45  # of lines that must be filled
LEAST_LINES = 4  # of a column
LEAST_GUTTER = 6.0  # points between columns

_Span = tuple[float, float]
Row = tuple[Fragment, ...]  # the fragments of one visual line, in the order of reading


def rows(found: list[Fragment]) -> list[Row]:
    """The visual lines of a page."""
    if len(found) > MOST_FRAGMENTS:
        return [(fragment,) for fragment in found]
    right_to_left = _is_right_to_left(found)
    return list(_ordered(found, right_to_left, depth=0))


def _ordered(found: list[Fragment], right_to_left: bool, depth: int) -> Iterator[Row]:
    lines = _lines(found, right_to_left)
    if depth > 12 or len(lines) < LEAST_LINES or all(len(line) == 1 for line in lines):
        yield from lines
        return
    if columns := _columns(found):
        for column in reversed(columns) if right_to_left else columns:
            yield from _ordered(column, right_to_left, depth + 1)
        return
    bands = _bands(lines)
    if len(bands) < 2:
        yield from lines
        return
    for band in bands:
        yield from _ordered(band, right_to_left, depth + 1)


def _lines(found: list[Fragment], right_to_left: bool) -> list[Row]:
    """Fragments that share a baseline, from top to bottom."""
    grown: list[list[Fragment]] = []
    for fragment in sorted(found, key=lambda one: (one.top + one.bottom, one.left)):
        last = grown[-1] if grown else None
        if last is not None and _same_line(last[0], fragment):
            last.append(fragment)
        else:
            grown.append([fragment])
    return [tuple(sorted(line, key=lambda one: -one.right if right_to_left else one.left)) for line in grown]


def _same_line(first: Fragment, second: Fragment) -> bool:
    overlap = min(first.bottom, second.bottom) - max(first.top, second.top)
    return overlap > 0.5 * min(first.height, second.height)


def _columns(found: list[Fragment]) -> list[list[Fragment]]:
    """Two sides of a gap that nothing crosses, where both are prose; empty where there is no such gap."""
    gaps, reach = [], -1.0
    for fragment in sorted(found, key=lambda one: one.left):
        if reach >= 0 and fragment.left - reach >= LEAST_GUTTER:
            gaps.append((reach + fragment.left) / 2)
        reach = max(reach, fragment.right)
    for gap in gaps:
        left = [fragment for fragment in found if fragment.right <= gap]
        right = [fragment for fragment in found if fragment.left >= gap]
        if _is_prose(left) and _is_prose(right):
            return [left, right]
    return []


def _is_prose(column: list[Fragment]) -> bool:
    if len(column) < LEAST_LINES:
        return False
    left, right = min(one.left for one in column), max(one.right for one in column)
    filled = sum(1 for one in column if one.right - one.left >= FILLED * (right - left))
    words = median(len(one.text.split()) for one in column)
    return filled >= PROSE_SHARE * len(column) and (words >= 3 or _is_dense(column))


def _is_dense(column: list[Fragment]) -> bool:
    """Scripts without blanks between words."""
    return median(len(one.text) for one in column) >= 10 and any("\u3000" < one.text[0] < "\ud7ff" for one in column)


def _bands(lines: list[Row]) -> list[list[Fragment]]:
    """Parts of the page above each other; a part ends at a line that crosses its gap between columns."""
    bands: list[list[Fragment]] = []
    gutter: _Span | None = None
    for line in lines:
        narrowed = _narrowed(gutter, line)
        if not bands or (narrowed is None) != (gutter is None) or (gutter is not None and narrowed is None):
            bands.append([])
            narrowed = narrowed or _widest(line)
        gutter = narrowed
        bands[-1].extend(line)
    return bands


def _narrowed(gutter: _Span | None, line: Row) -> _Span | None:
    """What is left of a gap between columns beside a line; None where the line crosses it."""
    if gutter is None:
        return _widest(line)
    if len(line) == 1:
        return gutter if line[0].right <= gutter[0] + 1 or line[0].left >= gutter[1] - 1 else None
    shared = ((max(gutter[0], low), min(gutter[1], high)) for low, high in _gaps(line))
    return max(
        (gap for gap in shared if gap[1] - gap[0] >= LEAST_GUTTER), key=lambda gap: gap[1] - gap[0], default=None
    )


def _widest(line: Row) -> _Span | None:
    return max(_gaps(line), key=lambda gap: gap[1] - gap[0], default=None)


def _gaps(line: Row) -> list[_Span]:
    across = sorted(line, key=lambda one: one.left)
    return [(one.right, other.left) for one, other in pairwise(across) if other.left > one.right]


def _is_right_to_left(found: list[Fragment]) -> bool:
    letters = "".join(fragment.text for fragment in found[:200])[:4000]
    count = sum(1 for letter in letters if unicodedata.bidirectional(letter) in ("R", "AL"))
    return 2 * count > sum(map(str.isalpha, letters)) > 0
