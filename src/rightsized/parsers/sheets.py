"""What spreadsheets and CSV files share: rows under the header that names their columns, within limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from rightsized.parsers.draft import Draft, Span

MOST_COLUMNS = 1_000  # of a row; further ones are left out and a note says so
LONGEST_CELL = 32_768  # characters, as in a spreadsheet; the rest is left out and a note says so
LOOKED_AT = 8  # first rows, among which the header is looked for


def write_rows(draft: Draft, rows: Iterable[Sequence[str]], *, page: int = 0, assumed: bool = False) -> int:
    """Write rows into a draft; the number written. Blank rows and columns to the right are left out.

    Args:
        assumed: whether the first row names the columns even where it cannot be told from the others.
    """
    source = iter(rows)
    first = list(islice(source, LOOKED_AT))
    at = header_of(first, assumed=assumed)
    header: Span = (0, 0)
    written = 0
    for number, row in enumerate(_both(first, source)):
        span = draft.row(_bounded(draft, row), page=page, header=header)
        if span[1] > span[0]:
            written += 1
        if number == at:
            header = span
    return written


def header_of(first: Sequence[Sequence[str]], *, assumed: bool) -> int:
    """Which of the first rows names the columns; -1 where none does.

    The first that is filled as far as the widest and has no figures, above one that has some or of other lengths.
    """
    widths = [sum(bool(cell.strip()) for cell in row) for row in first]
    widest = max(widths, default=0)
    if widest < 2:
        return -1
    for at, row in enumerate(first[:-1]):
        if widths[at] < max(2, 0.6 * widest):
            continue
        if any(_is_figure(cell) for cell in row) or len({cell for cell in row if cell.strip()}) < widths[at]:
            return -1
        below = [cell for other in first[at + 1 :] for cell in other]
        return at if assumed or any(_is_figure(cell) for cell in below) else -1
    return -1


def _both(first: Iterable[Sequence[str]], rest: Iterable[Sequence[str]]) -> Iterable[Sequence[str]]:
    yield from first
    yield from rest


def _bounded(draft: Draft, row: Sequence[str]) -> Sequence[str]:
    if len(row) > MOST_COLUMNS:
        draft.notes.append(f"Columns beyond the {MOST_COLUMNS}th were left out.")
        row = row[:MOST_COLUMNS]
    if any(len(cell) > LONGEST_CELL for cell in row):
        draft.notes.append(f"Cells of more than {LONGEST_CELL:,} characters were cut.")
        row = [cell[:LONGEST_CELL] for cell in row]
    return row


def _is_figure(text: str) -> bool:
    letters = sum(map(str.isalpha, text))
    return sum(map(str.isdigit, text)) > letters
