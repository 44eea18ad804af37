"""Cuts a text into words, phrases and sentences with exact character offsets. Knows nothing of models.

Words are what stands between white space. Where a script writes no spaces (Han, Kana, Thai, Lao, Khmer, Burmese) and
for emoji, each grapheme stands for itself; a long run without white space (an address, a path) is cut at its signs.
Every character that is not white space belongs to exactly one word, so that removing all words leaves nothing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from math import ceil

LONG_RUN = 40  # characters; a run without white space longer than this is cut at its signs
PHRASE_WORDS = 24  # a sentence of more words is handled in phrases first
BLOCKS = 12  # sentences are gathered into at most this many blocks a level

_RUN = re.compile(r"\S+")
_PIECE = re.compile(r"[^\W_]+[\W_]*|[\W_]+")
_SENTENCE_END = re.compile(r"[.!?…。！？؟।]+[\"'”’)\]»]*$")
_LINE = re.compile(r"[\n\r\u2028\u2029]")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_EMOJI = re.compile("[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
_JOINER = "\u200d"


@dataclass(frozen=True, eq=False)  # by identity: comparing whole trees would be slow and is never meant
class Node:
    """Characters [start, end) of the text: a word where it has no children, else a phrase, sentence or block."""

    start: int
    end: int
    children: tuple[Node, ...] = ()


def words(text: str) -> tuple[Node, ...]:
    """The words of `text` in order; together they hold every character that is not white space."""
    found: list[Node] = []
    for run in _RUN.finditer(text):
        for start, end in _split_run(run.group()):
            found.append(Node(run.start() + start, run.start() + end))
    return tuple(found)


def _split_run(run: str) -> list[tuple[int, int]]:
    if _UNSPACED.search(run) or _EMOJI.search(run):
        return _split_unspaced(run)
    if len(run) > LONG_RUN:
        return [match.span() for match in _PIECE.finditer(run)]
    return [(0, len(run))]


def _split_unspaced(run: str) -> list[tuple[int, int]]:
    """One piece a grapheme of an unspaced script or emoji; what stands between them stays in one piece."""
    pieces: list[tuple[int, int, bool]] = []
    for start, end in graphemes(run):
        alone = bool(_UNSPACED.match(run, start) or _EMOJI.match(run, start))
        if pieces and not alone and not pieces[-1][2]:
            start = pieces.pop()[0]
        pieces.append((start, end, alone))
    return [(start, end) for start, end, _ in pieces]


def graphemes(text: str) -> list[tuple[int, int]]:
    """Spans that a reader takes for one character: marks, joiners, skin tones and pairs of flag letters stay together.

    A short form of Unicode Standard Annex 29, enough for not cutting a sign in two.
    """
    spans: list[tuple[int, int]] = []
    for at, sign in enumerate(text):
        if spans and _continues(text, spans[-1], at, sign):
            spans[-1] = (spans[-1][0], at + 1)
        else:
            spans.append((at, at + 1))
    return spans


def _continues(text: str, last: tuple[int, int], at: int, sign: str) -> bool:
    if sign == _JOINER or unicodedata.category(sign) in ("Mn", "Me", "Mc") or "\U0001f3fb" <= sign <= "\U0001f3ff":
        return True
    if text[at - 1] == _JOINER:
        return True
    return _is_flag_letter(sign) and last[1] - last[0] == 1 and _is_flag_letter(text[at - 1])


def _is_flag_letter(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def sentences(text: str, parts: tuple[Node, ...]) -> list[list[Node]]:
    """Words gathered into sentences: a sentence ends with its sign or with its line."""
    found: list[list[Node]] = [[]]
    for index, word in enumerate(parts):
        found[-1].append(word)
        following = parts[index + 1].start if index + 1 < len(parts) else len(text)
        gap = text[word.end : following]
        ended = _SENTENCE_END.search(text, word.start, word.end) and (gap or text[word.end - 1] in "。！？।")
        if ended or _LINE.search(gap):
            found.append([])
    return [sentence for sentence in found if sentence]


def tree(text: str) -> Node:
    """The text as blocks of sentences, sentences, phrases and words; a level has few children."""
    parts = words(text)
    level = [_parent(sentence) for sentence in sentences(text, parts)]
    while len(level) > BLOCKS:
        level = [_parent(group) for group in _groups(level, BLOCKS)]
    return level[0] if len(level) == 1 else Node(0, len(text), tuple(level))


def gathered(root: Node, most: int) -> Node:
    """The same tree with at most `most` (two or more) parts below the root: neighbours are joined into blocks."""
    if len(root.children) <= most:
        return root
    groups = _groups(list(root.children), most)
    joined = (group[0] if len(group) == 1 else Node(group[0].start, group[-1].end, tuple(group)) for group in groups)
    return Node(root.start, root.end, tuple(joined))


def _parent(nodes: list[Node]) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    if len(nodes) > PHRASE_WORDS:
        return _parent([_parent(group) for group in _groups(nodes, ceil(len(nodes) / (PHRASE_WORDS // 3)))])
    return Node(nodes[0].start, nodes[-1].end, tuple(nodes))


def _groups(nodes: list[Node], count: int) -> list[list[Node]]:
    """At most `count` runs of neighbouring nodes, of sizes as equal as can be."""
    size = ceil(len(nodes) / count)
    return [nodes[at : at + size] for at in range(0, len(nodes), size)]
