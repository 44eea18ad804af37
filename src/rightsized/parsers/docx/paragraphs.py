"""The words of a Word paragraph: text, tabs and breaks of its runs, without what was deleted or moved away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rightsized.parsers.ooxml import attribute, local

_BREAKS = {"br": "\n", "cr": "\n", "tab": "\t", "ptab": "\t", "noBreakHyphen": "-", "softHyphen": ""}
_SKIPPED = frozenset({"moveFrom", "del", "Fallback", "pPr", "rPr", "delText", "instrText"})
Note = tuple[str, str]  # kind and id


def words_of(element: Any) -> str:
    """All words below an element."""
    return "".join(text for text, _ in pieces(element))


def notes_of(element: Any) -> list[Note]:
    """The foot- and endnotes that a paragraph refers to, in order."""
    return [note for _, note in pieces(element) if note is not None]


def pieces(element: Any) -> Iterator[tuple[str, Note | None]]:
    """Words and references below an element in order, without recursion."""
    stack = list(reversed(element))
    while stack:
        one = stack.pop()
        name = local(one)
        if name == "t":
            yield one.text or "", None
        elif name in _BREAKS:
            yield _BREAKS[name], None
        elif name in ("footnoteReference", "endnoteReference"):
            yield "", (name.removesuffix("Reference"), attribute(one, "id"))
        elif name == "p":
            yield "\n", None
            stack.extend(reversed(one))
        elif name and name not in _SKIPPED:
            stack.extend(reversed(one))
