"""What every finder of fields gives: a span of a text with its normalised value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple


class Found(NamedTuple):
    """`text[start:end]` says `value`. The larger `rank` stays where two overlap; of equals the longer."""

    name: str
    start: int
    end: int
    value: str
    confidence: float = 1.0
    by: Literal["pattern", "list", "model"] = "pattern"
    rank: int = 0


def disjoint(found: Iterable[Found]) -> list[Found]:
    """Those that stay where findings overlap, in the order of the text."""
    kept: list[Found] = []
    taken: set[int] = set()
    for one in sorted(found, key=lambda one: (-one.rank, one.start - one.end, one.start)):
        if not any(place in taken for place in range(one.start, one.end)):
            taken.update(range(one.start, one.end))
            kept.append(one)
    return sorted(kept, key=lambda one: one.start)
