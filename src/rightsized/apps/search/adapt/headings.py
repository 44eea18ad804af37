"""Headings that say something, and those that open a clause within its text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

FEWEST_LETTERS, MOST_WORDS = 4, 20
COMMON_SHARE, COMMON_DOCUMENTS = 0.2, 5  # a heading in this share of documents, and in so many, is of all of them
# Say where one is in a document, not what it says. English alone; what is common in a collection is found by counting.
_PLACES = """introduction overview general background contents summary appendix annex notes references miscellaneous
conclusion conclusions purpose scope index preface foreword other details information description definitions
interpretation schedule exhibit attachment agreement contract document page section chapter part article clause table
figure recitals preamble whereas untitled home faq questions answers links note example examples readme changelog
revision version history abstract discussion results methods about"""
PLACES = frozenset(_PLACES.split())
_PARTICLES = frozenset(("and", "or", "of", "the", "a", "an", "to", "for", "in", "on", "with", "by", "further", "more"))
_NUMBER = re.compile(
    r"^\s*(?:(?:section|article|clause|chapter|part|annex|schedule|appendix|exhibit)\s+)?"
    r"[(\[]?(?:\d{1,3}(?:\.\d{1,3})*|[ivxlc]{1,6}|[a-z])[)\].:]+\s*|^\s*\d+(?:\.\d+)*\s+",
    re.IGNORECASE,
)
_NAME = re.compile(r"\S*[./\\_@]\S*")  # of a file, a site, a person: one word with such a mark in it
# "7.1 Termination for cause. Either party may": a numbered heading that runs into its text.
_RUN_IN = re.compile(
    r"(?:^|\s)(?:Section\s+|Article\s+)?(?:\d{1,3}(?:\.\d{1,3}){0,3}\.?|\([a-z]\))\s+"
    r"(?P<heading>[A-Z][\w,&/'’ -]{3,70}?)[.:]\s+(?=[A-Z(\"“])"
)


class Opened(NamedTuple):
    """A heading within a text, and what stands between it and the next."""

    heading: str
    body: str


def plain(heading: str) -> str:
    """A heading on one line, without its number and closing marks.

    >>> plain(" 4.2 (a) Notice of\\n termination: ")
    'Notice of termination'
    """
    text = " ".join(heading.split())
    while (shorter := _NUMBER.sub("", text, count=1)) != text:
        text = shorter
    return text.strip(" .:;-–—*_#([\"“‘'")


def telling(heading: str) -> bool:
    """Whether a plain heading says what is below it.

    >>> telling("Notice of termination"), telling("General information"), telling("Part B")
    (True, False, False)
    """
    if _NAME.fullmatch(heading):
        return False
    words = re.findall(r"[^\W\d_]+", heading.casefold())
    saying = [word for word in words if word not in PLACES and word not in _PARTICLES and len(word) > 1]
    return len(words) <= MOST_WORDS and sum(map(len, saying)) >= FEWEST_LETTERS


def common(headings: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Headings, as (document, plain heading), that so many documents share that they tell none of them apart."""
    of: dict[str, set[str]] = {}
    documents = set()
    for document, heading in headings:
        documents.add(document)
        of.setdefault(heading.casefold(), set()).add(document)
    least = max(COMMON_DOCUMENTS, COMMON_SHARE * len(documents))
    return frozenset(heading for heading, found in of.items() if len(found) >= least)


def run_in(text: str) -> list[Opened]:
    """Numbered headings that open a clause on its own line, with the clause.

    >>> run_in("7.1 Term. This agreement ends in May. 7.2 Governing law. The laws of Ghent apply.")[1]
    Opened(heading='Governing law', body='The laws of Ghent apply.')
    """
    marks = [*_RUN_IN.finditer(text), None]
    found = []
    for mark, following in pairwise(marks):
        if mark is not None:
            end = following.start() if following else len(text)
            found.append(Opened(plain(mark["heading"]), text[mark.end() : end].strip()))
    return found
