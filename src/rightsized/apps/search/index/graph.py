"""A graph over many vectors (HNSW of usearch, float16, mapped into memory) for searches that leave most of them in.

It is a guide to candidates and no more: what it finds is masked and scored again like everything else, vectors added
since it was made are scanned, and it is made anew from the vectors whenever it is not there.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.index import kernels
from rightsized.core.errors import MissingExtraError, StoreError

GRAPH_FROM = 400_000  # vectors of 384 dimensions: the exact scan takes 16 ms there, and making a graph 1 ms a vector
TAIL = 0.2  # share of the vectors that may be missing from the graph before it grows
CONNECTIVITY, BREADTH_OF_BUILDING = 16, 128
BREADTH_OF_SEARCH = 512  # with 256 recall@10 of a million was .981, .974 where half is allowed; 512 misses half as much
LEAST_CANDIDATES = 64
MOST_CANDIDATES = 4096  # beyond these the allowed vectors are scanned
BATCH = 20_000  # vectors added at a time
THREADS = 2  # beyond the first batch: among few vectors two threads left 6 of 1,000 that no search reached
_BROKEN = (RuntimeError, ValueError, OSError)  # what usearch raises for files


class Graph(NamedTuple):
    """The graph of the first `size` vectors."""

    index: Any
    size: int


def grow(folder: Path, name: str, count: int, vectors: NDArray[np.int8], scales: NDArray[np.float32]) -> str:
    """Write a graph of all the vectors, going on from the graph `name` of the first `count`; returns its file's name.

    Raises StoreError where the disk refuses.
    """
    index = _new(vectors.shape[1])
    if name:
        with contextlib.suppress(*_BROKEN):
            index.load(str(folder / name))
    start = len(index) if len(index) == count else 0
    if not start:
        index = _new(vectors.shape[1])
    for at in range(start, len(vectors), BATCH):
        some = slice(at, min(at + BATCH, len(vectors)))
        keys = np.arange(some.start, some.stop, dtype=np.uint64)
        index.add(keys, kernels.restored(vectors[some], scales[some]), threads=THREADS if at >= BATCH else 1)
    fresh = f"graph-{secrets.token_hex(4)}.usearch"
    try:
        index.save(str(folder / fresh))
    except _BROKEN as error:
        (folder / fresh).unlink(missing_ok=True)
        raise StoreError(f"The graph of vectors cannot be written: {error}.", fix="Free some space.") from error
    return fresh


def load(folder: Path, name: str, count: int) -> Graph | None:
    """Map a graph; None where it cannot be read: then all vectors are scanned."""
    if not name:
        return None
    with contextlib.suppress(*_BROKEN, MissingExtraError):
        index = _usearch().restore(str(folder / name), view=True)
        if index is not None and len(index) == count:
            index.expansion_search = BREADTH_OF_SEARCH
            return Graph(index, count)
    return None


def candidates(
    graph: Graph, vector: NDArray[np.float32], allowed: NDArray[np.bool_], share: float, limit: int
) -> NDArray[np.int64] | None:
    """Places of vectors that are allowed and near, ascending, `limit` at least; None where the graph gives too few.

    Args:
        allowed: bool (n,), of all vectors; those behind the graph's last are all candidates.
        share: of the vectors that is allowed: the fewer, the more are asked for.
    """
    ask = int(max(LEAST_CANDIDATES, 2 * limit) / max(share, 1e-6))
    tail = np.flatnonzero(allowed[graph.size :]) + graph.size
    while ask <= MOST_CANDIDATES:
        keys = graph.index.search(vector, ask, threads=1).keys.astype(np.int64)
        found = keys[allowed[keys]]
        if len(found) >= min(limit, graph.size):
            return np.concatenate([np.sort(found), tail])
        ask *= 2
    return None


def _new(dimension: int) -> Any:
    return _usearch()(
        ndim=dimension, metric="ip", dtype="f16", connectivity=CONNECTIVITY, expansion_add=BREADTH_OF_BUILDING
    )


def _usearch() -> Any:
    try:
        from usearch.index import Index
    except ImportError:
        raise MissingExtraError("Searching many vectors needs usearch.", extra="search") from None
    return Index
