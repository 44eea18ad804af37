"""Where the sentences of a summary stand in the text that a page shows, beside the words that are marked there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rightsized.apps.triage.records import Mail, Sentence
from rightsized.server.console.views import Piece


class Stretch(NamedTuple):
    """A stretch of the text: of sentence `number` of the summary (0: of none), in pieces that are marked by words."""

    number: int
    pieces: tuple[Piece, ...]


def places(mail: Mail, sentences: Sequence[Sentence]) -> list[tuple[int, int, int]]:
    """Start and end in `mail.written.strip()` and number from 1 of the sentences that stand there, in order."""
    found, at, lead = [], 0, len(mail.written) - len(mail.written.lstrip())
    for one in mail.fresh:
        part = mail.body[one.start : one.end]
        if one.end <= one.start:
            continue
        shift = at - (one.start + len(part) - len(part.lstrip())) - lead
        for number, sentence in enumerate(sentences, 1):
            inside = sentence.key == mail.key and one.start <= sentence.start < sentence.end <= one.end
            if sentence.place == "body" and inside:
                found.append((sentence.start + shift, sentence.end + shift, number))
        at += len(part.strip()) + len("\n\n")
    return sorted(found)


def stretches(pieces: Sequence[Piece], said: Sequence[tuple[int, int, int]]) -> list[Stretch]:
    """The pieces of a text, parted where sentences of the summary begin and end; of places that overlap the first."""
    text = "".join(one.text for one in pieces)
    found, at = [], 0
    for start, end, number in said:
        if start < at or end > len(text):
            continue
        found += [Stretch(0, tuple(_between(pieces, at, start))), Stretch(number, tuple(_between(pieces, start, end)))]
        at = end
    return [one for one in (*found, Stretch(0, tuple(_between(pieces, at, len(text))))) if one.pieces]


def _between(pieces: Sequence[Piece], start: int, end: int) -> Iterator[Piece]:
    at = 0
    for one in pieces:
        low, high = max(start, at), min(end, at + len(one.text))
        if low < high:
            yield Piece(one.text[low - at : high - at], one.mark, one.value)
        at += len(one.text)
