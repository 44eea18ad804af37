"""Marks the words of a question in a passage, and its best sentence; where the document has pages, with boxes on them.

Offsets are those of the document's text. A box of part of a line is cut in proportion to its characters: exact at the
line's ends, within a letter or two inside.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from rightsized.apps.search.query.stems import places
from rightsized.apps.search.types import Highlight, Passage
from rightsized.parsers.sentences import sentences
from rightsized.parsers.types import Box, Line

Stems = dict[str, frozenset[str]]
Held = Sequence[tuple[int, int, str]]  # the places of a question's words in a passage, as `places` gives them


def highlights(
    passage: Passage, stems: Stems, lines: Sequence[Line] = (), found: Held | None = None
) -> tuple[Highlight, ...]:
    """The words of the question in the passage, in order; marks that touch are one. `found`: where they are known."""
    joined: list[tuple[int, int]] = []
    for start, end, _ in sorted(places(passage.text, stems) if found is None else found):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return tuple(mark(passage.start + start, passage.start + end, lines) for start, end in joined)


def best_sentence(
    passage: Passage, stems: Stems, weights: dict[str, float], lines: Sequence[Line] = (), found: Held | None = None
) -> Highlight:
    """The sentence with most of the question's words, the rare ones counting more; the first where none has any."""
    spans = sentences(passage.text) or [(0, len(passage.text))]
    held: list[set[str]] = [set() for _ in spans]
    starts = [start for start, _ in spans]
    for start, _, word in places(passage.text, stems) if found is None else found:
        held[max(0, bisect_right(starts, start) - 1)].add(word)
    scores = [sum(weights.get(word, 1.0) for word in some) for some in held]
    start, end = spans[max(range(len(spans)), key=lambda at: (scores[at], -at))]
    return mark(passage.start + start, passage.start + end, lines)


def weights(passages: Iterable[Passage], stems: Stems) -> dict[str, float]:
    """How much each of the question's words tells: the fewer of these passages have it, the more."""
    return weights_of([list(places(one.text, stems)) for one in passages])


def weights_of(found: Sequence[Held]) -> dict[str, float]:
    """The same where the words were found already: their places in each passage."""
    counts = Counter(word for held in found for word in {word for _, _, word in held})
    return {word: math.log1p((len(found) + 1) / count) for word, count in counts.items()}


def mark(start: int, end: int, lines: Sequence[Line]) -> Highlight:
    """A highlight of characters, with the boxes of the lines that it covers."""
    first = max(0, bisect_right(lines, start, key=lambda line: line.start) - 1)
    boxes = []
    for line in lines[first:]:
        if line.start >= end:
            break
        if line.end > start and line.end > line.start:
            boxes.append(_cut(line, max(start, line.start), min(end, line.end)))
    return Highlight(start, end, tuple(boxes))


def _cut(line: Line, start: int, end: int) -> Box:
    box = line.box
    width = (box.right - box.left) / (line.end - line.start)
    left, right = box.left + width * (start - line.start), box.left + width * (end - line.start)
    return Box(box.page, left, box.top, right if end < line.end else box.right, box.bottom)
