"""Numbers of paragraphs as Word displays them: counters for each level of each list (ECMA-376 part 1, 17.9)."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from rightsized.parsers.docx.styles import Numbered
from rightsized.parsers.lists import counted
from rightsized.parsers.ooxml import Package, attribute, child, local

LEVELS = 9
BULLET = "•"
_PLACE = re.compile(r"%(\d)")
_STYLES = {
    "decimal": "1",
    "lowerLetter": "a",
    "upperLetter": "A",
    "lowerRoman": "i",
    "upperRoman": "I",
    "decimalZero": "01",
    "ordinal": "1",
    "cardinalText": "1",
    "ordinalText": "1",
}


class _Level(NamedTuple):
    start: int
    style: str  # as `counted` takes it; empty for bullets and what has no number
    text: str  # such as "%1.%2"
    legal: bool  # levels above it show digits
    bullet: bool


class Numbering:
    """Counts the numbered paragraphs of one document, in their order."""

    def __init__(self, package: Package) -> None:
        self._abstract: dict[str, dict[int, _Level]] = {}
        self._lists: dict[str, tuple[str, dict[int, _Level], dict[int, int]]] = {}  # abstract, own levels, starts
        self._counts: dict[str, list[int | None]] = {}
        self._begun: set[tuple[str, int]] = set()
        root = package.tree("word/numbering.xml")
        for element in root if root is not None else ():
            if local(element) == "abstractNum":
                self._abstract[attribute(element, "abstractNumId")] = _levels(element)
        for element in root if root is not None else ():
            if local(element) == "num":
                self._lists[attribute(element, "numId")] = _list(element)

    def marker(self, numbered: Numbered) -> str:
        """What stands before the next paragraph of this list and level: "12.3", "(a)", BULLET; empty for nothing."""
        found = self._lists.get(numbered.numbering)
        if found is None or not 0 <= numbered.level < LEVELS:
            return ""
        abstract, own, starts = found
        levels = self._abstract.get(abstract, {}) | own
        level = levels.get(numbered.level)
        if level is None:
            return ""
        self._count(numbered, abstract, levels, starts)
        if level.bullet:
            return BULLET
        counts = self._counts[abstract]

        def shown(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            one = levels.get(at)
            value = counts[at] if at < LEVELS else None
            if one is None:
                return ""
            style = "1" if level.legal and at < numbered.level else one.style
            value = one.start if value is None else value
            return f"{value:02d}" if style == "01" else counted(value, style) if style else ""

        return _PLACE.sub(shown, level.text).strip()

    def _count(self, numbered: Numbered, abstract: str, levels: dict[int, _Level], starts: dict[int, int]) -> None:
        counts = self._counts.setdefault(abstract, [None] * LEVELS)
        at = numbered.level
        first = (numbered.numbering, at) not in self._begun
        self._begun.add((numbered.numbering, at))
        before = counts[at]
        if first and at in starts:
            counts[at] = starts[at]
        else:
            counts[at] = levels[at].start if before is None else before + 1
        for deeper in range(at + 1, LEVELS):
            counts[deeper] = None
        for above in range(at):
            if counts[above] is None and above in levels:
                counts[above] = levels[above].start


def _list(element: Any) -> tuple[str, dict[int, _Level], dict[int, int]]:
    abstract = child(element, "abstractNumId")
    own: dict[int, _Level] = {}
    starts: dict[int, int] = {}
    for override in element:
        if local(override) == "lvlOverride":
            at = _number(attribute(override, "ilvl"), 0)
            start, level = child(override, "startOverride"), child(override, "lvl")
            if start is not None:
                starts[at] = _number(attribute(start, "val"), 1)
            if level is not None:
                own[at] = _level(level)
    return attribute(abstract, "val") if abstract is not None else "", own, starts


def _levels(element: Any) -> dict[int, _Level]:
    return {_number(attribute(one, "ilvl"), 0): _level(one) for one in element if local(one) == "lvl"}


def _level(element: Any) -> _Level:
    values = {local(one): attribute(one, "val") for one in element}
    style = values.get("numFmt", "decimal")
    legal = "isLgl" in values and values["isLgl"] not in ("0", "false")
    shown = "" if style in ("bullet", "none") else _STYLES.get(style, "1")
    return _Level(_number(values.get("start", ""), 1), shown, values.get("lvlText", ""), legal, style == "bullet")


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 8 else default
