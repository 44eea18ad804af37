"""The labelled examples nearest to a text, by exact cosine, and their files in the task's folder.

`examples.jsonl` holds texts and labels, `examples.npy` their vectors as int8 (unit vectors times 127), `examples.json`
the sha256 of both. Vectors are mapped, not read: they take memory only while an explanation is asked for.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import DataError, IntegrityError, NotFoundError
from rightsized.core.types import Frozen, Neighbour
from rightsized.store import atomic

Vectors = NDArray[np.int8] | NDArray[np.float16] | NDArray[np.float32]

FORMAT = 1
INDEX_FILE, ROWS_FILE, VECTORS_FILE = "examples.json", "examples.jsonl", "examples.npy"
QUANTUM = 127  # int8 range
CHUNK_ROWS = 4096  # rows widened to float32 at a time: 6 MB at 384 dimensions
_FIX = "Fit the task again."


class _Row(Frozen, frozen=True):
    text: str
    label: str


class _Index(Frozen, frozen=True):
    format: int
    rows: int
    dimension: int
    rows_sha256: str
    vectors_sha256: str


class Examples:
    """Labelled texts with their vectors: `vectors` int8 (n, dimension), `texts` and `labels` of length n."""

    def __init__(self, texts: Sequence[str], labels: Sequence[str], vectors: Vectors) -> None:
        if vectors.ndim != 2 or not len(texts) == len(labels) == len(vectors):
            raise DataError(
                f"{len(texts)} texts, {len(labels)} labels and vectors of shape {vectors.shape} do not go together."
            )
        self.texts, self.labels, self.vectors = texts, labels, vectors

    def nearest(self, vector: NDArray[np.float32], k: int = 5) -> tuple[Neighbour, ...]:
        """The k examples of highest cosine; see the function `nearest`."""
        return nearest(vector, self.vectors, self.texts, self.labels, k)


def nearest(
    vector: NDArray[np.float32], train_vectors: Vectors, texts: Sequence[str], labels: Sequence[str], k: int = 5
) -> tuple[Neighbour, ...]:
    """The k rows of highest cosine with `vector`, by an exact scan; equal ones in the order of their rows.

    Args:
        vector: float32 (dimension,).
        train_vectors: int8, float16 or float32 (n, dimension); any scale.
        texts, labels: of the rows, length n.
        k: how many; fewer come back where there are fewer rows.
    Raises:
        DataError: the vector's length is not the rows' dimension.
    """
    if vector.shape != train_vectors.shape[1:]:
        raise DataError(f"A vector of shape {vector.shape} cannot be compared with rows of {train_vectors.shape[1:]}.")
    if k < 1 or len(train_vectors) == 0:
        return ()
    cosines = _cosines(vector, train_vectors)
    least = np.partition(cosines, len(cosines) - min(k, len(cosines)))[len(cosines) - min(k, len(cosines))]
    rows = np.flatnonzero(cosines >= least)
    best = rows[np.argsort(-cosines[rows], kind="stable")][:k]
    return tuple(Neighbour(texts[row], labels[row], float(np.clip(cosines[row], -1.0, 1.0))) for row in best)


def _cosines(vector: NDArray[np.float32], rows: Vectors) -> NDArray[np.float32]:
    found = np.empty(len(rows), np.float32)
    for at in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[at : at + CHUNK_ROWS].astype(np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", chunk, chunk))
        found[at : at + CHUNK_ROWS] = (chunk @ vector) / np.where(lengths > 0, lengths, 1.0)
    length = float(np.sqrt(vector @ vector))
    return found / np.float32(length if length > 0 else 1.0)


def quantised(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Unit vectors float32 (n, dimension) as int8, times 127 and rounded."""
    return np.rint(np.clip(vectors, -1.0, 1.0) * QUANTUM).astype(np.int8)


def save_examples(folder: Path, examples: Examples) -> None:
    """Write the three files into `folder`; the index comes last, so that a half-written set is never opened.

    Raises:
        DiskFullError, StoreError: the folder cannot be written to.
    """
    lines = b"".join(
        msgspec.json.encode(_Row(text, label)) + b"\n"
        for text, label in zip(examples.texts, examples.labels, strict=True)
    )
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(examples.vectors), allow_pickle=False)
    packed = buffer.getvalue()
    rows, dimension = examples.vectors.shape
    index = _Index(FORMAT, rows, dimension, _sha256(lines), _sha256(packed))
    atomic.write(folder / ROWS_FILE, lines)
    atomic.write(folder / VECTORS_FILE, packed)
    atomic.write(folder / INDEX_FILE, msgspec.json.format(msgspec.json.encode(index)) + b"\n")


def open_examples(folder: Path) -> Examples:
    """Read what `save_examples` wrote.

    Raises:
        NotFoundError: no examples are kept in this folder.
        IntegrityError: a file is missing, truncated or altered.
    """
    path = folder / INDEX_FILE
    if not path.exists():
        raise NotFoundError(f"No labelled examples are kept in {folder}.", fix=_FIX)
    try:
        index = msgspec.json.decode(path.read_bytes(), type=_Index)
        lines = (folder / ROWS_FILE).read_bytes()
        with (folder / VECTORS_FILE).open("rb") as file:
            vectors_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except (msgspec.DecodeError, FileNotFoundError, UnicodeDecodeError) as error:
        raise IntegrityError(f"The examples in {folder} cannot be read: {error}.", fix=_FIX) from None
    for name, actual, expected in (
        (ROWS_FILE, _sha256(lines), index.rows_sha256),
        (VECTORS_FILE, vectors_sha256, index.vectors_sha256),
    ):
        if actual != expected:
            raise IntegrityError(f"{folder / name} is not the file that was saved.", fix=_FIX)
    if index.format != FORMAT:
        raise IntegrityError(f"{path} has format {index.format}; this version reads {FORMAT}.", fix=_FIX)
    rows = [msgspec.json.decode(line, type=_Row) for line in lines.splitlines()]
    vectors = np.load(folder / VECTORS_FILE, mmap_mode="r", allow_pickle=False)
    if vectors.shape != (index.rows, index.dimension):
        raise IntegrityError(f"{path} names {index.rows} rows; {VECTORS_FILE} has {vectors.shape}.", fix=_FIX)
    return Examples([row.text for row in rows], [row.label for row in rows], vectors)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
