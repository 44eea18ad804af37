"""XLSX: each sheet under its name, rows with the header that names their columns, values as they are stored."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rightsized.parsers.draft import Draft
from rightsized.parsers.extra import needed
from rightsized.parsers.ooxml import opened
from rightsized.parsers.sheets import MOST_COLUMNS, write_rows
from rightsized.parsers.types import Parsed

with needed("openpyxl"):
    import openpyxl

MOST_BLANK = 10_000  # rows without a value, after which a sheet counts as read


def parse_xlsx(path: Path, name: str) -> Parsed:
    """Read a workbook. Raises DocumentError (`encrypted`, `truncated`, `malformed`, `bomb`, `too-large`)."""
    draft = Draft(name)
    with opened(path, name) as package:  # its checks come before anything is unpacked
        title, date, metadata = package.properties()
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of what it does not support, such as printing areas
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            sheets = 0
            for sheet in workbook.worksheets:
                sheets += 1
                draft.add("heading", sheet.title, level=1, page=sheets, number="")
                if hasattr(sheet, "reset_dimensions"):
                    sheet.reset_dimensions()  # what the file says of its size may be wrong or hostile
                write_rows(draft, _rows(sheet), page=sheets)
            names = [sheet.title for sheet in workbook.worksheets]
        finally:
            workbook.close()
    return draft.finish(
        title=title or Path(name).stem, pages=sheets, date=date, metadata=metadata | {"sheets": ", ".join(names)[:1000]}
    )


def _rows(sheet: Any) -> Iterator[list[str]]:
    blank = 0
    for row in sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS + 1):
        texts = [shown(value) for value in row]
        while texts and not texts[-1]:
            texts.pop()
        blank = 0 if texts else blank + 1
        if blank > MOST_BLANK:
            return
        if texts:
            yield texts


def shown(value: Any) -> str:
    """A cell's value as text: dates in ISO 8601, whole numbers without a decimal point."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "minutes")
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    return str(value)
