"""Finds placeholders in what a model wrote, as it comes, and puts the values back.

A model may alter a placeholder: case, spaces or hyphens between its parts, an underscore escaped for Markdown, the
label dropped. The code decides alone, and is taken only whole: what is not one of this request's codes is left as it
stands. What is found does not depend on where the pieces were cut: text is held back only as long as it may be the
beginning of a placeholder, and decided from left to right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from rightsized.guard.pseudonym.nesting import Nesting
from rightsized.guard.pseudonym.placeholders import MAX_GAP, SEPARATORS

LEAST_CODE = 3  # characters of a code without its label that must stand together
_END = ""  # key of the placeholder that ends at a node
_GAP = "gap"  # key of nodes behind which separators may stand
_NOTHING = -1  # no placeholder begins here
_MORE = -2  # one may, if the text goes on


class Match(NamedTuple):
    """A placeholder in a text."""

    start: int
    end: int
    placeholder: str


class Matcher:
    """Knows the placeholders of one request, in every way of writing them that is understood."""

    def __init__(self, placeholders: Iterable[str]) -> None:
        self._root: dict[str, Any] = {}
        for placeholder in placeholders:
            name, _, code = placeholder.rpartition("_")
            self._learn(code, placeholder, LEAST_CODE)
            self._learn(name + code, placeholder, len(name))
        firsts = "".join(re.escape(c) for c in self._root)
        self._starts = re.compile(f"[{firsts}]" if firsts else "(?!)")

    def _learn(self, spelling: str, placeholder: str, together: int) -> None:
        """Add a way of writing a placeholder, with no separators within its first characters."""
        node = self._root
        for number, c in enumerate(spelling, start=1):
            following = node.get(c)
            if following is None:
                following = node[c] = node[c.lower()] = {}
            node = following
            if number >= together:
                node[_GAP] = True
        node[_END] = placeholder

    def scan(self, text: str, *, final: bool) -> tuple[list[Match], int]:
        """All placeholders in order, and how much of the text is decided; all of it where it is `final`."""
        found: list[Match] = []
        at = 0
        while start := self._starts.search(text, at):
            end, placeholder = self._walk(text, start.start())
            if end == _MORE and not final:
                return found, start.start()
            if end < 0:
                at = start.start() + 1
            else:
                found.append(Match(start.start(), end, placeholder))
                at = end
        return found, len(text)

    def _walk(self, text: str, start: int) -> tuple[int, str]:
        node, gap = self._root, 0
        for at in range(start, len(text)):
            following = node.get(text[at])
            if following is None:
                gap += 1
                if text[at] not in SEPARATORS or gap > MAX_GAP or _GAP not in node:
                    return _NOTHING, ""
                continue
            node, gap = following, 0
            if _END in node:
                return at + 1, node[_END]
        return _MORE, ""


class Restorer:
    """Puts values back into one growing text.

    Args:
        reveal: placeholder -> value.
        escape: whether the text is JSON, so that a value must be written as the inside of a JSON string.
    """

    def __init__(self, matcher: Matcher, reveal: Callable[[str], str], *, escape: bool = False) -> None:
        self._matcher, self._reveal = matcher, reveal
        self._nesting = Nesting() if escape else None
        self._unread: list[str] = []  # given out, and not yet read for its nesting: mostly nobody asks
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be given out now that `text` has come."""
        return self._decide(self._held + text, final=False) if text else ""

    def flush(self) -> str:
        """What was held back, now that the text is over."""
        return self._decide(self._held, final=True) if self._held else ""

    def whole(self, text: str) -> str:
        """A text that came in one piece."""
        return self._decide(text, final=True)

    def _decide(self, text: str, *, final: bool) -> str:
        found, decided = self._matcher.scan(text, final=final)
        self._held = text[decided:]
        if not found and self._nesting is None:
            return text[:decided]
        parts, at = [], 0
        for match in found:
            parts.append(self._plain(text[at : match.start]))
            parts.append(self._written(self._reveal(match.placeholder)))
            at = match.end
        parts.append(self._plain(text[at:decided]))
        return "".join(parts)

    def _plain(self, text: str) -> str:
        if self._nesting is not None:
            self._unread.append(text)
        return text

    def _written(self, value: str) -> str:
        if self._nesting is None:
            return value
        once = escaped(value, 1)
        if once != value:
            self._nesting.feed("".join(self._unread))
            self._unread.clear()
            once = escaped(value, max(1, self._nesting.depth))
        self._unread.append("x")  # content of the string, whatever it is
        return once


def escaped(value: str, times: int) -> str:
    """A value as the inside of a JSON string, `times` over for JSON within strings of JSON.

    >>> escaped('5" pipe', 1), escaped('5" pipe', 2)
    ('5\\\\" pipe', '5\\\\\\\\\\\\" pipe')
    """
    for _ in range(times):
        value = json.dumps(value, ensure_ascii=False)[1:-1]
    return value
