"""Texts that are nearly the same: runs of words in common, found by MinHash and counted exactly.

Broder, "On the resemblance and containment of documents", 1997; bands of a signature as in Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3. Each family has a leader, and whoever is near enough to it belongs to
it: chains of small changes do not run away.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

RUN = 5  # words of a shingle
NEAR = 0.8  # share of all shingles of two texts that both have (Jaccard)
HASHES, BANDS = 64, 16  # at .8 two texts fail to meet once in 5,000 pairs, at .7 once in 80
MOST_LEADERS = 100  # compared with one text
LONGEST = 2_000_000  # characters of a text that are compared
KEPT = 2000  # texts whose shingles are in memory
_WORD = re.compile(r"\w+")
_MIX = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


def shingles(text: str) -> Hashes:
    """Hashes of the runs of RUN words, ascending, each once; of a shorter text, of all its words together."""
    words = np.array([zlib.crc32(one.encode("utf-8", "replace")) for one in _WORD.findall(text[:LONGEST].casefold())])
    if not len(words):
        return np.empty(0, dtype=np.uint64)
    run = min(RUN, len(words))
    runs = np.lib.stride_tricks.sliding_window_view(words.astype(np.uint64), run)
    found = np.zeros(len(runs), dtype=np.uint64)
    for at in range(run):
        found = _mixed(found ^ runs[:, at])
    return np.unique(found)


def signature(found: Hashes) -> Hashes:
    """The MinHash of shingles, uint64 (HASHES,): the share of equal ones estimates what is common."""
    factors, added = _functions()
    lowest = np.full(HASHES, np.iinfo(np.uint64).max, dtype=np.uint64)
    for at in range(0, len(found), 4096):
        some = found[at : at + 4096, None]
        lowest = np.minimum(lowest, _mixed(some * factors + added).min(axis=0))
    return lowest


def common(one: Hashes, other: Hashes) -> float:
    """The share of the shingles of two texts that both have; 0 where one has none."""
    if not len(one) or not len(other):
        return 0.0
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def families(names: Sequence[str], signatures: Hashes, text_of: Callable[[str], str]) -> dict[str, str]:
    """The leader of each text that is near another one, by name; leaders too. Texts that stand alone are left out.

    Args:
        names: of the texts; earlier ones become leaders.
        signatures: uint64 (names, HASHES).
        text_of: reads a text; asked again and again, and only for those that may be near another.
    """
    read = lru_cache(KEPT)(lambda name: shingles(text_of(name)))
    buckets: dict[tuple[int, int], list[str]] = {}
    leaders: dict[str, str] = {}
    for name, keys in zip(names, _meeting(signatures), strict=True):
        met = list(dict.fromkeys(leader for key in keys for leader in buckets.get(key, ())))[:MOST_LEADERS]
        likeness = {leader: common(read(name), read(leader)) for leader in met}
        best = max(met, key=lambda leader: likeness[leader], default="")
        if best and likeness[best] >= NEAR:
            leaders[name] = leaders[best] = best
            continue
        for key in keys:
            buckets.setdefault(key, []).append(name)
    return leaders


def _meeting(signatures: Hashes) -> list[list[tuple[int, int]]]:
    """The bands of each signature that another signature has too: texts without any cannot be near."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(len(signatures))]
    for band, rows in enumerate(np.hsplit(signatures, BANDS)):
        keys = np.zeros(len(rows), dtype=np.uint64)
        for column in range(rows.shape[1]):
            keys = _mixed(keys ^ rows[:, column])
        _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
        for at in np.flatnonzero(counts[which] > 1).tolist():
            found[at].append((band, int(keys[at])))
    return found


@cache
def _functions() -> tuple[Hashes, Hashes]:
    """Factors and summands of the HASHES hash functions, the same everywhere."""
    draw = np.random.default_rng(20261128)
    odd = draw.integers(0, 1 << 63, HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return odd, draw.integers(0, 1 << 63, HASHES, dtype=np.uint64)


def _mixed(values: Hashes) -> Hashes:
    """Each value scattered over 64 bits (the finaliser of SplitMix64)."""
    values = values + _MIX
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)), dtype=np.uint64)
