"""PPTX: slides as pages, with title, text by level, tables, and the speaker's notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rightsized.core.errors import DocumentError
from rightsized.parsers.draft import Draft, Span, single_line, squeezed
from rightsized.parsers.limits import LIMITS
from rightsized.parsers.ooxml import Package, attribute, child, local, opened
from rightsized.parsers.types import Parsed

_MAIN = "ppt/presentation.xml"
_TITLES = frozenset({"title", "ctrTitle"})
_PASSED = frozenset({"dt", "ftr", "sldNum", "hdr", "sldImg"})  # placeholders: date, footer, number


def parse_pptx(path: Path, name: str) -> Parsed:
    """Read a presentation. Raises DocumentError (`encrypted`, `truncated`, `malformed`, `bomb`, `too-large`)."""
    draft = Draft(name)
    with opened(path, name) as package:
        slides = list(_slides(package, name))
        most = LIMITS.get().pages
        for number, member in enumerate(slides[:most], start=1):
            root = package.tree(member)
            if root is None:
                draft.notes.append(f"Slide {number} cannot be read.")
                continue
            _Slide(draft, number).read(root)
            _notes(draft, number, package, member)
        if len(slides) > most:
            draft.notes.append(f"Slides {most + 1} to {len(slides)} were left out: more than the limit.")
        title, date, metadata = package.properties()
    return draft.finish(title=title, pages=len(slides), date=date, metadata=metadata)


def _slides(package: Package, name: str) -> Iterator[str]:
    """Members of the slides in the order in which they are shown."""
    root = package.tree(_MAIN)
    if root is None:
        raise DocumentError(f"{name} lacks {_MAIN}: it is damaged or no presentation.")
    targets = package.relations(_MAIN)
    shown = child(root, "sldIdLst")
    for slide in shown if shown is not None else ():
        member = targets.get(_relation(slide), "")
        if member in package:
            yield member


def _relation(slide: Any) -> str:
    return next((value for key, value in slide.items() if key.endswith("}id")), "")


def _notes(draft: Draft, number: int, package: Package, member: str) -> None:
    """What the speaker sees below the slide."""
    found = [target for target in package.relations(member).values() if "/notesSlide" in target]
    root = package.tree(found[0]) if found else None
    for shape in _shapes(root) if root is not None else ():
        if local(shape) == "sp" and _placeholder(shape) == "body":
            for _, words in _paragraphs(shape):
                draft.add("paragraph", words, page=number)


class _Slide:
    """Writes one slide into the draft: its title first, wherever that stands among the shapes."""

    def __init__(self, draft: Draft, number: int) -> None:
        self._draft, self._number = draft, number

    def read(self, root: Any) -> None:
        shapes = list(_shapes(root))
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        for shape in titles:
            self._draft.add(
                "heading", single_line(" ".join(words for _, words in _paragraphs(shape))), level=1, page=self._number
            )
        for shape in shapes:
            if any(shape is title for title in titles) or _placeholder(shape) in _PASSED:
                continue
            if local(shape) == "graphicFrame":
                self._frame(shape)
            else:
                self._text(shape)

    def _text(self, shape: Any) -> None:
        listed = _placeholder(shape) in ("body", "obj")
        for level, words in _paragraphs(shape):
            if listed:
                self._draft.add("item", words, level=level + 1, page=self._number)
            else:
                self._draft.add("paragraph", words, page=self._number)

    def _frame(self, shape: Any) -> None:
        """A table; charts and diagrams give the words that stand in the slide itself."""
        table = next((one for one in shape.iter() if local(one) == "tbl"), None)
        if table is None:
            self._text(shape)
            return
        header: Span = (0, 0)
        properties = child(table, "tblPr")
        named = properties is not None and attribute(properties, "firstRow") in ("1", "true")
        for at, row in enumerate(one for one in table if local(one) == "tr"):
            cells = [" ".join(words for _, words in _paragraphs(cell)) for cell in row if local(cell) == "tc"]
            span = self._draft.row(cells, page=self._number, header=header)
            if at == 0 and named:
                header = span


def _shapes(root: Any) -> Iterator[Any]:
    """Shapes in the order of the slide, those in groups with them; without recursion."""
    tree = child(root, "cSld", "spTree")
    stack = list(reversed(tree)) if tree is not None else []
    while stack:
        one = stack.pop()
        name = local(one)
        if name in ("sp", "graphicFrame", "cxnSp", "pic"):
            yield one
        elif name in ("grpSp", "AlternateContent", "Choice"):
            stack.extend(reversed(one))


def _placeholder(shape: Any) -> str:
    """The kind of a placeholder; `obj` where it does not say, empty where the shape is none."""
    for holder in ("nvSpPr", "nvGraphicFramePr"):
        found = child(shape, holder, "nvPr", "ph")
        if found is not None:
            return attribute(found, "type", "obj")
    return ""


def _paragraphs(shape: Any) -> Iterator[tuple[int, str]]:
    """(level from 0, words) of the paragraphs of a shape or cell."""
    for paragraph in shape.iter():
        if local(paragraph) != "p":
            continue
        words = "".join(
            "\n" if local(one) == "br" else (one.text or "") for one in paragraph.iter() if local(one) in ("t", "br")
        )
        properties = child(paragraph, "pPr")
        level = attribute(properties, "lvl", "0") if properties is not None else "0"
        if words.strip():
            yield int(level) if level.isdecimal() and len(level) == 1 else 0, squeezed(words).strip()
