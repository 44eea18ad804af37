"""Where known values stand in a text, whole words only: a value found in one message is hidden in all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

LEAST_CHARS = 4  # shorter values are hidden where they were found, and not looked for elsewhere
_WORD = re.compile(r"\w+")


class Span(NamedTuple):
    """A part of a text that must not leave, and of what type it is."""

    start: int
    end: int
    kind: str


class Known:
    """Values to look for, by their first word: looking takes a time that does not grow with how many there are.

    Args:
        values: value -> type.
    """

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        self._by_word: dict[str, list[tuple[int, str, str]]] = {}
        for value, kind in values:
            first = _WORD.search(value)
            if first is not None and len(value) >= LEAST_CHARS:
                self._by_word.setdefault(first[0], []).append((first.start(), value, kind))

    def find(self, text: str) -> list[Span]:
        """Every place where a value stands; places may overlap."""
        if not self._by_word or self._by_word.keys().isdisjoint(_WORD.findall(text)):
            return []
        found = []
        for word in _WORD.finditer(text):
            for offset, value, kind in self._by_word.get(word[0], ()):
                start = word.start() - offset
                end = start + len(value)
                if start >= 0 and text.startswith(value, start) and not _cuts_word(text, value, start, end):
                    found.append(Span(start, end, kind))
        return found


def _cuts_word(text: str, value: str, start: int, end: int) -> bool:
    before = start > 0 and _in_word(text[start - 1]) and _in_word(value[0])
    return before or (end < len(text) and _in_word(text[end]) and _in_word(value[-1]))


def _in_word(c: str) -> bool:
    return c.isalnum() or c == "_"


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that overlap made one, with the type of the longest."""
    found: list[Span] = []
    longest = 0
    for span in sorted(spans):
        if found and span.start < found[-1].end:
            last = found[-1]
            length = span.end - span.start
            kind = span.kind if length > longest else last.kind
            longest = max(longest, length)
            found[-1] = Span(last.start, max(last.end, span.end), kind)
        else:
            found.append(span)
            longest = span.end - span.start
    return found
