"""The vector sidecar: int8 rows of all passages in one file that is mapped into memory, scanned exactly.

Four files of equal length: vectors int8 (n, dimension), their scales float32, their rows and their contents int64. New
ones are appended; those of deleted contents are overwritten with zeros at once, and left out at the next compaction.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.index import database, kernels
from rightsized.apps.search.index import graph as graphs
from rightsized.apps.search.index.backend import StoreReader
from rightsized.apps.search.index.records import Stretch
from rightsized.apps.search.protocols import Scores
from rightsized.core.frozen import Frozen
from rightsized.store import atomic

FOLDER = "vectors"  # in the collection's
FORMAT = 1
STAMP = "stamp.json"
GARBAGE = 0.2  # share of the file that is deleted vectors before it is written anew
FILES = ("vectors.i8", "scales.f4", "rows.i64", "contents.i64")


class Stamp(Frozen, frozen=True):
    """What the sidecar holds: `count` vectors of `encoder` in the files of the folder `part`."""

    lineage: str
    generation: int
    format: int
    encoder: str
    dimension: int
    count: int
    part: str
    graph: str = ""  # file of the graph over the first `graphed` vectors, where there are many
    graphed: int = 0


class Vectors(NamedTuple):
    """The sidecar of one moment, mapped."""

    encoder: str
    vectors: NDArray[np.int8]
    scales: NDArray[np.float32]
    rows: NDArray[np.int64]
    contents: NDArray[np.int64]
    graph: graphs.Graph | None = None


def empty(encoder: str = "", dimension: int = 1) -> Vectors:
    """No vectors."""
    none = np.empty(0, dtype=np.int64)
    return Vectors(encoder, np.empty((0, dimension), dtype=np.int8), np.empty(0, dtype=np.float32), none, none)


def load(folder: Path) -> Vectors:
    """Map the sidecar; no vectors where there is none that can be read."""
    stamp = read_stamp(folder)
    if stamp is None or not stamp.count:
        return empty() if stamp is None else empty(stamp.encoder, stamp.dimension)
    place, n = folder / stamp.part, stamp.count
    try:
        return Vectors(
            stamp.encoder,
            np.memmap(place / FILES[0], dtype=np.int8, mode="r", shape=(n, stamp.dimension)),
            np.fromfile(place / FILES[1], dtype="<f4", count=n),
            np.fromfile(place / FILES[2], dtype="<i8", count=n),
            np.fromfile(place / FILES[3], dtype="<i8", count=n),
            graphs.load(place, stamp.graph, stamp.graphed),
        )
    except (OSError, ValueError):
        return empty(stamp.encoder, stamp.dimension)


def read_stamp(folder: Path) -> Stamp | None:
    """What the sidecar says that it holds; None where it says nothing that can be read."""
    try:
        return msgspec.json.decode((folder / STAMP).read_bytes(), type=Stamp)
    except (OSError, msgspec.MsgspecError):
        return None


def sound(folder: Path, stamp: Stamp) -> bool:
    """Whether the files have all that the stamp vouches for."""
    try:
        sizes = [(folder / stamp.part / name).stat().st_size for name in FILES]
    except OSError:
        return False
    widths = (stamp.dimension, 4, 8, 8)
    return all(size >= stamp.count * width for size, width in zip(sizes, widths, strict=True))


def search(held: Vectors, allowed: NDArray[np.bool_], vector: NDArray[np.float32], limit: int) -> Scores:
    """The best among those allowed, bool (n,): exactly, or by the graph where there is one and many are allowed."""
    count = int(np.count_nonzero(allowed))
    places: NDArray[np.int64] | None = None
    if held.graph is not None and count >= graphs.GRAPH_FROM:
        places = graphs.candidates(held.graph, vector, allowed, count / len(allowed), limit)
    if places is None and count < len(allowed):
        places = np.flatnonzero(allowed)
    best, scores = kernels.nearest(held.vectors, held.scales, vector, limit, places)
    return Scores(held.rows[best], scores)


class DenseWriter:
    """Brings the sidecar up to the database. One at a time: the caller holds the collection's lock."""

    def __init__(self, folder: Path, reader: StoreReader) -> None:
        self._folder = folder
        self._reader = reader

    def update(self, *, compact: bool = False) -> None:
        """Make the sidecar equal to the vectors of the encoder in force. Raises StoreError, DiskFullError."""
        state = self._reader.state()
        _, dimension = self._reader.encoder(state.serving)
        if not dimension:
            return
        with database.explained(self._folder / STAMP):
            self._folder.mkdir(parents=True, exist_ok=True)
            stamp = self._trusted(Stamp(state.lineage, 0, FORMAT, state.serving, dimension, 0, ""), state.oldest)
            if stamp.generation >= state.generation and not compact:
                return
            held = np.fromfile(self._folder / stamp.part / FILES[3], dtype="<i8", count=stamp.count)
            gone = np.flatnonzero(np.isin(held, self._reader.gone(stamp.generation)))
            dead = int((held == 0).sum()) + len(gone)
            if dead > GARBAGE * len(held) or (compact and dead):
                stamp, held = Stamp(state.lineage, 0, FORMAT, state.serving, dimension, 0, self._new_part()), held[:0]
            else:
                self._erase(stamp, gone)
            fresh = np.setdiff1d(np.array(self._reader.changed(stamp.generation), dtype=np.int64), held)
            count = self._append(stamp, fresh.tolist())
            stamp = msgspec.structs.replace(stamp, generation=state.generation, count=count)
            self._commit(stamp)
            if count >= graphs.GRAPH_FROM and count - stamp.graphed > graphs.TAIL * count:
                self._commit(self._graphed(stamp))

    def _trusted(self, wanted: Stamp, oldest: int) -> Stamp:
        """The stamp of what is there, if it belongs to this collection and encoder and is whole; else a new part."""
        stamp = read_stamp(self._folder)
        if stamp is not None and stamp.generation >= oldest and sound(self._folder, stamp):
            there = (stamp.lineage, stamp.format, stamp.encoder, stamp.dimension)
            if there == (wanted.lineage, wanted.format, wanted.encoder, wanted.dimension):
                return stamp
        return msgspec.structs.replace(wanted, part=self._new_part())

    def _new_part(self) -> str:
        part = secrets.token_hex(4)
        (self._folder / part).mkdir()
        for name in FILES:
            (self._folder / part / name).touch()
        return part

    def _erase(self, stamp: Stamp, slots: NDArray[np.int64]) -> None:
        if not len(slots):
            return
        with (self._folder / stamp.part / FILES[0]).open("r+b") as vectors:
            with (self._folder / stamp.part / FILES[3]).open("r+b") as contents:
                for slot in slots.tolist():
                    vectors.seek(slot * stamp.dimension)
                    vectors.write(bytes(stamp.dimension))
                    contents.seek(slot * 8)
                    contents.write(bytes(8))
                _sync(contents.fileno())
            _sync(vectors.fileno())

    def _append(self, stamp: Stamp, contents: list[int]) -> int:
        """Write behind the last vector that the stamp vouches for; returns how many there are then."""
        widths = (stamp.dimension, 4, 8, 8)
        count = stamp.count
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context((self._folder / stamp.part / name).open("r+b")) for name in FILES]
            for file, width in zip(files, widths, strict=True):
                file.truncate(stamp.count * width)
                file.seek(stamp.count * width)
            firsts = self._reader.first_rows(contents)
            for stretch in self._reader.vectors(stamp.encoder, contents):
                for file, data in zip(files, _columns(stretch, firsts[stretch.content]), strict=True):
                    file.write(data)
                count += len(stretch.vectors)
            for file in files:
                file.flush()
                _sync(file.fileno())
        return count

    def _graphed(self, stamp: Stamp) -> Stamp:
        """The stamp with a graph over all that it holds."""
        folder = self._folder / stamp.part
        held = load(self._folder)
        name = graphs.grow(folder, stamp.graph, stamp.graphed, held.vectors, held.scales)
        return msgspec.structs.replace(stamp, graph=name, graphed=stamp.count)

    def _commit(self, stamp: Stamp) -> None:
        atomic.write(self._folder / STAMP, msgspec.json.encode(stamp))
        for other in self._folder.iterdir():
            if other.is_dir() and other.name != stamp.part:
                shutil.rmtree(other, ignore_errors=True)
        for file in (self._folder / stamp.part).glob("graph-*"):
            if file.name != stamp.graph:
                file.unlink(missing_ok=True)  # who has it mapped keeps it until they let it go


def _columns(stretch: Stretch, first_row: int) -> tuple[bytes, bytes, bytes, bytes]:
    n = len(stretch.vectors)
    rows = np.arange(first_row + stretch.ordinal, first_row + stretch.ordinal + n, dtype="<i8")
    contents = np.full(n, stretch.content, dtype="<i8")
    return stretch.vectors.tobytes(), stretch.scales.astype("<f4").tobytes(), rows.tobytes(), contents.tobytes()


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)
