"""Words of a text for the name tagger: word pieces, places, and hashed features of how each word is written.

The default encoder reads lower case without accents; what capitals, digits and neighbouring marks tell comes in here.
Fitting and serving both call this. Nothing here knows names: there is no list of words.
"""

from __future__ import annotations

import itertools
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

SLOTS = 14  # features of a word
BUCKETS = 8192  # rows of the feature table; row 0 is for the special tokens
_PARTS = 40  # characters of a word that features read; a longer one is no name


class Words(NamedTuple):
    """A text in words.

    Attributes:
        pieces: word-piece ids, int64 (pieces,), without special tokens.
        first: the first piece of each word, int64 (words,).
        places: start and end of each word in the text, int64 (words, 2), in code points.
        features: int64 (words, SLOTS), rows of the feature table.
    """

    pieces: NDArray[np.int64]
    first: NDArray[np.int64]
    places: NDArray[np.int64]
    features: NDArray[np.int64]


def split(tokenizer: Tokenizer, text: str) -> Words:
    """The words of a text, as the encoder's own tokenizer divides it."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    numbers, offsets = encoding.word_ids, encoding.offsets
    first = [i for i, word in enumerate(numbers) if i == 0 or word != numbers[i - 1]]
    places = (
        [(offsets[a][0], offsets[b - 1][1]) for a, b in itertools.pairwise([*first, len(numbers)])] if first else []
    )
    return Words(
        np.array(encoding.ids, dtype=np.int64),
        np.array(first, dtype=np.int64),
        np.array(places, dtype=np.int64).reshape(-1, 2),
        _features(text, places),
    )


def handles(text: str, words: Words) -> list[tuple[int, int]]:
    """User names such as `@anna_k92`, as word numbers [first, last): an `@` behind no word and what follows it."""
    found, word, count = [], 0, len(words.first)
    while word < count:
        start, end = words.places[word]
        stop = word + 1
        if text[start:end] == "@" and not (start and (text[start - 1].isalnum() or text[start - 1] in "._@")):
            while stop < count and words.places[stop, 0] == end and _in_handle(text[end : words.places[stop, 1]]):
                end = words.places[stop, 1]
                stop += 1
            domain = text[end : end + 1] in (".", "@") and text[end + 1 : end + 2].isalnum()
            if stop > word + 1 and not domain:
                found.append((word, stop))
        word = stop
    return found


def _in_handle(piece: str) -> bool:
    return piece == "_" or piece.isalnum()


def _features(text: str, places: list[tuple[int, int]]) -> NDArray[np.int64]:
    written = _case_of(text)
    rows = np.zeros((len(places), SLOTS), dtype=np.int64)
    for row, (start, end) in enumerate(places):
        before = text[start - 1] if start else "\n"
        after = text[end] if end < len(text) else "\n"
        opens = not row or text[places[row - 1][1] - 1] in ".!?:" or "\n" in text[places[row - 1][1] : start]
        values = _values(text[start : min(end, start + _PARTS)], before, after)
        values.append(f"{opens}{written}{values[0][:2]}")
        rows[row] = [zlib.crc32(f"{slot}:{value}".encode()) % (BUCKETS - 1) + 1 for slot, value in enumerate(values)]
    return rows


def _values(word: str, before: str, after: str) -> list[str]:
    lower = word.lower()
    shape = "".join(map(_kind, word))
    runs = "".join(kind for kind, _ in itertools.groupby(shape))
    return [
        runs[:6],
        shape[:8] + str(min(len(word), 12)),
        _mark(before),
        _mark(after),
        _mark(before) + runs[:2],
        _mark(after) + runs[:2],
        word[:2],
        lower[:3],
        lower[:4],
        word[-2:],
        lower[-3:],
        lower[-4:],
        lower,
    ]


def _kind(character: str) -> str:
    if character.isupper():
        return "X"
    if character.islower():
        return "x"
    if character.isdigit():
        return "9"
    return "a" if character.isalpha() else "-"


def _mark(character: str) -> str:
    """A neighbouring character: letters and digits by kind, marks as they are."""
    if character.isspace():
        return "n" if character == "\n" else " "
    return _kind(character) if character.isalnum() else character


def _case_of(text: str) -> str:
    """How the text is written: upper, lower or mixed; capitals say little in the first two."""
    head = text[:400]
    upper, lower = sum(map(str.isupper, head)), sum(map(str.islower, head))
    if not upper:
        return "l"
    return "u" if upper > lower else "m"
