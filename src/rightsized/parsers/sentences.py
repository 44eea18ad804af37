"""Where sentences begin and end, in prose, contracts, lists and mail. No model: rules, in one pass over the text.

It knows no grammar. It knows that "Mr.", "12.3", "e.g." and "J. Smith" go on; that a blank line, a bullet, a mail field
or a clause number on a new line begins something; and the full stops of scripts that put no space behind them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from rightsized.parsers.abbreviations import CONTINUES, MAY_END, MONTHS, STARTERS

Span = tuple[int, int]
_LINES = re.compile(r"[^\n\r\x0b\x0c\x85\u2028\u2029]+")
_CLOSERS = "\"'”’»)\\]}›"
_ENDS = re.compile(
    rf"(?P<latin>[.!?…‽]+)(?P<closed>[{_CLOSERS}]*)"  # only before white space
    r"|(?P<own>[。！？｡︒؟۔।॥።፧။៕]+[」』”’）】》〉\"'»)\]]*)"  # whatever follows
)
_NEXT = re.compile(r"\s+([\"'“‘«(\[{‹¿¡*_]*)(\w+|\S)")
_ENUMERATED = re.compile(r"\s+\((?:[a-z]|[ivxlc]{1,6})\)\s")  # a clause within the line: "... Products. (d) The"
_BEFORE = re.compile(r"[^\s(\[{\"'“‘«/]+$")
_MARKER = re.compile(
    r"[ \t>]*(?:[-*•‣▪◦●○■□–—·➢✓]\s+\S"  # bullets
    r"|\(?(?:\d{1,3}|[a-zA-Z]|[ivxlcIVXLC]{1,6})\)\s+\S"  # (a) a) 12)
    r"|(?:\d{1,3}\.)+(?:\d{1,3})?\s+[^\W\d_a-z]"  # 12. The, 12.3 The
    r"|[a-z]\.\s+\S"
    r"|(?:§+|Art(?:icle|ikel|\.)|Section|Sec\.|Clause|Schedule|Annex|Chapter)\s+\d)"
)
_MAIL_FIELD = re.compile(r"[A-Z][A-Za-z-]{1,24}: \S")
_ENUMERATOR = re.compile(r"[(\[]?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivxlcIVXLC]{1,6})[)\]]?")
_SHORT_LINE = 0.6  # of the longest line of its paragraph: shorter ones were broken on purpose
_LOOK_BACK = 24  # characters; no abbreviation is longer


def sentences(text: str) -> list[Span]:
    """The (start, end) of every sentence in order, without the blanks around it; together all that is not blank."""
    found: list[Span] = []
    for start, end in _stretches(text):
        found.extend(_within(text, start, end))
    return found


def trimmed(text: str, start: int, end: int) -> Span:
    """The same stretch without the blanks at its ends; empty where there is nothing else."""
    stretch = text[start:end]
    start = end - len(stretch.lstrip())
    return start, max(start, end - (len(stretch) - len(stretch.rstrip())))


def _stretches(text: str) -> Iterator[Span]:
    """Stretches whose lines belong together: a sentence may run over the line breaks within one, never beyond."""
    paragraph: list[Span] = []
    for line in _LINES.finditer(text):
        start, end = trimmed(text, *line.span())
        if paragraph and (start == end or _blank_between(text, paragraph[-1][1], start)):
            yield from _joined(text, paragraph)
            paragraph = []
        if start < end:
            paragraph.append((start, end))
    if paragraph:
        yield from _joined(text, paragraph)


def _blank_between(text: str, end: int, start: int) -> bool:
    gap = text[end:start].replace("\r\n", "\n")
    return sum(gap.count(mark) for mark in "\n\r\x0b\x85\u2028") > 1 or "\u2029" in gap or "\x0c" in gap


def _joined(text: str, lines: list[Span]) -> Iterator[Span]:
    widest = max(end - start for start, end in lines)
    begin = lines[0][0]
    for (above, last), (start, end) in pairwise(lines):
        if _breaks(text[above:last], text[start:end], widest):
            yield begin, last
            begin = start
    yield begin, lines[-1][1]


def _breaks(above: str, line: str, widest: int) -> bool:
    """Whether a line begins something of its own, and does not go on with the one above it."""
    if _MARKER.match(line) or _MAIL_FIELD.match(line) or "\t" in line or "\t" in above:
        return True
    if above.endswith(":") or (above[0] == ">") != (line[0] == ">"):
        return True
    return len(above) < _SHORT_LINE * widest and above[-1] not in ",-–" and not line[0].islower()


def _within(text: str, start: int, end: int) -> Iterator[Span]:
    """Sentences of one stretch."""
    begin = start
    for mark in _ENDS.finditer(text, start, end):
        if mark.end() >= end:
            break
        if mark["own"] or _ends(text, begin, mark, end):
            yield trimmed(text, begin, mark.end())
            begin = mark.end()
    begin, end = trimmed(text, begin, end)
    if begin < end:
        yield begin, end


def _ends(text: str, begin: int, mark: re.Match[str], end: int) -> bool:
    """Whether a full stop, with white space behind it, ends a sentence that began at `begin`."""
    follows = _NEXT.match(text, mark.end(), end)
    if follows is None or follows[2] == "§":
        return False
    if follows[2][0].islower() and not _ENUMERATED.match(text, mark.end(), end):
        return False
    if mark["latin"] != ".":
        return True
    if _ENUMERATOR.fullmatch(text[begin : mark.start()].strip()):
        return False  # "12." at the beginning numbers what follows
    before = _BEFORE.search(text[max(begin, mark.start() - _LOOK_BACK) : mark.start()])
    return before is None or bool(mark["closed"]) or _word_ends(before[0], follows[1], follows[2])


def _word_ends(word: str, opened: str, following: str) -> bool:
    lower, after = word.lower().rstrip("."), following.lower()
    if lower in CONTINUES:
        return lower in ("no", "nos", "p", "v", "min", "max", "re") and word != word.title() and after in STARTERS
    if lower.isdecimal():
        return not (len(lower) <= 2 and after in MONTHS)  # the 3rd, as German writes it
    initial = len(lower) == 1 and word[0].isupper()
    if initial or lower in MAY_END or (len(lower) > 1 and lower.count(".") == len(lower) // 2 >= 1):
        return after in STARTERS or bool(opened)
    return True
