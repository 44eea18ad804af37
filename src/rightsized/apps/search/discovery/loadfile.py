"""Load files: tables of a production that other review systems read. Concordance DAT and CSV (RFC 4180), both UTF-8.

In a DAT each value stands between two þ (U+00FE), and values are parted by the character U+0014, which review systems
show as ¶; a þ inside of a value is doubled, as quotes are in a CSV. It begins with a byte order mark, as those systems
expect. Values have no line breaks: texts are files of their own.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from rightsized.core.errors import DataError

END = "\r\n"
CONCORDANCE: dict[str, Any] = {"delimiter": "\x14", "quotechar": "\u00fe", "doublequote": True, "lineterminator": END}
BOM = "\ufeff"
SEVERAL = "; "  # between the values of one field
LONGEST = 100_000  # characters of a value; readers such as Python's csv take 131,072
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_HALVES = re.compile(r"[\ud800-\udfff]")  # of surrogate pairs: UTF-8 cannot hold them

Row = dict[str, str]


def clean(value: str) -> str:
    """A value without line breaks and control characters: a DAT has no way to write them. Cut after LONGEST."""
    return _BREAKS.sub(" ", encodable(value[:LONGEST])).strip()


def encodable(text: str) -> str:
    """The text with U+FFFD for what UTF-8 cannot hold."""
    return _HALVES.sub("\ufffd", text)


def dat(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    """A Concordance DAT with a header; every row has every column."""
    return _written(columns, rows, quoting=csv.QUOTE_ALL, **CONCORDANCE)


def read_dat(data: bytes) -> tuple[list[str], list[Row]]:
    """Columns and rows of a DAT. Raises DataError where it is not one, or a line has other columns than the header."""
    return _read(data, "load file", **CONCORDANCE)


def csv_bytes(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    """The same as CSV with a header and a byte order mark."""
    return _written(columns, rows)


def read_csv(data: bytes) -> tuple[list[str], list[Row]]:
    """Columns and rows of such a CSV. Raises DataError."""
    return _read(data, "table")


def _written(columns: Sequence[str], rows: Iterable[Row], **dialect: Any) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, **dialect)
    writer.writerow(columns)
    writer.writerows([clean(row[name]) for name in columns] for row in rows)
    return (BOM + out.getvalue()).encode()


def _read(data: bytes, what: str, **dialect: Any) -> tuple[list[str], list[Row]]:
    try:
        text = data.decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True, **dialect))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The {what} cannot be read: {error}.") from None
    if not lines or not text.endswith(END):
        raise DataError(f"The {what} does not end with a whole line: it has been cut off.")
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(lines[0]):
            raise DataError(f"Line {number} of the {what} has {len(line)} values for {len(lines[0])} columns.")
    return lines[0], [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
