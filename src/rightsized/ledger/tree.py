"""The tree over the log as it stands in the file: proofs between any two sizes, in a few hundred hashes each.

Kept are the hashes of complete subtrees of 2^8, 2^16, ... leaves: 32 bytes for 256 rows. What lies below is hashed
again from the rows, at most 256 of them a look-up; what lies between is folded from at most 256 kept hashes. Nothing
here is trusted: a proof made from altered rows or hashes does not verify.
"""

from __future__ import annotations

from collections.abc import Iterator

from rightsized.core.errors import IntegrityError
from rightsized.ledger.merkle import (
    KEPT_LEVELS,
    Frontier,
    complete_subtrees,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    range_hash,
)
from rightsized.ledger.schema import SEQUENCED, LogRow, Query, leaf

TILE = 1 << KEPT_LEVELS  # rows under one kept hash of the lowest level
TILES_AT_HAND = 4
_PAGE_ROWS = 1000
_NOT_A_RECORD = b"\0"  # before whatever else than bytes stands where a record was: no record begins so

_ROWS = (
    " UNION ALL ".join(f"SELECT seq, '{t}', record FROM {t} WHERE seq > ?1 AND seq <= ?2" for t in SEQUENCED)  # noqa: S608 - names of our own
    + " ORDER BY 1"
)


def log_rows(query: Query, after: int, until: int) -> Iterator[LogRow]:
    """Rows of the log with after < seq <= until, in order, some at a time."""
    while after < until:
        page = query(_ROWS, (after, min(until, after + _PAGE_ROWS)))
        for seq, table, record in page:
            yield LogRow(seq, table, record if type(record) is bytes else _NOT_A_RECORD + str(record).encode())
        after += _PAGE_ROWS


class StoredTree:
    """Looks up what `merkle` asks for. Any number may read; entries once written do not change.

    Args:
        query: rows of a SELECT on the tables of ledger/schema.py.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._tiles: dict[int, list[bytes]] = {}

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Proof that entry `index` (seq - 1) stands in the tree of `size` entries. Raises ProofError."""
        return [range_hash(self.complete, *part) for part in inclusion_ranges(index, size)]

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Proof that the tree of `second` entries began as that of `first`. Raises ProofError."""
        return [range_hash(self.complete, *part) for part in consistency_ranges(first, second)]

    def frontier(self, size: int) -> Frontier:
        """The right edge at `size` entries."""
        return Frontier(size, [self.complete(*subtree) for subtree in complete_subtrees(0, size)])

    def root(self, size: int) -> bytes:
        """Root of the tree of the first `size` entries."""
        return self.frontier(size).root()

    def complete(self, level: int, number: int) -> bytes:
        """Hash of the number-th run of 2^level entries. Raises IntegrityError where some are missing."""
        kept = level - level % KEPT_LEVELS
        if kept == 0:
            first = number << level
            tile = self._tile(first // TILE)
            hashes = tile[first % TILE : first % TILE + (1 << level)]
        else:
            first = number << (level - kept)
            found = self._query(
                "SELECT hash FROM subtrees WHERE level = ? AND number >= ? AND number < ? ORDER BY number",
                (kept, first, first + (1 << (level - kept))),
            )
            hashes = [bytes(row[0]) for row in found]
        if len(hashes) != 1 << (level - kept):
            raise IntegrityError(
                f"Entries {(number << level) + 1:,} to {(number + 1) << level:,} of the log are incomplete.",
                fix="See what is wrong with it: rightsized ledger verify",
            )
        while len(hashes) > 1:
            hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
        return hashes[0]

    def _tile(self, number: int) -> list[bytes]:
        """Leaf hashes of the 256 rows of a tile; fewer at the end of the log, and then not kept."""
        if number not in self._tiles:
            rows = log_rows(self._query, number * TILE, (number + 1) * TILE)
            tile = [leaf_hash(leaf(row)) for row in rows]
            if len(tile) < TILE:
                return tile
            if len(self._tiles) >= TILES_AT_HAND:
                self._tiles.pop(next(iter(self._tiles)))
            self._tiles[number] = tile
        return self._tiles[number]
