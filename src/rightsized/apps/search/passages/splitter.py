"""Parsed -> passages. Sizes the prefix that every passage carries (title and headings), and numbers the passages.

Nothing is read or stored here, and equal input gives equal passages.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from rightsized.apps.search.passages.cuts import Measure, pieces
from rightsized.apps.search.passages.grouping import Draft, Room, drafts
from rightsized.apps.search.passages.outline import Section, sections, single_line
from rightsized.apps.search.types import Passage
from rightsized.parsers.types import Parsed

PREFIX_SHARE = 0.27  # of the limit, for title and headings: 54 tokens beside 200, so that 256 hold both and two marks
TINY_SHARE = 0.125  # of the limit: a section below it may share a passage with the one behind it
_PARTED = " > "
_MARKED = 7  # characters of the longest marker of a heading


class _Laid(NamedTuple):
    """A draft with the headings above it: those in its own text left out of `above`."""

    draft: Draft
    path: tuple[str, ...]
    above: tuple[str, ...]
    alone: bool  # whether it is all of its section
    heads: int  # tokens of the headings in its text


def split(parsed: Parsed, *, count: Callable[[str], int], limit: int = 200) -> list[Passage]:
    """The passages of a document, in order: together all that is not blank, nothing twice.

    Args:
        count: tokens of a text, as the encoder counts them.
        limit: most tokens of a passage's text, headings that open it left out. `Passage.indexed` has at most 1.27 times
            as many, and the encoder's marks.
    """
    if limit < 8:
        raise ValueError(f"limit must be at least 8 tokens, not {limit}")
    measure = Measure(parsed.text, count)
    prefixes = _Prefixes(parsed.title, count, limit)
    laid = [one for section in sections(parsed) for one in _laid(section, measure, prefixes)]
    where = _Where(parsed)
    return [
        Passage(
            ordinal=ordinal,
            start=(draft := one.draft).start,
            end=draft.end,
            text=parsed.text[draft.start : draft.end],
            indexed=prefixes.indexed(one.above, draft, parsed.text),
            path=one.path,
            header=draft.header,
            page=where.page(draft.start),
            number=where.number(draft.start, draft.end),
        )
        for ordinal, one in enumerate(_shared(laid, limit))
    ]


def _laid(section: Section, measure: Measure, prefixes: _Prefixes) -> Iterator[_Laid]:
    path, above = section.path, section.above
    if not section.heads:
        found = drafts(section.blocks, measure, prefixes.room(prefixes.size(path)))
        yield from (_Laid(draft, path, path, len(found) == 1, 0) for draft in found)
        return
    start, end = section.heads[0][0], section.heads[-1][1]
    heads = measure.piece(start, end).size
    apart = heads > prefixes.longest_heads
    taken = prefixes.size(path) if apart else max(prefixes.size(path), prefixes.size(above) + heads)
    found = drafts(section.blocks, measure, prefixes.room(taken))
    if apart or not found:
        for piece in pieces(measure, start, end, prefixes.room(prefixes.size(above)).limit):
            yield _Laid(Draft(piece.start, piece.end, 0), path, above, not found and not apart, piece.size)
    else:
        yield _Laid(found.pop(0)._replace(start=start), path, above, not found, heads)
    yield from (_Laid(draft, path, path, False, 0) for draft in found)


def _shared(laid: list[_Laid], limit: int) -> list[_Laid]:
    """Tiny sections together with the one behind them, under the headings that both have."""
    found: list[_Laid] = []
    for one in laid:
        last = found[-1] if found else None
        if last and one.heads and last.alone and _tiny(last, one, limit):
            size = last.draft.size + one.heads + one.draft.size
            path = _common(last.path, one.path)
            above = path[: len(last.above)]
            draft = last.draft._replace(end=one.draft.end, size=size)
            found[-1] = _Laid(draft, path, above, one.alone, last.heads)
            continue
        found.append(one)
    return found


def _common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    return tuple(name for name, _ in pairs)


def _tiny(last: _Laid, one: _Laid, limit: int) -> bool:
    plain = not (one.draft.header or one.draft.lead or last.draft.header or last.draft.lead)
    together = last.draft.size + one.heads + one.draft.size
    return plain and last.heads + last.draft.size < limit * TINY_SHARE and together <= limit


class _Prefixes:
    """Title and headings as they stand above the text in `indexed`; each combination is sized once."""

    def __init__(self, title: str, count: Callable[[str], int], limit: int) -> None:
        self._title, self._count, self._limit = single_line(title), count, limit
        self._most = int(limit * PREFIX_SHARE)
        self._known: dict[tuple[str, ...], tuple[str, int]] = {}

    @property
    def longest_heads(self) -> int:
        """Tokens of headings that still stand at the beginning of a passage with text below them."""
        return self._limit // 2

    def size(self, path: tuple[str, ...]) -> int:
        """Tokens of title and path."""
        return self._of(path)[1]

    def room(self, taken: int) -> Room:
        """What is left for the text beside so many tokens."""
        left = self._limit + self._most - taken
        return Room(min(self._limit, left), left)

    def indexed(self, above: tuple[str, ...], draft: Draft, text: str) -> str:
        """What is embedded and searched of a passage."""
        header = draft.header if draft.repeats else ""
        prefix = self._of(above)[0]
        begins = single_line(text[draft.start : draft.end][: len(prefix) * 2 + _MARKED]).lstrip("# ")
        if prefix and begins.startswith(prefix):
            prefix = ""  # the title, where the text begins with it
        return "\n".join(part for part in (prefix, draft.lead, header, text[draft.start : draft.end]) if part)

    def _of(self, path: tuple[str, ...]) -> tuple[str, int]:
        if path not in self._known:
            self._known[path] = self._fitted([self._title, *path] if self._title != "".join(path[:1]) else list(path))
        return self._known[path]

    def _fitted(self, names: Sequence[str]) -> tuple[str, int]:
        """Title and innermost heading before those between them; cut at words where even they are too long."""
        parts = [name for name in names if name]
        while True:
            prefix = _PARTED.join(parts)
            measure = Measure(prefix, self._count)
            if (size := measure.of(prefix)) <= self._most:
                return prefix, size
            if len(parts) > 2:
                del parts[1]
                continue
            share = self._most // len(parts) - 2
            parts = [_beginning(part, self._count, share) for part in parts]
            prefix = _PARTED.join(parts)
            return prefix, Measure(prefix, self._count).of(prefix)


def _beginning(words: str, count: Callable[[str], int], limit: int) -> str:
    cut = pieces(Measure(words, count), 0, len(words), max(1, limit))
    return words[cut[0].start : cut[0].end] if cut else ""


class _Where:
    """On which page a character stands, and under which number."""

    def __init__(self, parsed: Parsed) -> None:
        blocks = sorted(parsed.blocks, key=lambda block: block.start)
        marks = [(line.start, line.box.page) for line in parsed.lines] or [(one.start, one.page) for one in blocks]
        marks.sort()
        self._starts, self._pages = [start for start, _ in marks], [page for _, page in marks]
        self._numbered = [(block.start, block.end, block.number) for block in blocks if block.number]

    def page(self, start: int) -> int:
        """The page of the last line (or block) that begins at or before `start`; 0 where there are none."""
        return self._pages[max(0, bisect_right(self._starts, start) - 1)] if self._pages else 0

    def number(self, start: int, end: int) -> str:
        """The number of the clause that begins here, or that this goes on."""
        at = bisect_left(self._numbered, (start, 0, ""))
        if at and self._numbered[at - 1][1] > start:
            return self._numbered[at - 1][2]
        return self._numbered[at][2] if at < len(self._numbered) and self._numbered[at][0] < end else ""
