"""Which paragraphs are headings, and which are numbered, by the styles of a DOCX (ECMA-376 part 1, 17.7)."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from rightsized.parsers.ooxml import Package, attribute, child, local

BODY_LEVEL = 9  # of an outline: no heading
DEEPEST = 20  # styles that a style may be based on, one on the other
_HEADING = re.compile(
    r"(?:heading|überschrift|titre|título|titolo|rubrik|kop|nagłówek|заголовок|标题|見出し)\s*(\d)$", re.IGNORECASE
)
_TITLES = frozenset({"title", "titel", "titre", "título", "titolo"})


class Numbered(NamedTuple):
    """A numbering's id and the level in it, from 0."""

    numbering: str
    level: int


class Style(NamedTuple):
    """`outline`: a heading's level from 0, BODY_LEVEL for text."""

    outline: int = BODY_LEVEL
    title: bool = False
    quote: bool = False
    numbered: Numbered | None = None


class Styles:
    """The paragraph styles of a document."""

    def __init__(self, package: Package) -> None:
        self._elements: dict[str, Any] = {}
        self._known: dict[str, Style] = {}
        self._default = ""
        root = package.tree("word/styles.xml")
        for element in root if root is not None else ():
            if local(element) == "style" and attribute(element, "type", "paragraph") == "paragraph":
                self._elements[attribute(element, "styleId")] = element
                if attribute(element, "default") in ("1", "true"):
                    self._default = attribute(element, "styleId")

    def of(self, properties: Any) -> Style:
        """The style of a paragraph by its `pPr`, which may be None; what it sets itself counts first."""
        named = child(properties, "pStyle") if properties is not None else None
        style = self._named(attribute(named, "val") if named is not None else self._default, 0)
        if properties is None:
            return style
        outline = _outline(properties)
        numbered = numbered_of(properties)
        if numbered is not None:
            style = style._replace(numbered=numbered if numbered.numbering != "0" else None)
        return style if outline is None else style._replace(outline=outline)

    def _named(self, key: str, depth: int) -> Style:
        if key in self._known:
            return self._known[key]
        element = self._elements.get(key)
        if element is None or depth > DEEPEST:
            return Style()
        based = child(element, "basedOn")
        style = self._named(attribute(based, "val"), depth + 1) if based is not None else Style()
        name = child(element, "name")
        style = _own(style, attribute(name, "val", key).strip() if name is not None else key, child(element, "pPr"))
        self._known[key] = style
        return style


def _own(style: Style, name: str, properties: Any) -> Style:
    """A style with what it sets itself."""
    heading = _HEADING.match(name)
    if heading:
        style = style._replace(outline=max(0, int(heading[1]) - 1))
    if name.lower() in _TITLES:
        style = style._replace(title=True)
    if "quote" in name.lower():
        style = style._replace(quote=True)
    if properties is None:
        return style
    outline, numbered = _outline(properties), numbered_of(properties)
    if outline is not None:
        style = style._replace(outline=outline)
    if numbered is not None:
        before = style.numbered
        kept = numbered.numbering or (before.numbering if before else "")
        style = style._replace(numbered=Numbered(kept, numbered.level) if kept not in ("", "0") else None)
    return style


def _outline(properties: Any) -> int | None:
    element = child(properties, "outlineLvl")
    return _number(attribute(element, "val"), BODY_LEVEL) if element is not None else None


def numbered_of(properties: Any) -> Numbered | None:
    """What `numPr` says; None where it is not there. The numbering is empty where only the level is set."""
    element = child(properties, "numPr")
    if element is None:
        return None
    level, numbering = child(element, "ilvl"), child(element, "numId")
    return Numbered(
        attribute(numbering, "val") if numbering is not None else "",
        _number(attribute(level, "val"), 0) if level is not None else 0,
    )


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 6 else default
