"""A text as hashed words with their counts: what the model sees of a document besides its vector."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 20
COLUMNS = 1 << BITS  # two of 20,000 words share one in 1% of cases
MOST_COUNTED = 255
LONGEST = 2_000_000  # characters of a text that are read
_WORD = re.compile(r"[^\W_]{2,40}")


class Terms(NamedTuple):
    """Columns of a document's words, uint32 (n,), ascending, and how often each occurs, uint8 (n,)."""

    columns: NDArray[np.uint32]
    counts: NDArray[np.uint8]


class Joined(NamedTuple):
    """The words of several documents, one after the other: document d has those from `starts[d]` to `starts[d + 1]`.

    columns uint32 (n,), counts uint8 (n,), starts int64 (documents + 1,).
    """

    columns: NDArray[np.uint32]
    counts: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def of(self, document: int) -> Terms:
        """The words of one of them."""
        some = slice(self.starts[document], self.starts[document + 1])
        return Terms(self.columns[some], self.counts[some])


def joined(found: Sequence[Terms]) -> Joined:
    """Put the words of documents one after the other."""
    starts = np.concatenate([[0], np.cumsum([len(one.columns) for one in found])]).astype(np.int64)
    columns = np.concatenate([np.empty(0, np.uint32), *(one.columns for one in found)])
    return Joined(columns, np.concatenate([np.empty(0, np.uint8), *(one.counts for one in found)]), starts)


def terms(text: str) -> Terms:
    """The words of a text, in lower case, hashed by CRC-32 (equal on every machine).

    >>> terms("Steel plates, steel.").counts.tolist() in ([1, 2], [2, 1])
    True
    """
    words = Counter(_WORD.findall(text[:LONGEST].casefold()))
    counted: Counter[int] = Counter()
    for word, count in words.items():
        counted[zlib.crc32(word.encode("utf-8", "replace")) & (COLUMNS - 1)] += count
    columns = sorted(counted)
    counts = [min(counted[column], MOST_COUNTED) for column in columns]
    return Terms(np.array(columns, dtype=np.uint32), np.array(counts, dtype=np.uint8))
