"""Training texts: sentences of the train rows, packed, written in several ways, with names changed now and then."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from random import Random

from benchmarks.pii_data import Labelled, labelled, read_conll
from dev.names.names import Names

TRAIN = ("wnut17train.conll", "a.conll", "b.conll", "e.conll", "g.conll", "FIN5.txt")
HANDLES_UNMARKED = ("wnut17train.conll",)  # WNUT17 leaves @names out, the Broad Twitter Corpus marks them
ROLES_AS_PEOPLE = ("FIN5.txt",)  # the filings mark "Lender" and "Borrower" as people: one-word people are passed over
HELD_OUT_EVERY, BLOCK = 12, 20  # every twelfth block of 20 sentences is held out
Spans = list[tuple[int, int, str]]
Text = tuple[str, Spans]
IGNORED = "ignored"
_TIGHT = re.compile(r" (?=[.,!?;:)\]%])|(?<=[(\[$]) |(?<=\w) (?='(?:s|re|ve|ll|d|m|t)\b)")
_HANDLE = re.compile(r"@\w+")


SOCIAL = ("wnut17train.conll", "a.conll", "b.conll")


def read(folder: Path, files: tuple[str, ...] = TRAIN) -> tuple[list[Text], list[Text]]:
    """Texts to fit on, and texts held out of the train files for choosing."""
    fit: list[Text] = []
    held: list[Text] = []
    for name in files:
        for place, sentence in enumerate(read_conll(folder / name)):
            text = _text(labelled(sentence), name)
            (held if place // BLOCK % HELD_OUT_EVERY == 0 else fit).append(text)
    return fit, held


def _text(one: Labelled, file: str) -> Text:
    roles = file in ROLES_AS_PEOPLE
    spans = [(s.start, s.end, s.type) for s in one.spans]
    spans = [(a, b, IGNORED if roles and k == "person" and " " not in one.text[a:b] else k) for a, b, k in spans]
    if file in HANDLES_UNMARKED:
        taken = {i for start, end, _ in spans for i in range(start, end)}
        spans += [(m.start(), m.end(), IGNORED) for m in _HANDLE.finditer(one.text) if m.start() not in taken]
    return one.text, sorted(spans)


def names_in(texts: list[Text]) -> dict[str, list[str]]:
    """The names of each kind in the texts."""
    found: dict[str, list[str]] = defaultdict(list)
    for text, spans in texts:
        for start, end, kind in spans:
            found[kind].append(text[start:end])
    return found


class Sampler:
    """Makes the texts of one epoch."""

    def __init__(self, texts: list[Text], templates: list[str], names: Names, random: Random) -> None:
        self._texts, self._templates, self._names, self._random = texts, templates, names, random

    def epoch(self, *, made: int, longest: int) -> list[Text]:
        """Every sentence once and `made` filled templates, shuffled by blocks and packed up to `longest` characters."""
        texts = [self._varied(one) for one in self._texts]
        blocks = [texts[i : i + 4] for i in range(0, len(texts), 4)]
        blocks += [[self._cased(self._names.filled(self._random.choice(self._templates)))] for _ in range(made)]
        self._random.shuffle(blocks)
        packed: list[Text] = []
        current: Text = ("", [])
        room = 0
        for one in (text for block in blocks for text in block):
            if current[0] and len(current[0]) + len(one[0]) > room:
                packed.append(current)
                current = ("", [])
            if not current[0]:
                room = self._random.choice((0, longest // 3, longest))
            current = _joined(current, one, self._random.choice((" ", "\n", "\n\n")))
        return [*packed, current]

    def _varied(self, text: Text) -> Text:
        if self._random.random() < 0.5:
            text = tightened(text)
        if self._random.random() < 0.35:
            text = self._renamed(text)
        return self._cased(text)

    def _renamed(self, text: Text) -> Text:
        written, spans = text
        for place, (start, end, kind) in reversed(list(enumerate(spans))):
            if kind == IGNORED or written[start] in "@#" or self._random.random() < 0.4:
                continue
            made = getattr(self._names, kind)()
            made = made.lower() if written[start:end].islower() else made
            written = written[:start] + made + written[end:]
            shift = len(made) - (end - start)
            spans = [
                *spans[:place],
                (start, end + shift, kind),
                *((a + shift, b + shift, k) for a, b, k in spans[place + 1 :]),
            ]
        return written, spans

    def _cased(self, text: Text) -> Text:
        draw = self._random.random()
        if draw < 0.08:
            changed = text[0].lower()
        elif draw < 0.11:
            changed = text[0].upper()
        elif draw < 0.13:
            changed = text[0].title()
        else:
            return text
        return (changed, text[1]) if len(changed) == len(text[0]) else text


def tightened(text: Text) -> Text:
    """The text without the spaces that tokenizing put before marks."""
    written, spans = text
    gone = [m.start() for m in _TIGHT.finditer(written)]
    if not gone:
        return text
    removed = set(gone)
    places, kept = [], []
    for i, character in enumerate(written):
        places.append(len(kept))
        if i not in removed:
            kept.append(character)
    places.append(len(kept))
    return "".join(kept), [(places[start], places[end], kind) for start, end, kind in spans]


def _joined(first: Text, second: Text, between: str) -> Text:
    if not first[0]:
        return second
    shift = len(first[0]) + len(between)
    return first[0] + between + second[0], [*first[1], *((a + shift, b + shift, k) for a, b, k in second[1])]
