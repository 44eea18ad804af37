"""Cuts a stretch of text that is too long into pieces that are not: at sentences, then clauses, then words.

Only a single word that is longer than a whole passage (a key in base64, a script without spaces) is cut inside, never
between a letter and its marks. It knows sizes, not structure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from math import ceil
from typing import NamedTuple

from rightsized.parsers.sentences import Span, sentences, trimmed

CHARACTERS_A_TOKEN = 12  # a token is never counted as more: tokenizers take a word of 1,000 letters for one unknown
_CLAUSE_ENDS = re.compile(r"[;:,](?=\s)|\s[—–-](?=\s)|[、，；：،؛]")
_IDEOGRAPHS = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORDS = re.compile(rf"[{_IDEOGRAPHS}]{{1,12}}|[^\s{_IDEOGRAPHS}]+")
_JOINERS = "\u200c\u200d"


class Piece(NamedTuple):
    """`text[start:end]` and its size in tokens."""

    start: int
    end: int
    size: int


class Measure:
    """Sizes of stretches of one text, in tokens without the special ones that frame a text.

    Args:
        count: tokens of a text, as the encoder counts them.
    """

    def __init__(self, text: str, count: Callable[[str], int]) -> None:
        self.text, self._count = text, count
        self._framing = count("")

    def of(self, words: str) -> int:
        """The size of words that need not be in the text."""
        return max(self._count(words) - self._framing, ceil(len(words) / CHARACTERS_A_TOKEN)) if words else 0

    def piece(self, start: int, end: int) -> Piece:
        return Piece(start, end, self.of(self.text[start:end]))


def pieces(measure: Measure, start: int, end: int, limit: int) -> list[Piece]:
    """A stretch as pieces of at most `limit` tokens, about equally long; one piece where it fits."""
    return _pieces(measure, start, end, limit, 0)


def pack(parts: Iterable[Piece], limit: int) -> list[Piece]:
    """Neighbours joined into as few pieces as `limit` allows, of about equal size; none is cut."""
    waiting = list(parts)
    total = sum(part.size for part in waiting)
    aim = total / max(1, ceil(total / limit))
    packed: list[Piece] = []
    for part in waiting:
        if packed:
            last = packed[-1]
            joined = last.size + part.size
            if joined <= limit and last.size + part.size / 2 <= aim:
                packed[-1] = Piece(last.start, part.end, joined)
                continue
        packed.append(part)
    return packed


def _pieces(measure: Measure, start: int, end: int, limit: int, level: int) -> list[Piece]:
    start, end = trimmed(measure.text, start, end)
    if start == end:
        return []
    whole = measure.piece(start, end)
    if whole.size <= limit or level == len(_LEVELS):
        return [whole]
    spans = _LEVELS[level](measure.text, start, end, limit)
    return pack((piece for span in spans for piece in _pieces(measure, *span, limit, level + 1)), limit)


def _sentences(text: str, start: int, end: int, limit: int) -> Iterator[Span]:
    return ((start + begin, start + stop) for begin, stop in sentences(text[start:end]))


def _clauses(text: str, start: int, end: int, limit: int) -> Iterator[Span]:
    begin = start
    for mark in _CLAUSE_ENDS.finditer(text, start, end):
        yield begin, mark.end()
        begin = mark.end()
    yield begin, end


def _words(text: str, start: int, end: int, limit: int) -> Iterator[Span]:
    return (word.span() for word in _WORDS.finditer(text, start, end))


def _characters(text: str, start: int, end: int, limit: int) -> Iterator[Span]:
    step = max(1, limit // 4)  # a character may be as many as four tokens
    while start < end:
        stop = min(end, start + step)
        while stop < min(end, start + 4 * step) and _clings(text, stop):
            stop += 1
        yield start, stop
        start = stop


def _clings(text: str, at: int) -> bool:
    """Whether the character belongs to the one before it: a mark, a joiner, or what a joiner joins."""
    return unicodedata.category(text[at])[0] == "M" or text[at] in _JOINERS or text[at - 1] in _JOINERS


_LEVELS: tuple[Callable[[str, int, int, int], Iterator[Span]], ...] = (_sentences, _clauses, _words, _characters)
