"""Writes XLSX: each second-level heading of the source is a sheet, the table below it its cells."""

from __future__ import annotations

import io
import re

from openpyxl import Workbook
from openpyxl.styles import Font

from dev.documents.markup import Heading, Table, blocks, title
from dev.documents.packages import settled

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WIDEST = 60  # characters


def write(source: str, author: str) -> bytes:
    """The source as a workbook; cells that are plain numbers become numbers."""
    book = Workbook()
    book.remove(book.active)
    book.properties.title, book.properties.creator = title(source), author
    for block in blocks(source):
        match block:
            case Heading(2, text):
                book.create_sheet(text)
            case Table(rows):
                _fill(book.worksheets[-1], rows)
            case _:
                pass
    out = io.BytesIO()
    book.save(out)
    return settled(out.getvalue())


def _fill(sheet, rows: list[list[str]]) -> None:
    for row in rows:
        sheet.append([_value(cell) for cell in row])
    for cells in sheet.columns:
        width = max(len(str(cell.value or "")) for cell in cells)
        sheet.column_dimensions[cells[0].column_letter].width = min(width + 2, _WIDEST)
        cells[0].font = Font(bold=True)


def _value(cell: str) -> str | int | float:
    if not _NUMBER.fullmatch(cell) or (cell.startswith("0") and cell[1:2].isdigit()):
        return cell
    return float(cell) if "." in cell else int(cell)
