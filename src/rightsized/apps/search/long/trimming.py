"""Cuts a passage to the run of its sentences that tells most of a question and fits in so many tokens."""

from __future__ import annotations

from collections.abc import Callable

from rightsized.apps.search.query.stems import places, wanted
from rightsized.parsers.sentences import Span, sentences

LANGUAGE = "en"


def best_run(text: str, question: str, room: int, count: Callable[[str], int], language: str = LANGUAGE) -> Span | None:
    """The (start, end) of consecutive sentences with most of the question's words, the longest that fits from there.

    Args:
        room: tokens.
        count: tokens of a text.
        language: ISO 639-1, by which words are compared.
    None where not one sentence fits.
    """
    spans = sentences(text)
    told = _told(text, spans, question, language)
    for at in sorted(range(len(spans)), key=lambda place: (-told[place], place)):
        first = last = at
        if count(text[slice(*spans[at])]) > room:
            continue
        while (wider := _wider(text, spans, (first, last), told, room, count)) is not None:
            first, last = wider
        return spans[first][0], spans[last][1]
    return None


def _told(text: str, spans: list[Span], question: str, language: str) -> list[int]:
    """How many different words of the question each sentence has."""
    stems = wanted(question, [language])
    held: list[set[str]] = [set() for _ in spans]
    at = 0
    for start, _, word in places(text, stems):
        while at + 1 < len(spans) and spans[at + 1][0] <= start:
            at += 1
        held[at].add(word)
    return [len(words) for words in held]


def _wider(
    text: str, spans: list[Span], run: Span, told: list[int], room: int, count: Callable[[str], int]
) -> Span | None:
    """The run with one more sentence, the better of both sides that fits, the one behind where they are equal."""
    first, last = run
    sides = [(first, last + 1)] if last + 1 < len(spans) else []
    sides += [(first - 1, last)] if first else []
    sides.sort(key=lambda side: -told[side[1] if side[1] > last else side[0]])
    fit = (side for side in sides if count(text[spans[side[0]][0] : spans[side[1]][1]]) <= room)
    return next(fit, None)
