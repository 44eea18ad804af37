"""How rare words are among what one asker may see: BM25 without a trace of what is hidden.

tantivy weighs a word by its frequency in the whole index, so that a score would tell how many hidden passages hold it.
Each word's weight is brought to the one that it has among the visible passages. What remains is the mean length of all
passages, one number for the whole collection.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

MOST_KEPT = 50_000  # frequencies remembered for a state of the index; then it begins anew

Key = tuple[bytes, str, str]  # classes, field, word


class Frequencies:
    """Frequencies of words among the passages of access classes; for one state of the index.

    `slots` counts passages as tantivy's statistics do, with those deleted and not merged away yet.
    """

    def __init__(self, searcher: Any, slots: int) -> None:
        self._searcher = searcher
        self._slots = slots
        self._kept: dict[Key, int] = {}
        self._lock = threading.Lock()

    def everywhere(self, field: str, word: str) -> float:
        """The weight that tantivy gives the word."""
        return rarity(self._slots, self._searcher.doc_freq(field, word))

    def among(self, key: Key, query: Callable[[], Any]) -> int:
        """How many passages match `query`, which is what the key stands for."""
        with self._lock:
            known = self._kept.get(key)
        if known is None:
            known = int(self._searcher.search(query(), 1, True).count)
            with self._lock:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = known
        return known


class Rarity:
    """The weights of words for one asker: `(field, word) -> factor` to what tantivy gives."""

    def __init__(self, frequencies: Frequencies, count: Callable[[str, str], int], size: int) -> None:
        """`count` tells how many of the visible passages, of which there are `size`, hold a word of a field."""
        self._frequencies = frequencies
        self._count = count
        self._size = size

    def __call__(self, field: str, words: list[str]) -> float:
        """The factor for a word, or for a phrase, which weighs as much as its words together."""
        visible = hidden = 0.0
        for word in words:
            visible += rarity(self._size, self._count(field, word))
            hidden += self._frequencies.everywhere(field, word)
        return visible / hidden if hidden > 0 else 1.0


def rarity(passages: int, holding: int) -> float:
    """BM25's weight of a word that `holding` of so many passages hold (Robertson and Zaragoza 2009, as in Lucene)."""
    return math.log1p((passages - holding + 0.5) / (holding + 0.5))
