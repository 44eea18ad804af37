"""Aligned columns and numbers with their units, as every command prints them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from rightsized.core.types import Interval

# C0 and C1 controls but line feed and tab, and what turns the direction of writing: texts of others could move a
# terminal's cursor, set its title or hide a part of a line.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """A text without characters that a terminal obeys; each stands as U+FFFD."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a header, columns aligned by spaces.

    >>> print(aligned(["name", "n"], [["a", "10"], ["long", "2"]]))
    name  n
    a     10
    long  2
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]
    return "\n".join(lines)


def megabytes(size: float) -> str:
    """Bytes as megabytes (10^6)."""
    return f"{size / 1e6:.1f} MB"


def percent(interval: Interval) -> str:
    """A share with its interval, in per cent."""
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%}, n = {interval.n:,})"


def day(seconds: float, *, minutes: bool = False) -> str:
    """A moment in seconds since 1970 as a day, or to the minute, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M" if minutes else "%Y-%m-%d")
