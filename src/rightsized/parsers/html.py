"""HTML: what a reader sees, without navigation, scripts and styles; headings, items, tables, code and quotes as blocks.

Walks the tree that selectolax (Lexbor) builds, without recursion: depth is up to the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rightsized.parsers.draft import Draft, Span, single_line, squeezed
from rightsized.parsers.encodings import decode
from rightsized.parsers.extra import needed
from rightsized.parsers.html_hidden import Sheets, Unseen, hidden, style_of, unseen
from rightsized.parsers.lists import Lists
from rightsized.parsers.text import read_text
from rightsized.parsers.types import BlockKind, Parsed

with needed("selectolax"):
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_NOT_READ = """script style noscript template nav svg iframe object embed canvas audio video map head button select
    option datalist input textarea dialog"""
_DROPPED = frozenset(_NOT_READ.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_ON_LINES_OF_THEIR_OWN = """address article aside blockquote body caption center dd details div dl dt fieldset
    figcaption figure footer form header hgroup hr html legend li main menu ol p pre section summary table tbody td
    tfoot th thead tr ul"""
_BLOCKS = frozenset(_ON_LINES_OF_THEIR_OWN.split()) | frozenset(_HEADINGS)
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_WHITE = re.compile(r"[ \t\r\n\f\v]+")
DEEPEST = 1_000  # elements in each other; browsers stop at 512
_NAMED = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_TAG = re.compile(r"<[/!a-zA-Z][^<>]{0,2000}>?")
_ENDED_BY_THE_NEXT = """area base body br col dd dt embed head hr html img input li link meta option p param source td
    th tr wbr"""
_NEED_NO_END = frozenset(_ENDED_BY_THE_NEXT.split())
_DATES = ("article:modified_time", "last-modified", "article:published_time", "date", "dc.date", "dcterms.modified")
_FIELDS = ("author", "description", "keywords")


def parse_html(path: Path, name: str) -> Parsed:
    """Read an HTML file. Raises DocumentError (`too-large`)."""
    with path.open("rb") as file:
        declared = _CHARSET.search(file.read(4096))
    decoded = read_text(path, name, declared[1].decode("ascii", "replace") if declared else "")
    return html_parsed(decoded.text, name)


def decode_html(data: bytes, declared: str = "") -> str:
    """The source of an HTML document as text; what it says of its encoding counts after `declared`."""
    found = _CHARSET.search(data[:4096])
    return decode(data, declared or (found[1].decode("ascii", "replace") if found else "")).text


def html_parsed(source: str, name: str) -> Parsed:
    """What an HTML document holds. Raises DocumentError (`too-large`)."""
    draft = Draft(name)
    if _deeper(source):
        draft.notes.append(f"Elements stand more than {DEEPEST:,} deep in each other: the text was read without them.")
        source = _TAG.sub("\n", source)
    tree = LexborHTMLParser(source)
    if tree.root is not None:
        _Reader(draft).read(tree.root)
    title = tree.css_first("title")
    metas = {}
    for meta in tree.css("meta"):
        key = meta.attributes.get("name") or meta.attributes.get("property") or meta.attributes.get("http-equiv")
        metas[(key or "").lower()] = meta.attributes.get("content") or ""
    fields = {key: single_line(metas.get(key, "")) for key in _FIELDS}
    if tree.root is not None and tree.root.attributes.get("lang"):
        fields["language"] = tree.root.attributes["lang"] or ""
    date = next((found for key in _DATES if (found := _seconds(metas.get(key, ""))) is not None), None)
    return draft.finish(title=title.text() if title else "", date=date, metadata=fields)


def _deeper(source: str) -> bool:
    """Whether elements that must be closed stand too deep in each other: the parser's time grows with their square."""
    depth = 0
    for found in _NAMED.finditer(source):
        if found[2].lower() not in _NEED_NO_END:
            depth = max(0, depth + (-1 if found[1] else 1))
            if depth > DEEPEST:
                return True
    return False


def _seconds(text: str) -> float | None:
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _dropped(node: LexborNode, sheets: Sheets) -> bool:
    tag = node.tag or ""
    if tag in _DROPPED or sheets.hide(tag, node.attributes):
        return True
    attributes = node.attributes
    if not attributes:
        return False
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") == "navigation"
        or hidden(style_of(attributes.get("style") or ""))
    )


def _unseen(node: LexborNode) -> Unseen:
    attributes = node.attributes
    style = attributes.get("style") if attributes else None
    return unseen(style_of(style)) if style else Unseen()


def _events(root: LexborNode, sheets: Sheets) -> Iterator[tuple[str, LexborNode]]:
    """`enter` and `leave` of elements and `text`, in the order of the document; what is dropped is left out whole, and
    so is text that nobody sees."""
    node: LexborNode | None = root
    path: list[LexborNode] = []
    seen = [Unseen()]  # of the elements in the path, the innermost last
    while node is not None:
        down = None
        if node.is_text_node:
            if not any(seen[-1]):
                yield "text", node
        elif node.is_element_node and not _dropped(node, sheets):
            yield "enter", node
            down = node.child
            if down is None:
                yield "leave", node
        if down is not None:
            path.append(node)
            seen.append(_unseen(node).within(seen[-1]))
            node = down
            continue
        while node.next is None:
            if not path:
                return
            node = path.pop()
            seen.pop()
            yield "leave", node
        node = node.next if path else None


