"""How the index of a collection stands: what each part takes on the disk, what waits, and which encoder is taking over.

Reads only, and repairs nothing; `check` is what goes through all of it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from rightsized.apps.search.index import database, dense, lexical
from rightsized.apps.search.index.reader import Reader
from rightsized.core.frozen import Frozen

_SCALE_BYTES = 4  # beside each vector


class SidecarState(Frozen, frozen=True):
    """A sidecar: whether it holds what the database holds, its size, and its passages, deleted ones apart."""

    current: bool
    bytes: int
    passages: int
    deleted: int


class EncoderState(Frozen, frozen=True):
    """An encoder and of how many passages it has vectors here. One `serves`; another is being filled to take over."""

    digest: str
    serves: bool
    passages: int


class IndexState(Frozen, frozen=True):
    """`passages` are all that must have a vector; `incomplete` documents were being taken in when a sync ended.

    `free_bytes` of `database_bytes` hold nothing. `graphed`: vectors that the graph holds, 0 where there is none.
    """

    generation: int
    passages: int
    incomplete: int
    database_bytes: int
    free_bytes: int
    lexical: SidecarState
    vectors: SidecarState
    graphed: int
    encoders: tuple[EncoderState, ...]


def inspect(folder: Path) -> IndexState:
    """How the index in a folder stands. Raises NotFoundError, IntegrityError, StoreError."""
    with contextlib.closing(Reader(folder / database.FILE)) as reader:
        generation = reader.state().generation
        ((passages, incomplete),) = reader.rows(
            "SELECT coalesce(sum(passages) FILTER (WHERE complete = 1), 0), count(*) FILTER (WHERE complete = 0) "
            "FROM contents"
        )
        ((page_size,),), ((free,),) = reader.rows("PRAGMA page_size"), reader.rows("PRAGMA freelist_count")
        vectors, graphed = _vectors(folder / dense.FOLDER, reader)
        return IndexState(
            generation=generation,
            passages=passages,
            incomplete=incomplete,
            database_bytes=sum(path.stat().st_size for path in folder.glob(f"{database.FILE}*")),
            free_bytes=page_size * free,
            lexical=_words(folder / lexical.FOLDER, reader),
            vectors=vectors,
            graphed=graphed,
            encoders=_encoders(reader),
        )


def _words(folder: Path, reader: Reader) -> SidecarState:
    state = reader.state()
    stamp = lexical.trusted(folder, reader, state)
    segments = lexical.segments(folder)
    held = sum(one["max_doc"] for one in segments)
    deleted = sum((one.get("deletes") or {}).get("num_deleted_docs", 0) for one in segments)
    current = stamp is not None and stamp.generation == state.generation
    return SidecarState(current, bytes_of(folder), held - deleted, deleted)


def _vectors(folder: Path, reader: Reader) -> tuple[SidecarState, int]:
    state, stamp = reader.state(), dense.read_stamp(folder)
    if stamp is None:
        return SidecarState(not state.serving, bytes_of(folder), 0, 0), 0
    wanted = (state.lineage, state.generation, state.serving)
    current = (stamp.lineage, stamp.generation, stamp.encoder) == wanted and dense.sound(folder, stamp)
    deleted = int(np.count_nonzero(dense.load(folder).contents == 0))
    return SidecarState(current, bytes_of(folder), stamp.count - deleted, deleted), stamp.graphed


def _encoders(reader: Reader) -> tuple[EncoderState, ...]:
    """Those that have vectors, the one that serves first."""
    rows = reader.rows(
        """SELECT e.digest, e.number = s.encoder,
           coalesce(sum(length(v.data) / (e.dimension + ?)) FILTER (WHERE c.complete = 1), 0)
           FROM encoders e CROSS JOIN serving s LEFT JOIN vectors v ON v.encoder = e.number
           LEFT JOIN contents c ON c.number = v.content GROUP BY e.number ORDER BY 2 DESC, e.number""",
        (_SCALE_BYTES,),
    )
    return tuple(EncoderState(digest, bool(serves), passages) for digest, serves, passages in rows)


def bytes_of(folder: Path) -> int:
    """Bytes of all files beneath; those that go meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total
