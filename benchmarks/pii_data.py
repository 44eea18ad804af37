"""Reads the measuring data of personal-data detection: labelled sentences and CoNLL files, as texts with spans.

CoNLL files hold tokens; a text is made of them by single spaces, except that `@` and `#` stand against the name they
belong to, as their authors wrote them. Labels of all corpora are mapped to person, organisation and place; whatever
else a corpus marks (products, works, miscellany) counts as nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = ("person", "organisation", "place")
_MAPPED = {
    "PER": "person",
    "person": "person",
    "ORG": "organisation",
    "corporation": "organisation",
    "group": "organisation",
    "LOC": "place",
    "location": "place",
}
_MARKS = ("@", "#")


@dataclass(frozen=True)
class Span:
    """`text[start:end]` is of this type."""

    start: int
    end: int
    type: str


@dataclass(frozen=True)
class Labelled:
    """A text and its spans; `tokens` are the places of its words where the corpus gives them."""

    text: str
    spans: tuple[Span, ...]
    tokens: tuple[tuple[int, int], ...] = ()
    template: int = -1


Sentence = list[tuple[str, str]]


def read_conll(path: Path) -> list[Sentence]:
    """Sentences as (token, label) pairs: the first and the last column, blank lines between sentences."""
    sentences: list[Sentence] = []
    current: Sentence = []
    for line in [*path.read_text("utf-8").splitlines(), ""]:
        columns = line.split("\t") if "\t" in line else line.split(" ")
        if not line.strip() or columns[0] == "-DOCSTART-":
            if current:
                sentences.append(current)
            current = []
        elif columns[0].strip():
            current.append((columns[0].strip(), columns[-1].strip()))
    return sentences


def labelled(sentence: Sentence) -> Labelled:
    """The text of a sentence with its spans, one space between tokens."""
    text, places = "", []
    for token, _ in sentence:
        glued = text.endswith(_MARKS) and (len(text) == 1 or text[-2] == " ")
        text += "" if glued or not text else " "
        places.append((len(text), len(text) + len(token)))
        text += token
    return Labelled(text, tuple(_spans(sentence, places)), tuple(places))


def _spans(sentence: Sentence, places: Sequence[tuple[int, int]]) -> Iterator[Span]:
    open_span: Span | None = None
    for (_token, label), (start, end) in zip(sentence, places, strict=True):
        prefix, _, name = label.partition("-")
        kind = _MAPPED.get(name, "")
        touching = open_span is not None and open_span.end == start  # `@` and the name behind it are one span
        if open_span and kind == open_span.type and (prefix == "I" or touching):
            open_span = Span(open_span.start, end, kind)
            continue
        if open_span:
            yield open_span
        open_span = Span(start, end, kind) if kind else None
    if open_span:
        yield open_span


def read_corpus(paths: Sequence[Path]) -> list[Labelled]:
    """All sentences of CoNLL files."""
    return [labelled(sentence) for path in paths for sentence in read_conll(path)]


def read_synthetic(path: Path) -> list[Labelled]:
    """The rows of a file of the shape of `privacy/pii_synth_dev.json`, with the types that it uses."""
    rows = json.loads(path.read_text("utf-8"))
    found = []
    for row in rows:
        spans = [Span(s["start_position"], s["end_position"], s["entity_type"]) for s in row["spans"]]
        found.append(Labelled(row["full_text"], tuple(spans), template=int(row.get("template_id", -1))))
    return found
