"""Cells of CSV files that people open in a spreadsheet: no text of others may be taken for a formula there.

A spreadsheet computes what begins with `=`, `+`, `-`, `@`, a tab or a line end; `=HYPERLINK(...)` sends a colleague
elsewhere, and older programs start others. An apostrophe before it makes it a text (OWASP, CSV injection). It is taken
away again where such a file is read here, so that nothing is lost.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n]")


def guarded(text: str) -> str:
    """The text as a cell that is no formula.

    >>> guarded("=1+1"), guarded("1+1"), unguarded(guarded("'=1+1"))
    ("'=1+1", '1+1', "'=1+1")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text of such a cell."""
    return cell[1:] if _GUARDED.match(cell) else cell
