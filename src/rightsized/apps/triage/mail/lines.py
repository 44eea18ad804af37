"""A message's text line by line, each line with what it is: written for this message, quoted, or signature.

Offsets are those of `Mail.body`. What decides is in `quotes` and `signatures`; this only keeps it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Literal

from rightsized.apps.triage.records import Span

LineKind = Literal["fresh", "quoted", "signature"]


class Lines:
    """The lines of a text. `kinds[i]` is what line `i` is; blank lines count as what stands before them."""

    def __init__(self, body: str) -> None:
        self.texts = body.split("\n")
        self.starts: list[int] = []
        at = 0
        for text in self.texts:
            self.starts.append(at)
            at += len(text) + 1
        self.kinds: list[LineKind] = ["fresh"] * len(self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def blank(self, number: int) -> bool:
        return not self.texts[number].strip()

    def mark(self, first: int, end: int, kind: LineKind) -> None:
        """Lines [first, end) are of this kind."""
        self.kinds[first:end] = [kind] * (end - first)

    def runs(self, kind: LineKind) -> Iterator[tuple[int, int]]:
        """Stretches [first, end) of lines of a kind, in order."""
        first: int | None = None
        for number, one in enumerate([*self.kinds, None]):
            if one == kind and first is None:
                first = number
            elif one != kind and first is not None:
                yield first, number
                first = None

    def spans(self, kind: LineKind) -> tuple[Span, ...]:
        """The stretches of a kind without blanks at their ends; stretches that hold nothing else are left out."""
        found = []
        for first, end in self.runs(kind):
            while first < end and self.blank(first):
                first += 1
            while end > first and self.blank(end - 1):
                end -= 1
            if first < end:
                start, last = self.starts[first], self.texts[end - 1]
                lead = len(self.texts[first]) - len(self.texts[first].lstrip())
                found.append(Span(start + lead, self.starts[end - 1] + len(last.rstrip())))
        return tuple(found)

    def within(self, start: int, end: int) -> range:
        """The lines that a span touches."""
        first = bisect_right(self.starts, start) - 1
        return range(max(0, first), bisect_left(self.starts, end))

    def next_text(self, number: int) -> int:
        """The first line from here on that is not blank; the number of lines where there is none."""
        while number < len(self) and self.blank(number):
            number += 1
        return number