def _around_tables(root: LexborNode) -> Iterator[int]:
    """Tables that hold a table: they lay out a page."""
    for table in root.css("table"):
        node = table.parent
        while node is not None and node.tag != "table":
            node = node.parent
        if node is not None:
            yield node.mem_id


class _Reader:
    """Collects the words between the ends of blocks; inside a table the words between the ends of cells."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._words: list[str] = []
        self._kinds: list[tuple[BlockKind, int, str]] = []  # kind, level and tag of the open blocks that have one
        self._lists = Lists()
        self._marker = ""
        self._verbatim = 0
        self._tables: list[_Table] = []
        self._layout: frozenset[int] = frozenset()

    def read(self, root: LexborNode) -> None:
        self._layout = frozenset(_around_tables(root))
        sheets = Sheets(one.text() for one in root.css("style"))
        for event, node in _events(root, sheets):
            if event == "text":
                text = node.text_content or ""
                self._words.append(text if self._verbatim else _WHITE.sub(" ", text))
            elif event == "enter":
                self._enter(node, node.tag or "")
            else:
                self._leave(node.tag or "")
        self._flush()

    def _enter(self, node: LexborNode, tag: str) -> None:
        if tag == "br":
            self._words.append("\n")
        elif tag == "img":
            self._words.append(f" {node.attributes.get('alt') or ''} ")
        elif tag == "table":
            self._open_table(node)
        elif self._tables and self._tables[-1].data:
            self._tables[-1].enter(tag, self)
        elif tag in _BLOCKS:
            self._flush()
            if tag in _HEADINGS:
                self._kinds.append(("heading", _HEADINGS[tag], tag))
            elif tag == "blockquote":
                self._kinds.append(("quote", 0, tag))
            elif tag == "pre":
                self._verbatim += 1
                self._kinds.append(("code", 0, tag))
            elif tag in ("ul", "ol", "menu"):
                self._lists.open(tag == "ol", node.attributes)
            elif tag == "li":
                self._marker = self._lists.marker(node.attributes)
                self._kinds.append(("item", self._lists.depth, tag))

    def _leave(self, tag: str) -> None:
        if tag == "table":
            self._close_table()
        elif self._tables and self._tables[-1].data:
            self._tables[-1].leave(tag, self)
        elif tag in _BLOCKS:
            self._flush()
            if self._kinds and self._kinds[-1][2] == tag:
                self._kinds.pop()
            if tag == "pre":
                self._verbatim -= 1
            elif tag in ("ul", "ol", "menu"):
                self._lists.close()

    def _open_table(self, node: LexborNode) -> None:
        inside = bool(self._tables) and self._tables[-1].data
        if inside:
            self._words.append(" ")
        else:
            self._flush()
        laid_out = node.attributes.get("role") in ("presentation", "none") or node.mem_id in self._layout
        self._tables.append(_Table(self._draft, data=inside or not laid_out, inner=inside))

    def _close_table(self) -> None:
        if self._tables:
            table = self._tables.pop()
            if not table.inner:
                self._flush()

    def take(self) -> str:
        """The words collected, and forget them."""
        words, self._words = "".join(self._words), []
        return words

    def space(self) -> None:
        """A blank between two blocks of one cell."""
        self._words.append(" ")

    def _flush(self) -> None:
        words = self.take()
        kind, level, _ = self._kinds[-1] if self._kinds else ("paragraph", 0, "")
        if kind == "code":
            self._draft.add("code", words)
            return
        words = squeezed(words).strip()
        if not words:
            return
        number = None
        if self._marker:
            number, words, self._marker = self._marker.rstrip("."), f"{self._marker} {words}", ""
        self._draft.add(kind, words, level=level, number=number)


class _Table:
    """Rows of a table; one inside a cell is part of that cell's words. `data` False: a table that only lays out."""

    def __init__(self, draft: Draft, *, data: bool, inner: bool) -> None:
        self._draft, self.data, self.inner = draft, data, inner
        self._cells: list[str] = []
        self._names = 0  # cells of this row that are th
        self._rows = 0
        self._header: Span = (0, 0)

    def enter(self, tag: str, reader: _Reader) -> None:
        if self.inner or tag not in ("tr", "td", "th", "caption"):
            if tag in _BLOCKS:
                reader.space()
            return
        if tag != "tr":
            reader.take()

    def leave(self, tag: str, reader: _Reader) -> None:
        if self.inner:
            if tag in _BLOCKS:
                reader.space()
        elif tag in ("td", "th"):
            self._cells.append(reader.take())
            self._names += tag == "th"
        elif tag == "caption":
            self._draft.add("paragraph", single_line(reader.take()))
        elif tag == "tr":
            cells, names = self._cells, self._names
            self._cells, self._names = [], 0
            span = self._draft.row(cells, header=self._header)
            if self._rows == 0 and names and names == len(cells) and len(cells) > 1:
                self._header = span
            self._rows += 1
        elif tag in _BLOCKS:
            reader.space()
