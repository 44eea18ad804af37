"""Words of a passage as the lexical index compares them, with the places where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rightsized.parsers import analysis
from rightsized.parsers.stopwords import STOPWORDS

_WORD = re.compile(r"[^\W_]+")


@lru_cache(maxsize=65_536)
def stem(word: str, language: str) -> frozenset[str]:
    """The terms that a word is searched by; several where its script has no blanks."""
    return frozenset(analysis.words(word, analysis.stemmed_as(language)))


def wanted(text: str, languages: Sequence[str]) -> dict[str, frozenset[str]]:
    """For each language the stems of a question, without words that carry no meaning unless there are no others."""
    words = [match[0] for match in _WORD.finditer(text)]
    telling = [word for word in words if word.lower() not in STOPWORDS] or words
    return {one: frozenset().union(*(stem(word, one) for word in telling)) for one in languages}


def words_of(text: str) -> list[str]:
    """The words of a text that carry meaning, in lower case, without numbers."""
    found = [match[0].lower() for match in _WORD.finditer(text)]
    return [word for word in found if len(word) > 2 and word not in STOPWORDS and not word.isdigit()]


def places(text: str, stems: dict[str, frozenset[str]]) -> Iterator[tuple[int, int, str]]:
    """The (start, end, stem) of every word of the text that is wanted in one of the languages."""
    for match in _WORD.finditer(text):
        for language, some in stems.items():
            shared = stem(match[0], language) & some
            if shared:
                yield from _within(match, shared)
                break


def _within(match: re.Match[str], shared: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    """The whole word; of a run without blanks, the pairs that are wanted."""
    if len(shared) == 1 and not analysis.parted(match[0]).startswith(" "):
        yield match.start(), match.end(), next(iter(shared))
        return
    for one in sorted(shared):
        at = match[0].lower().find(one)
        while at >= 0:
            yield match.start() + at, match.start() + at + len(one), one
            at = match[0].lower().find(one, at + 1)
        if one not in match[0].lower():
            yield match.start(), match.end(), one
