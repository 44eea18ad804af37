"""Labels written into a text where they belong: `{o FH-20311}` is a field, `[r*!]` begins a sentence.

Fields: `{KIND TEXT}` or `{KIND VALUE|TEXT}` with kind o(rder), i(nvoice), d(ate), a(mount), p(roduct). An order or
invoice number in its plain form needs no braces. Sentences: r(equest), c(ommitment), f(act), o(ther), then `*` for a
key sentence, `!` for one that still asks for action at the end of its thread, and `~` for a complaint. A sentence goes
on to the next mark or to the end of its line; text without a mark is `other`, line by line.
"""

from __future__ import annotations

import re
from itertools import pairwise

from rightsized.core.frozen import Frozen

FIELDS = {"o": "order", "i": "invoice", "d": "date", "a": "amount", "p": "product"}
KINDS = {"r": "request", "c": "commitment", "f": "fact", "o": "other"}
_MARK = re.compile(
    r"\{(?P<kind>[oidap]) (?:(?P<value>[^|{}]+)\|)?(?P<text>[^|{}]+)\}"
    r"|\[(?P<sentence>[rcfo])(?P<flags>[*!~]{0,3})\] ?"
    r"|\b(?P<order>FH-\d{5})\b|\b(?P<invoice>\d{4}-\d{5})\b"
)


class Field(Frozen, frozen=True):
    """A field with its normalised value and its place in the text."""

    name: str
    value: str
    text: str
    start: int
    end: int
    place: str = "body"


class Marked(Frozen, frozen=True):
    """A labelled sentence and its place in the text."""

    kind: str
    text: str
    start: int
    end: int
    key: bool = False
    action: bool = False
    complaint: bool = False


class Text(Frozen, frozen=True):
    """What is left when the marks are taken out. `sentences` is empty where no sentence is marked."""

    plain: str
    fields: tuple[Field, ...] = ()
    sentences: tuple[Marked, ...] = ()


def read(source: str, place: str = "body") -> Text:
    """The text and its labels."""
    plain, fields, starts, at = "", [], [], 0
    for mark in _MARK.finditer(source):
        plain, at = plain + source[at : mark.start()], mark.end()
        if kind := mark["sentence"]:
            starts.append((len(plain), kind, mark["flags"]))
            continue
        field = _field(mark, len(plain), place)
        fields.append(field)
        plain += field.text
    plain += source[at:]
    return Text(plain, tuple(fields), tuple(_sentences(plain, starts)) if starts else ())


def _field(mark: re.Match[str], start: int, place: str) -> Field:
    if mark["kind"]:
        name, text, value = FIELDS[mark["kind"]], mark["text"], mark["value"] or mark["text"]
    else:
        name = "order" if mark["order"] else "invoice"
        text = value = mark[0]
    return Field(name, value, text, start, start + len(text), place)


def _sentences(plain: str, starts: list[tuple[int, str, str]]) -> list[Marked]:
    """Marked sentences, and each unmarked stretch of a line as `other`."""
    cuts = {at: (kind, flags) for at, kind, flags in starts}
    edges = sorted({0, len(plain), *cuts, *(found.end() for found in re.finditer("\n", plain))})
    found = []
    for start, end in pairwise(edges):
        text = plain[start:end]
        begin = start + len(text) - len(text.lstrip())
        if text.strip():
            kind, flags = cuts.get(start, ("o", ""))
            stop = begin + len(text.strip())
            said = "*" in flags, "!" in flags, "~" in flags
            found.append(Marked(KINDS[kind], plain[begin:stop], begin, stop, *said))
    return found
