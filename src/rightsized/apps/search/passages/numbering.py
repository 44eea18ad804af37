"""How deep a block stands below those before it: by clause numbers as they are written, and by bullets.

Dotted numbers tell their depth. (a), (i), (A) and (1) do not: contracts nest them in different orders, so a style that
was not open yet is one deeper than what is, and one that was goes back to it.
"""

from __future__ import annotations

import re

from rightsized.parsers.types import Block

TEXT = 0  # the depth of a paragraph without a number
DEEPEST = 12  # levels of clauses or lists below each other; deeper ones count as the last of them
Style = tuple[str, int]
_PART = re.compile(r"\d+|(?<![^\W\d_])(?:[a-z]{1,2}|[ivxlc]{1,6}|[A-Z]|[IVXLC]{1,6})(?![^\W\d_])")
_ROMAN = re.compile(r"(?=.)x{0,3}(?:ix|iv|v?i{0,3})")
_LEAD_IN = re.compile(r"[:：—–-]\s*$")
_DOTTED = "dotted"


def leads_in(text: str) -> bool:
    """Whether what follows belongs to this text, which ends in a colon or a dash."""
    return _LEAD_IN.search(text) is not None


class Nesting:
    """Depths of the blocks of one section, in their order.

    `dotted`: whether the last block had a number that tells its depth: a clause of its own, not part of a list.
    """

    def __init__(self) -> None:
        self._open: list[Style] = []
        self._last = ""  # letter of the number before
        self.dotted = False

    def depth(self, block: Block, text: str) -> int:
        """The depth of the next block, from 1; TEXT for a paragraph that belongs to nothing before it."""
        style = self._style(block)
        if style is None:
            self.dotted = False
            if self._open and text[:1].islower():
                return len(self._open[:1]) + 1  # words that close a list, and belong to the clause
            self._open = []
            return TEXT
        if style[0] == _DOTTED:
            self._open = [one for one in self._open if one[0] == _DOTTED and one[1] < style[1]]
        elif style in self._open:
            self._open = self._open[: self._open.index(style)]
        elif style[0] == "bullet":
            self._open = [one for one in self._open if one[0] != "bullet" or one[1] < style[1]]
        self.dotted = style[0] == _DOTTED
        self._open.append(style)
        depth = len(self._open)
        del self._open[DEEPEST:]
        return depth

    def _style(self, block: Block) -> Style | None:
        parts = _PART.findall(block.number)
        if not parts:
            return ("bullet", block.level) if block.kind == "item" else None
        last, self._last, before = parts[-1], parts[-1], self._last
        if last.isdecimal() and not block.number.startswith("("):
            return _DOTTED, len(parts)
        if last.isdecimal():
            return "digit", 0
        if last.isupper():
            return ("capital", 0) if len(parts) > 1 or len(last) == 1 else (_DOTTED, 1)
        follows = len(last) == 1 and before == chr(ord(last) - 1)  # (i) behind (h)
        letters = ("letter", 0) in self._open and follows
        return ("roman", 0) if _ROMAN.fullmatch(last) and not letters else ("letter", 0)
