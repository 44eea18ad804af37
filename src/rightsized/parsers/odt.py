"""ODT (OpenDocument text): headings, paragraphs, items and tables, from a stream of its content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rightsized.core.errors import DocumentError
from rightsized.parsers.draft import Draft, Span, single_line, squeezed
from rightsized.parsers.ooxml import Package, attribute, local, opened
from rightsized.parsers.types import Parsed

_CONTENT = "content.xml"
_WHITE = {"s": " ", "tab": " ", "line-break": "\n"}
_PASSED = frozenset({"tracked-changes", "annotation-end", "bookmark-start", "bookmark-end"})
MOST_REPEATED = 64  # columns that one cell stands for


def parse_odt(path: Path, name: str) -> Parsed:
    """Read an OpenDocument text. Raises DocumentError (`encrypted`, `truncated`, `malformed`, `bomb`, `too-large`)."""
    draft = Draft(name)
    with opened(path, name) as package:
        if b"encryption-data" in (package.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in package else b""):
            raise DocumentError(f"{name} needs a password.", reason="encrypted", fix="Save it without one.")
        _Body(draft).read(package)
        title, author = _properties(package)
    return draft.finish(title=title, metadata={"author": author})


def _properties(package: Package) -> tuple[str, str]:
    root = package.tree("meta.xml")
    values = {local(one): (one.text or "").strip() for one in root.iter()} if root is not None else {}
    return values.get("title", ""), values.get("creator", "")


class _Body:
    """Writes into a draft what it reads."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._lists = 0  # open
        self._passed = 0
        self._tables = 0
        self._cells: list[list[str]] = []
        self._header: Span = (0, 0)
        self._heads = 0  # header rows that are open

    def read(self, package: Package) -> None:
        for event, element in package.events(_CONTENT, ("start", "end")):
            name = local(element)
            if name in _PASSED:
                self._passed += 1 if event == "start" else -1
            elif self._passed:
                continue
            elif event == "start":
                self._start(name)
            else:
                self._end(name, element)

    def _start(self, name: str) -> None:
        if name == "list":
            self._lists += 1
        elif name == "table":
            self._tables += 1
            self._header = (0, 0) if self._tables == 1 else self._header
        elif name == "table-header-rows":
            self._heads += 1
        elif name in ("table-cell", "covered-table-cell") and self._tables == 1:
            self._cells.append([])

    def _end(self, name: str, element: Any) -> None:
        if name in ("p", "h"):
            self._paragraph(name, element)
            element.clear(keep_tail=False)
        elif name == "list":
            self._lists -= 1
        elif name == "table":
            self._tables -= 1
        elif name == "table-header-rows":
            self._heads -= 1
        elif name == "table-cell" and self._tables == 1:
            repeated = attribute(element, "number-columns-repeated", "1")
            more = min(int(repeated[:4]), MOST_REPEATED) - 1 if repeated.isdecimal() else 0
            self._cells.extend(list(self._cells[-1]) for _ in range(more))
        elif name == "table-row" and self._tables == 1:
            span = self._draft.row([" ".join(cell) for cell in self._cells], header=self._header)
            self._cells = []
            if self._heads and self._header == (0, 0) and span[1] > span[0]:
                self._header = span
            element.clear(keep_tail=False)

    def _paragraph(self, name: str, element: Any) -> None:
        words = squeezed(_words(element)).strip()
        if not words:
            return
        if self._tables and self._cells:
            self._cells[-1].append(single_line(words))
        elif name == "h":
            level = attribute(element, "outline-level", "1")
            self._draft.add("heading", words, level=int(level) if level.isdecimal() and len(level) < 3 else 1)
        elif self._lists:
            self._draft.add("item", words, level=self._lists)
        else:
            self._draft.add("paragraph", words)


def _words(element: Any) -> str:
    """The words of a paragraph; blanks are collapsed but where the format says how many there are."""
    pieces = [element.text or ""]
    for one in element.iterdescendants():
        name = local(one)
        pieces.append(_WHITE.get(name, " " if name in ("p", "note-body") else ""))
        pieces.append(one.text or "" if name else "")
        pieces.append(one.tail or "")
    return "".join(pieces)
