"""What repeats at the top and bottom of pages: running headers, footers and page numbers. Found, so that they can be
left out of the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from rightsized.parsers.pdf.order import Row

EDGE_LINES = 3  # at each end of a page that are looked at
MARGIN = 0.11  # of the page's height at each end
LEAST_PAGES = 3  # that a line must be on
LEAST_SHARE = 0.3  # of the pages: left and right pages, and chapters, differ
PLACE = 8.0  # points by which a running line may move
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"\W*(?:(?:page|seite|p\.|pg\.?|página|pagina|第)\s*)?(?:\d{1,5}|[ivxlc]{1,6})(?:\s*(?:/|of|von|de|sur|di|-|–)\s*\d{1,5})?"
    r"\s*(?:页|頁)?\W*",
    re.IGNORECASE,
)
_Key = tuple[str, int]


class Running:
    """The running lines of a document, from the lines of (a sample of) its pages."""

    def __init__(self, pages: Iterable[tuple[Sequence[Row], float]]) -> None:
        counts: Counter[_Key] = Counter()
        total = numbered = 0
        for lines, height in pages:
            total += 1
            counts.update({key for line in edges(lines, height) for key in _places(line, height)})
            numbered += any(_is_page_number(line) for line in edges(lines, height))
        least = max(LEAST_PAGES, LEAST_SHARE * total)
        self._keys = frozenset(key for key, count in counts.items() if count >= least)
        self._numbered = numbered >= max(2, 0.5 * total)
        self.texts: dict[str, None] = {}  # of what was left out, in order

    def holds(self, line: Row, height: float) -> bool:
        """Whether a line at the edge of a page is a running one."""
        if any(key in self._keys for key in _places(line, height)):
            self.texts.setdefault(_DIGITS.sub("#", text_of(line)))
            return True
        return self._numbered and _is_page_number(line)

    def without(self, lines: Sequence[Row], height: float) -> list[Row]:
        """The lines of a page that are its own."""
        edge = {id(line) for line in edges(lines, height)}
        return [line for line in lines if id(line) not in edge or not self.holds(line, height)]


def edges(lines: Sequence[Row], height: float) -> list[Row]:
    """The lines nearest to the top and to the bottom of the page, within its margins."""
    by_place = sorted(lines, key=lambda line: line[0].top)
    ends = by_place if len(by_place) <= 2 * EDGE_LINES else by_place[:EDGE_LINES] + by_place[-EDGE_LINES:]
    return [line for line in ends if line[0].bottom < MARGIN * height or line[0].top > (1 - MARGIN) * height]


def text_of(line: Row) -> str:
    """The words of a line."""
    return " ".join(fragment.text for fragment in line)


def _places(line: Row, height: float) -> tuple[_Key, _Key]:
    """The line without its digits, and where it stands: in two grids, so that no place is on the edge of both."""
    words = _DIGITS.sub("#", text_of(line)).casefold()
    top = line[0].top if line[0].top < height / 2 else line[0].top - height  # pages may differ in height
    return (words, 2 * round(top / PLACE)), (words, 2 * round(top / PLACE + 0.5) + 1)


def _is_page_number(line: Row) -> bool:
    return _PAGE_NUMBER.fullmatch(text_of(line)) is not None
