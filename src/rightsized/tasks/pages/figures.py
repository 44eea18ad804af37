"""How figures are written on pages: one place, so that 2% is never "0.02" on one page and "2.0 %" on the next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from rightsized.core.types import Interval

NO_FIGURE = "–"
MINUS = "\N{MINUS SIGN}"


def percent(value: float | None, digits: int = 0) -> str:
    """0.0213 as `2%`, or `2.1%` with one digit. Small but positive shares read `<1%`, near-certain ones `>99%`."""
    if value is None or value != value:
        return NO_FIGURE
    smallest = 10.0 ** -(digits + 2)
    if 0 < value < smallest / 2:
        return f"<{100 * smallest:.{digits}f}%"
    if 1 - smallest / 2 < value < 1:
        return f">{100 * (1 - smallest):.{digits}f}%"
    return f"{100 * value:.{digits}f}%"


def interval(value: Interval | None, digits: int = 0) -> str:
    """An estimate with its interval: `83% (80–86%)`."""
    if value is None or value.n == 0:
        return NO_FIGURE
    low, high = f"{100 * value.low:.{digits}f}", f"{100 * value.high:.{digits}f}"
    return f"{percent(value.value, digits)} ({low}–{high}%)"


def count(value: int | float | None) -> str:
    """A whole number with thousands set apart: `12,840`."""
    return NO_FIGURE if value is None else f"{value:,.0f}"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with a fixed number of digits and a true minus sign."""
    if value is None or value != value:
        return NO_FIGURE
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int = 2) -> str:
    """A number that always shows its sign: `+0.41`, `−0.20`."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def milliseconds(value: float | None) -> str:
    """A duration: `0.16 ms`, `5.2 ms`, `120 ms`, `1.4 s`."""
    if value is None or value != value:
        return NO_FIGURE
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms" if value >= 1 else f"{value:.2f} ms"


def moment(seconds: float | None) -> str:
    """Seconds since the epoch as `2026-11-22 14:03 UTC`."""
    return NO_FIGURE if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def day(seconds: float | None) -> str:
    """Seconds since the epoch as `2026-11-22`."""
    return NO_FIGURE if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def iso(seconds: float) -> str:
    """Seconds since the epoch for the `datetime` attribute of `<time>` (RFC 3339)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


FILTERS: dict[str, Callable[..., str]] = {
    "percent": percent,
    "interval": interval,
    "thousands": count,
    "decimal": decimal,
    "signed": signed,
    "milliseconds": milliseconds,
    "moment": moment,
    "day": day,
    "iso": iso,
}
