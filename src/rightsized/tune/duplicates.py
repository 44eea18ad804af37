"""Repeated texts: the same, the same with different labels, and nearly the same.

Near means Jaccard similarity of character 5-grams, after normalisation, of at least 0.8. The search is exact: a prefix
filter (Chaudhuri et al., 2006; Bayardo et al., 2007) leaves few pairs to compare, and none that qualifies is missed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

NEAR = 0.8
GRAM = 5  # characters
_NOT_WORDS = re.compile(r"[\W_]+")


class Pair(NamedTuple):
    """Two positions and their similarity; of two lists, `first` counts in one and `second` in the other."""

    first: int
    second: int
    similarity: float


class Conflict(NamedTuple):
    """Rows with the same normalised text but different labels."""

    rows: tuple[int, ...]
    labels: tuple[str, ...]


def normalise(text: str) -> str:
    """Case, punctuation, white space and compatibility forms of characters do not tell texts apart.

    >>> normalise("Where's my  CARD?!")
    'where s my card'
    """
    return _NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def same_text(texts: Sequence[str]) -> list[tuple[int, ...]]:
    """Groups of two or more rows with the same normalised text, in order of their first row."""
    groups = _by_text([normalise(text) for text in texts])
    return [tuple(rows) for rows in groups.values() if len(rows) > 1]


def conflicts(texts: Sequence[str], labels: Sequence[str | Sequence[str]]) -> list[Conflict]:
    """Groups of rows with the same normalised text whose labels differ."""
    named = [label if isinstance(label, str) else "|".join(sorted(label)) for label in labels]
    found = []
    for rows in same_text(texts):
        different = sorted({named[row] for row in rows})
        if len(different) > 1:
            found.append(Conflict(rows, tuple(different)))
    return found


def near_duplicates(texts: Sequence[str], threshold: float = NEAR) -> list[Pair]:
    """Pairs of rows that nearly repeat each other; rows with the same text are joined to the first of them.

    The pairs link all rows of a cluster without listing each pair of a text repeated many times.
    """
    groups = _by_text([normalise(text) for text in texts])
    distinct = list(groups)
    pairs = [Pair(rows[0], row, 1.0) for rows in groups.values() for row in rows[1:]]
    for left, right, similarity in _search(distinct, threshold):
        pairs.append(Pair(groups[distinct[left]][0], groups[distinct[right]][0], similarity))
    return sorted(Pair(min(p[:2]), max(p[:2]), p.similarity) for p in pairs)


def clusters(texts: Sequence[str], threshold: float = NEAR) -> list[int]:
    """A cluster number for each row; rows linked by near repetition, directly or by way of others, share one."""
    parent = list(range(len(texts)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for pair in near_duplicates(texts, threshold):
        low, high = sorted((root(pair.first), root(pair.second)))
        parent[high] = low
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(row), len(numbers)) for row in range(len(texts))]


def straddling(first: Sequence[str], second: Sequence[str], threshold: float = NEAR) -> list[Pair]:
    """For each row of `first` that nearly repeats a row of `second`: that row and its nearest one there."""
    left, right = [normalise(text) for text in first], [normalise(text) for text in second]
    where = {text: rows[0] for text, rows in _by_text(right).items()}
    first_rows = _by_text(left)
    best: dict[str, Pair] = {text: Pair(0, where[text], 1.0) for text in first_rows if text in where}
    distinct = list(dict.fromkeys([*first_rows, *where]))
    for a, b, similarity in _search(distinct, threshold):
        for one, other in ((distinct[a], distinct[b]), (distinct[b], distinct[a])):
            if one in first_rows and other in where and (one not in best or best[one].similarity < similarity):
                best[one] = Pair(0, where[other], similarity)
    return sorted(Pair(row, pair.second, pair.similarity) for text, pair in best.items() for row in first_rows[text])


def _by_text(normalised: list[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for row, text in enumerate(normalised):
        groups.setdefault(text, []).append(row)
    return groups


def _grams(text: str) -> set[str]:
    return {text[i : i + GRAM] for i in range(max(len(text) - GRAM + 1, 1))}


def _search(texts: list[str], threshold: float) -> Iterator[tuple[int, int, float]]:
    """All pairs of different texts with at least this similarity.

    Grams stand in order of rarity. Two sets with Jaccard >= t share a gram among the first |x| - ceil(t |x|) + 1 of
    each, so only texts that meet in an index of those prefixes are compared.
    """
    sets = [_grams(text) for text in texts]
    frequency: Counter[str] = Counter()
    for grams in sets:
        frequency.update(grams)
    index: defaultdict[str, list[int]] = defaultdict(list)
    for row in sorted(range(len(texts)), key=lambda r: len(sets[r])):  # shorter sets first: only longer ones look back
        grams = sets[row]
        ordered = sorted(grams, key=lambda gram: (frequency[gram], gram))
        prefix = ordered[: len(grams) - math.ceil(threshold * len(grams) - 1e-9) + 1]
        candidates = {other for gram in prefix for other in index[gram]}
        for other in candidates:
            if len(sets[other]) < threshold * len(grams):
                continue
            shared = len(grams & sets[other])
            similarity = shared / (len(grams) + len(sets[other]) - shared)
            if similarity >= threshold:
                yield other, row, similarity
        for gram in prefix:
            if frequency[gram] > 1:
                index[gram].append(row)
