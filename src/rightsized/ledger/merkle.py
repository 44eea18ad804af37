"""The Merkle tree of RFC 6962 (RFC 9162 section 2.1): roots as leaves arrive, proofs, and their verification.

Knows hashes only: not what a leaf holds, nor where hashes are kept. A proof is first planned as ranges of leaves
(`inclusion_ranges`, `consistency_ranges`); whoever keeps the hashes looks those up (`ledger/tree.py`). All hashes are
SHA-256, 32 bytes. A leaf is hashed behind 0x00 and a node behind 0x01, so that neither can be taken for the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from rightsized.core.errors import ProofError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Range = tuple[int, int]  # leaves from the first to before the second, counted from 0
Complete = Callable[[int, int], bytes]  # (level, number): hash of the number-th run of 2^level leaves
KEPT_LEVELS = 8  # `append` hands out the hash of each complete subtree whose level is a multiple of this
Kept = tuple[int, int, bytes]  # level, number, hash


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of a leaf's bytes."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of the node above two others."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: the hashes of its complete subtrees, largest first.

    `append` costs one or two hashes on average; the edge of a million leaves has at most 20 hashes.

    Args:
        size: leaves so far.
        peaks: hash of each complete subtree, one for each bit set in `size`, highest bit first.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ProofError(f"A tree of {size} leaves has {size.bit_count()} complete subtrees, not {len(peaks)}.")
        self.size = size
        self._peaks = list(peaks)

    def copy(self) -> Frontier:
        """A frontier of its own, that may grow apart."""
        return Frontier(self.size, self._peaks)

    def append(self, leaf: bytes, kept: list[Kept] | None = None) -> None:
        """Add the hash of the next leaf; `kept` receives the subtrees completed by it, every eighth level."""
        peak, level, left = leaf, 0, self.size
        while left & 1:
            peak = node_hash(self._peaks.pop(), peak)
            left >>= 1
            level += 1
            if level % KEPT_LEVELS == 0 and kept is not None:
                kept.append((level, left, peak))
        self._peaks.append(peak)
        self.size += 1

    def root(self) -> bytes:
        """Root of the tree so far."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def range_hash(complete: Complete, start: int, end: int) -> bytes:
    """MTH(D[start:end]) of a range whose start is a multiple of the power of two at or above its length."""
    hashes = [complete(level, number) for level, number in complete_subtrees(start, end)]
    root = hashes.pop()
    while hashes:
        root = node_hash(hashes.pop(), root)
    return root


def complete_subtrees(start: int, end: int) -> list[Range]:
    """The (level, number) of the complete subtrees that a range falls into, largest first."""
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes that are all at hand."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove leaf `index` in a tree of `size` leaves, lowest first (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < size:
        raise ProofError(f"A tree of {size} leaves has no leaf {index} (counted from 0).")
    path: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _largest_power_below(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """The ranges whose hashes prove that a tree of `second` leaves began as one of `first` (RFC 9162, 2.1.4.1)."""
    if not 0 < first <= second:
        raise ProofError(f"No proof leads from a tree of {first} leaves to one of {second}.")
    path: list[Range] = []
    start, end, whole = 0, second, True  # whole: the old tree ends exactly here, so its root is known already
    while end != first:
        middle = start + _largest_power_below(end - start)
        if first <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start, whole = middle, False
    if not whole:
        path.append((start, end))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash `leaf` stands at `index` under `root` (RFC 9162, 2.1.3.2). Raises ProofError."""
    if not 0 <= index < size:
        raise ProofError(f"A tree of {size} leaves has no leaf {index} (counted from 0).")
    _check_hashes(leaf, root, *proof)
    at, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise ProofError(f"The proof has more hashes than a tree of {size} leaves asks for.")
        if at & 1 or at == last:
            found = node_hash(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError(f"The proof has fewer hashes than a tree of {size} leaves asks for.")
    if found != root:
        raise ProofError(f"Leaf {index} is not under this root, or was altered.")


def verify_consistency(first: int, second: int, proof: Sequence[bytes], old: bytes, new: bytes) -> None:
    """Check that the tree `new` of `second` leaves began as `old` of `first` leaves (RFC 9162, 2.1.4.2).

    Raises ProofError; also where `first` is 0, since every tree began as the empty one and nothing would be shown.
    """
    if first < 1:
        raise ProofError("A proof from an empty tree shows nothing: every tree began as one.")
    verify_subtree_consistency((0, first), second, proof, old, new)


def verify_subtree_inclusion(leaf: bytes, index: int, within: Range, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf stands in the subtree over the range `within`. Raises ProofError."""
    start, end = _checked_subtree(within)
    verify_inclusion(leaf, index - start, end - start, proof, root)


def verify_subtree_consistency(
    subtree: Range, size: int, proof: Sequence[bytes], subtree_root: bytes, root: bytes
) -> None:
    """Check that the subtree over a range is part of the tree of `size` leaves under `root`.

    The procedure of draft-ietf-plants-merkle-tree-certs, section 4; from start 0 it is RFC 9162, 2.1.4.2. The length of
    the roots is not looked at: they are compared. The empty subtree is part of every tree. Raises ProofError.
    """
    start, end = subtree
    if not 0 <= start <= end <= size:
        raise ProofError(f"A tree of {size} leaves has no range from {start} to {end}.")
    if start == end:
        if subtree_root != EMPTY_ROOT or proof:
            raise ProofError("The root of the empty subtree is another, and needs no proof.")
        return
    _checked_subtree(subtree)
    _check_hashes(*proof)
    low, high, last = start, end - 1, size - 1
    while low != high and (high == last or high & 1):
        low, high, last = low >> 1, high >> 1, last >> 1
    steps = list(proof)
    if low == high:
        old = new = subtree_root
    elif steps:
        old = new = steps.pop(0)
    else:
        raise ProofError("The proof is empty.")
    for step in steps:
        if last == 0:
            raise ProofError(f"The proof has more hashes than a tree of {size} leaves asks for.")
        if high & 1 or high == last:
            if low < high:
                old = node_hash(step, old)
            new = node_hash(step, new)
            while not high & 1 and high:
                low, high, last = low >> 1, high >> 1, last >> 1
        else:
            new = node_hash(new, step)
        low, high, last = low >> 1, high >> 1, last >> 1
    if last:
        raise ProofError(f"The proof has fewer hashes than a tree of {size} leaves asks for.")
    if old != subtree_root:
        raise ProofError("The proof does not lead to the older root: what it covered was altered.")
    if new != root:
        raise ProofError("The proof does not lead to the newer root.")


def _checked_subtree(subtree: Range) -> Range:
    start, end = subtree
    if not 0 <= start < end or start % (1 << (end - start - 1).bit_length()):
        raise ProofError(f"Leaves {start} to {end - 1} are no subtree.")
    return subtree


def _check_hashes(*hashes: bytes) -> None:
    for found in hashes:
        if len(found) != HASH_BYTES:
            raise ProofError(f"A hash has {HASH_BYTES} bytes; one here has {len(found)}.")


def _largest_power_below(n: int) -> int:
    """The largest power of two that is smaller than n, for n > 1."""
    return 1 << ((n - 1).bit_length() - 1)
