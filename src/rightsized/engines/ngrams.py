"""The n-gram model: which features a text has, and its raw scores from plain arrays.

Features are made here and nowhere else: fitting imports this file, so training and serving cannot differ. Rows are
added one after the other (no BLAS), one text at a time, so a score depends on the text alone and not on threads, batch
or neighbours. What the scores mean (probabilities, confidence) is decided in `readout`.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import IntegrityError
from rightsized.core.types import Frozen
from rightsized.engines.linear import Arrays, Floats, floats

WORD_MARK = "\t"  # sets word features apart from character features; normalised text holds no tab
BATCHED_UNITS = 1024  # rows added up at once; bounds the memory a long text takes
TABLE_BYTES = 16 << 20  # most memory for rows added up beforehand; what has none is added up when it is met
UNSEEN = 0  # the row of a run of words that no training text had
EXTRA = 3  # columns of a row after the labels': sum of squares, n-grams, known n-grams


class NgramSpec(Frozen, frozen=True):
    """Which features a text has: character n-grams inside words, and runs of words. Sizes count characters, words.

    `whole_text`: an n-gram counts 1 + log(how often it stands in the text), whichever words it stands in. Else that is
    counted a word (see NgramModel): for a message of some words it makes no difference and takes a fifth of the time.
    """

    char_sizes: tuple[int, ...] = (3, 4)
    word_sizes: tuple[int, ...] = (1, 2)
    max_chars: int = 20_000  # characters read of a text; the rest is cut and reported
    whole_text: bool = False


class Margins(NamedTuple):
    """Raw scores, float32 (labels,); the share of the text's n-grams never seen in training; whether text was cut."""

    values: Floats
    unknown: float
    truncated: bool


def units(text: str, spec: NgramSpec) -> list[str]:
    """What a text is the sum of, repeats kept: its words (lower case, split at white space), then runs of words.

    With `whole_text`, their n-grams.

    >>> units("To be or", NgramSpec())
    ['to', 'be', 'or', 'to be', 'be or']
    >>> units("To be", NgramSpec(char_sizes=(), whole_text=True))
    ['\\tto', '\\tbe', '\\tto be']
    """
    words = text[: spec.max_chars].lower().split()
    found = words
    for size in spec.word_sizes:
        if size == 2:
            found = found + [f"{first} {second}" for first, second in itertools.pairwise(words)]
        elif size > 2:
            found = found + [" ".join(words[i : i + size]) for i in range(len(words) - size + 1)]
    return [gram for unit in found for gram in _grams_inside(unit, spec)] if spec.whole_text else found


def grams(unit: str, spec: NgramSpec) -> list[str]:
    """The n-grams of a unit, repeats kept: of a word its characters and itself, of a run of words just itself.

    >>> grams("to", NgramSpec(char_sizes=(3,))), grams("to be", NgramSpec())
    ([' to', 'to ', '\\tto'], ['\\tto be'])
    """
    return [unit] if spec.whole_text else _grams_inside(unit, spec)


def _grams_inside(unit: str, spec: NgramSpec) -> list[str]:
    if " " in unit:
        return [WORD_MARK + unit]
    padded = f" {unit} "
    length = len(padded)
    found = [padded[start : start + size] for size in spec.char_sizes for start in range(length - size + 1)]
    if 1 in spec.word_sizes:
        found.append(WORD_MARK + unit)
    return found


