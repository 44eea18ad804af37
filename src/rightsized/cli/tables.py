"""Aligned columns and numbers with their units, as every command prints them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rightsized.core.types import Interval


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
