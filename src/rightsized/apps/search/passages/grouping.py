"""Groups the blocks of one section into drafts of passages: clauses with their sub-clauses, lists with their lead-in,
rows of a table under their header, paragraphs; what is short joins its neighbour. Knows nothing of titles and paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from rightsized.apps.search.passages.cuts import Measure, Piece, pack, pieces
from rightsized.apps.search.passages.numbering import DEEPEST, TEXT, Nesting, leads_in
from rightsized.apps.search.passages.outline import single_line
from rightsized.parsers.sentences import Span, sentences
from rightsized.parsers.types import Block

SHORT_SHARE = 0.25  # of the limit: a draft below it joins a neighbour of the same section


class Room(NamedTuple):
    """Tokens: `limit` for the text of a passage, `window` for the text and the lead-in or header repeated above it."""

    limit: int
    window: int

    @property
    def repeated(self) -> int:
        """Most that may be repeated above the text."""
        return max(0, min(self.limit // 5, self.window - self.limit // 2))

    def below(self, size: int) -> int:
        """Room for the text below something repeated."""
        return max(1, min(self.limit, self.window - size))


class Draft(NamedTuple):
    """`text[start:end]`. `header`: columns' names; `lead`: the lead-in of clauses or items that stand apart from it."""

    start: int
    end: int
    size: int
    header: str = ""
    repeats: bool = False  # whether the header stands outside of the text, and is to be repeated
    lead: str = ""
    loose: bool = False  # part of a list: joins its neighbours as far as they fit


@dataclass
class _Node:
    """A block with what stands below it: `last` is where all of that ends, `total` its size, in tokens."""

    start: int
    end: int
    size: int
    depth: int
    dotted: bool
    last: int
    total: int
    below: list[_Node] = field(default_factory=list)


def drafts(blocks: Sequence[Block], measure: Measure, room: Room) -> list[Draft]:
    """Drafts in order that cover the blocks; each text has at most `room.limit` tokens."""
    found: list[Draft] = []
    for rows, group in groupby(blocks, key=lambda block: block.kind == "row"):
        if rows:
            found.extend(_tables(list(group), measure, room))
        else:
            for node in _tree(group, measure):
                found.extend(_emit(node, measure, room, ""))
    return _merged(found, measure, room)


def _tables(rows: list[Block], measure: Measure, room: Room) -> Iterator[Draft]:
    """Rows of one or more tables that follow each other: those of one header belong together."""
    run: list[Block] = []
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        run.append(row)
        header = row.header if any(row.header) else (row.start, row.end)
        if following is None or (following.header != header and any(row.header)) or not _continues(row, following):
            yield from _table(run, measure, room)
            run = []


def _continues(row: Block, following: Block) -> bool:
    return following.header in (row.header, (row.start, row.end))


def _table(rows: list[Block], measure: Measure, room: Room) -> Iterator[Draft]:
    header = rows[-1].header
    names, size = _fitting(measure, header, room.repeated) if any(header) else ("", 0)
    limit = room.below(size)
    parts = [piece for row in rows for piece in pieces(measure, row.start, row.end, limit)]
    for piece in pack(parts, limit):
        yield Draft(*piece, header=names, repeats=bool(names) and not piece.start <= header[0] < piece.end)


def _tree(blocks: Iterator[Block], measure: Measure) -> list[_Node]:
    """Blocks below those they belong to."""
    roots: list[_Node] = []
    path: list[_Node] = []
    nesting = Nesting()
    for block in blocks:
        text = measure.text[block.start : block.end]
        depth = nesting.depth(block, text)
        size, dotted = measure.of(text), depth != TEXT and nesting.dotted
        node = _Node(block.start, block.end, size, depth, dotted, block.end, size)
        while path and path[-1].depth >= depth:
            path.pop()
        if path and path[-1].depth == TEXT and node.dotted and not _leads(path[-1], measure):
            path.pop()
        del path[DEEPEST:]
        (path[-1].below if path else roots).append(node)
        for above in path:
            above.last, above.total = node.end, above.total + size
        path.append(node)
    return roots


def _leads(node: _Node, measure: Measure) -> bool:
    return leads_in(measure.text[node.start : node.end])


def _emit(node: _Node, measure: Measure, room: Room, lead: str) -> list[Draft]:
    """A node whole where it fits, else its own text joined with the first of those below it, then the others."""
    limit = room.below(measure.of(lead))
    if node.total <= limit:
        return [Draft(node.start, node.last, node.total, lead=lead, loose=node.depth != TEXT and not node.dotted)]
    found = [Draft(*piece, lead=lead) for piece in pieces(measure, node.start, node.end, limit)]
    if not node.below:
        return found
    own = _lead(node, measure, room, lead)
    below = [draft for one in node.below for draft in _emit(one, measure, room, own)]
    return [*found[:-1], *_filled([found[-1], *below], limit)]


def _lead(node: _Node, measure: Measure, room: Room, above: str) -> str:
    """What is repeated above those below a node: its last sentence, behind what stands above itself where that fits."""
    start, end = sentences(measure.text[node.start : node.end])[-1]
    own, size = _fitting(measure, (node.start + start, node.start + end), room.repeated)
    if not above:
        return own
    if size + measure.of(above) <= room.repeated:
        return f"{above} {own}"
    return own if _leads(node, measure) else above


def _filled(waiting: list[Draft], limit: int) -> list[Draft]:
    """The lead-in takes what fits behind it; items of a list go together as far as they fit."""
    filled = waiting[:1]
    for draft in waiting[1:]:
        last = filled[-1]
        if draft.loose and (last.loose or len(filled) == 1) and last.size + draft.size <= limit:
            filled[-1] = last._replace(end=draft.end, size=last.size + draft.size, loose=True)
        else:
            filled.append(draft)
    return filled


def _merged(found: list[Draft], measure: Measure, room: Room) -> list[Draft]:
    """Short drafts joined with a neighbour; one that leads in with what follows it, where it can."""
    short = room.limit * SHORT_SHARE
    led: list[Draft] = []
    for draft in found:
        if led and _joins(led[-1], draft, short, room) and leads_in(measure.text[led[-1].start : led[-1].end]):
            led[-1] = _joined(led[-1], draft)
        else:
            led.append(draft)
    merged = led[:1]
    for draft in led[1:]:
        if _joins(merged[-1], draft, short, room):
            merged[-1] = _joined(merged[-1], draft)
        else:
            merged.append(draft)
    return merged


def _joined(first: Draft, second: Draft) -> Draft:
    header, repeats = (first.header, first.repeats) if first.header else (second.header, False)
    return Draft(first.start, second.end, first.size + second.size, header, repeats, first.lead)


def _joins(first: Draft, second: Draft, short: float, room: Room) -> bool:
    if min(first.size, second.size) >= short or first.size + second.size > room.limit:
        return False
    if second.repeats and (not first.header or first.header != second.header):
        return False  # rows without their header in sight
    return not (second.lead and second.lead != first.lead and first.lead)


def _fitting(measure: Measure, span: Span, limit: int) -> tuple[str, int]:
    """As much of the beginning of a stretch as fits, in one line, and its size."""
    if not limit:
        return "", 0
    cut: list[Piece] = pieces(measure, *span, limit)
    words = single_line(measure.text[cut[0].start : cut[0].end]) if cut else ""
    return words, measure.of(words)
