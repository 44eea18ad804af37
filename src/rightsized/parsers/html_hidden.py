"""Which text of an HTML document a reader does not see: by its own styles and by plain rules of its style sheets.

Text that nobody sees and a model reads is how a sender talks to the model behind the reader's back. Looked at are the
ways that mail uses to hide text; a reader's program may know others. Colours are compared where one element sets both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MOST_CSS = 200_000  # characters of style sheets that are looked at
TINY = 1.0  # px, pt: text of this size or less cannot be read
FAR = -500.0  # px, em: further to the left or above than any window
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_SELECTOR = re.compile(r"[a-z][a-z0-9]*|[a-z][a-z0-9]*[.#][\w-]+|[.#][\w-]+", re.IGNORECASE)
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))\s*(px|pt|em|rem|%|in|cm)?")
_COLOURS = {"white": "#ffffff", "black": "#000000", "transparent": "transparent"}
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(?:,\s*([\d.]+)\s*)?\)")
Style = Mapping[str, str]


def style_of(text: str) -> dict[str, str]:
    """The declarations of a `style` attribute, names and values in lower case.

    >>> style_of("DISPLAY : none !important; color:#FFF")
    {'display': 'none', 'color': '#fff'}
    """
    found = {}
    for one in text.lower().split(";"):
        name, colon, value = one.partition(":")
        if colon:
            found[name.strip()] = value.replace("!important", "").strip()
    return found


def hidden(style: Style) -> bool:
    """Whether an element is not shown at all, whatever stands in it."""
    if style.get("display") == "none" or style.get("visibility") in ("hidden", "collapse"):
        return True
    if style.get("mso-hide") == "all" or _is_nothing(style.get("opacity", "")):
        return True
    if style.get("overflow") == "hidden":
        sizes = ("height", "max-height", "width", "max-width")
        if any(_is_nothing(style.get(name, "")) for name in sizes):
            return True
    places = ("left", "top", "text-indent", "margin-left", "margin-top")
    return any((_size(style.get(name, "")) or 0.0) <= FAR for name in places)


class Unseen(NamedTuple):
    """Whether text is too small to be read, and whether it has the colour behind it; None: as around it."""

    tiny: bool | None = None
    masked: bool | None = None

    def within(self, outer: Unseen) -> Unseen:
        """The same for an element that stands in another."""
        return Unseen(
            outer.tiny if self.tiny is None else self.tiny, outer.masked if self.masked is None else self.masked
        )


def unseen(style: Style) -> Unseen:
    """What an element says of the text in it. Elements inside may say otherwise: much mail sets the size to 0 around
    what is shown."""
    size, colour = _NUMBER.match(style.get("font-size", "")), _colour(style.get("color", ""))
    tiny = None if size is None else float(size[1]) <= (TINY if size[2] in (None, "px", "pt") else 0.0)
    behind = _colour(style.get("background-color", style.get("background", "")))
    return Unseen(tiny, None if not colour else colour in ("transparent", behind))


class Sheets:
    """The rules of style sheets that hide elements by tag, class or id; rules of media and deeper selectors are left
    out."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._hidden: set[str] = set()
        plain = _outside_blocks(_COMMENT.sub(" ", "\n".join(texts)[:MOST_CSS]))
        for rule in plain.split("}"):
            selectors, _, declared = rule.partition("{")
            style = style_of(declared)
            for one in map(str.strip, selectors.split(",") if style else ()):
                if not _SELECTOR.fullmatch(one):
                    continue
                if hidden(style):
                    self._hidden.add(one.lower())
                elif "display" in style:
                    self._hidden.discard(one.lower())

    def hide(self, tag: str, attributes: Mapping[str, str | None]) -> bool:
        """Whether an element is hidden by a rule."""
        if not self._hidden:
            return False
        names = [f".{one}" for one in (attributes.get("class") or "").lower().split()]
        names += [f"#{(attributes.get('id') or '').lower().strip()}"]
        return tag in self._hidden or any(one in self._hidden or f"{tag}{one}" in self._hidden for one in names)


def _outside_blocks(css: str) -> str:
    """Style sheets without what stands in `@media` and other blocks of blocks."""
    kept, at, brace = list[str](), 0, 0
    while (start := css.find("@", at)) >= 0:
        kept.append(css[at:start])
        brace = brace if brace < 0 or brace > start else css.find("{", start)
        semicolon = css.find(";", start)
        if brace < 0 or 0 <= semicolon < brace:  # @import ...;
            at = semicolon + 1 if semicolon >= 0 else len(css)
            continue
        depth, at = 1, brace + 1
        while depth and at < len(css):
            depth += {"{": 1, "}": -1}.get(css[at], 0)
            at += 1
    return "".join([*kept, css[at:]])


def _size(value: str) -> float | None:
    found = _NUMBER.match(value.strip())
    return float(found[1]) if found else None


def _is_nothing(value: str) -> bool:
    """Whether a size is 0, in whatever unit."""
    found = _NUMBER.fullmatch(value.strip())
    return found is not None and float(found[1]) == 0.0


def _colour(value: str) -> str:
    """A colour in one form; empty where it is none that is known."""
    plain = value.strip()
    if found := _RGB.fullmatch(plain):
        if found[4] is not None and float(found[4]) == 0.0:
            return "transparent"
        return "#" + "".join(f"{min(int(part), 255):02x}" for part in found.groups()[:3])
    if re.fullmatch(r"#[0-9a-f]{3}", plain):
        return "#" + "".join(2 * one for one in plain[1:])
    if re.fullmatch(r"#[0-9a-f]{6}", plain):
        return plain
    return _COLOURS.get(plain, plain if plain.isalpha() else "")