class NgramModel:
    """Linear model over character and word n-grams; weights are int8 with one scale a feature.

    A text is the sum of its distinct units. A unit counts 1 + log(how often it stands there) and brings its n-grams,
    each times its inverse document frequency; the sum is divided by the length that those parts would have if no two
    shared an n-gram. So what a unit brings depends on the unit alone: it is added up when the model is opened, and a
    text takes one row a unit instead of one an n-gram (a fifth of them).

    Args:
        vocabulary: n-grams; position is the row.
        idf: float32 (features,).
        weights: int8 (features, labels).
        scales: float32 (features,); a weight is `weights[f, l] * scales[f]`.
        bias: float32 (labels,).
        ahead: units added up beforehand; all known ones, while there is room, where None. Scores do not depend on it.
    """

    def __init__(
        self,
        vocabulary: list[str],
        idf: Floats,
        weights: NDArray[np.int8],
        scales: Floats,
        bias: Floats,
        spec: NgramSpec,
        ahead: Sequence[str] | None = None,
    ) -> None:
        if not len(vocabulary) == len(idf) == len(weights) == len(scales) or weights.shape[1:] != bias.shape:
            raise IntegrityError("The n-gram model's arrays do not fit together.")
        self.index = {gram: row for row, gram in enumerate(vocabulary)}
        self.idf, self.weights, self.scales, self.bias, self.spec = idf, weights, scales, bias, spec
        self._width = len(bias)
        self._slots, self._table = self._added_up(self._frequent() if ahead is None else ahead)

    @classmethod
    def quantised(
        cls,
        vocabulary: list[str],
        idf: Floats,
        coefficients: Floats,
        bias: Floats,
        spec: NgramSpec,
        ahead: Sequence[str] | None = None,
    ) -> NgramModel:
        """Build from float coefficients (features, labels): each feature's row is scaled to int8."""
        largest = np.abs(coefficients).max(axis=1, initial=0.0).astype(np.float32)
        scales = np.where(largest > 0, largest / 127.0, 1.0).astype(np.float32)
        weights = np.rint(coefficients / scales[:, None]).astype(np.int8)
        return cls(vocabulary, idf, weights, scales, bias.astype(np.float32), spec, ahead)

    def margins(self, text: str) -> Margins:
        """Raw scores of one text."""
        counts = Counter(units(text, self.spec))
        found, repeats = list(counts), list(counts.values())
        sums = np.zeros(self._width + EXTRA, dtype=np.float32)
        for start in range(0, len(found), BATCHED_UNITS):
            sums += self._sum(found[start : start + BATCHED_UNITS], repeats[start : start + BATCHED_UNITS])
        squares, total, known = sums[self._width :].tolist()
        values = sums[: self._width]
        if squares > 0:
            values /= math.sqrt(squares)
        values += self.bias
        unknown = 1.0 - known / total if total else 1.0
        return Margins(values, unknown, len(text) > self.spec.max_chars)

    def _sum(self, found: list[str], repeats: list[int]) -> Floats:
        """Sum of the rows of these units, float32 (labels + EXTRA,)."""
        row_of = self._slots.get
        slots = [row_of(unit, UNSEEN) for unit in found]
        rows = self._table.take(slots, axis=0)
        for place, slot in enumerate(slots):
            if slot == UNSEEN and self._must_be_added_up(found[place]):
                rows[place] = self._rows([found[place]])[0]
        if max(repeats) > 1:
            times = np.array(repeats, dtype=np.float32)[:, None]
            weight = np.log(times) + np.float32(1.0)
            rows[:, : self._width] *= weight
            rows[:, self._width : self._width + 1] *= weight * weight
            rows[:, self._width + 1 :] *= times
        summed: Floats = np.add.reduce(rows, axis=0)
        return summed

    def _must_be_added_up(self, unit: str) -> bool:
        """Whether a unit without a row of its own may have n-grams that are known: a word, or one left out."""
        if self.spec.whole_text:
            return unit in self.index
        return " " not in unit or WORD_MARK + unit in self.index

    def _frequent(self) -> list[str]:
        """The known units, the most frequent while there is room."""
        mark = "" if self.spec.whole_text else WORD_MARK
        known = np.array([row for gram, row in self.index.items() if gram.startswith(mark)], dtype=np.intp)
        kept = set(known[np.argsort(self.idf[known], kind="stable")[: self._room()]].tolist())
        return [gram[len(mark) :] for gram, row in self.index.items() if row in kept]

    def _room(self) -> int:
        return TABLE_BYTES // (4 * (self._width + EXTRA))

    def _added_up(self, words: Sequence[str]) -> tuple[dict[str, int], Floats]:
        """The slot of each of these units, as far as there is room, and the table of what they bring."""
        words = words[: self._room()]
        table = np.zeros((1 + len(words), self._width + EXTRA), dtype=np.float32)
        table[UNSEEN, -2] = 1.0  # one n-gram, and not a known one
        for start in range(0, len(words), BATCHED_UNITS):
            part = self._rows(words[start : start + BATCHED_UNITS])
            table[1 + start : 1 + start + len(part)] = part
        return {word: slot for slot, word in enumerate(words, start=1)}, table

    def _rows(self, found: Sequence[str]) -> Floats:
        """What each unit brings, float32 (units, labels + EXTRA)."""
        result = np.zeros((len(found), self._width + EXTRA), dtype=np.float32)
        features: list[int] = []
        counts: list[int] = []
        starts: list[int] = []
        filled: list[int] = []
        for place, unit in enumerate(found):
            counted = Counter(map(self.index.get, grams(unit, self.spec)))
            result[place, -2] = counted.total()
            result[place, -1] = counted.total() - counted.pop(None, 0)
            if counted:
                filled.append(place)
                starts.append(len(features))
                features += [feature for feature in counted if feature is not None]
                counts += counted.values()
        if filled:
            rows = np.array(features, dtype=np.intp)
            factors = np.array(counts, dtype=np.float32) * self.idf[rows]
            weighed = self.weights[rows] * (factors * self.scales[rows])[:, None]
            result[filled, : self._width] = np.add.reduceat(weighed, starts, axis=0)
            result[filled, self._width] = np.add.reduceat(factors * factors, starts)
        return result

    def to_arrays(self) -> Arrays:
        """Everything but the spec, as arrays for a safetensors file."""
        joined = np.frombuffer("\n".join(self.index).encode(), dtype=np.uint8)
        return {
            "ngram.vocabulary": joined,
            "ngram.idf": self.idf,
            "ngram.weights": self.weights,
            "ngram.scales": self.scales,
            "ngram.bias": self.bias,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, spec: NgramSpec) -> NgramModel:
        """The inverse of `to_arrays`. Raises IntegrityError where an array is absent or does not fit."""
        try:
            vocabulary = arrays["ngram.vocabulary"].tobytes().decode().split("\n")
            weights = arrays["ngram.weights"].astype(np.int8, copy=False)
            idf, scales, bias = (floats(arrays[f"ngram.{name}"]) for name in ("idf", "scales", "bias"))
        except (KeyError, UnicodeDecodeError) as error:
            raise IntegrityError(f"The n-gram model is incomplete: {error}.") from None
        return cls(vocabulary, idf, weights, scales, bias, spec)
