"""What is computed of each document, kept beside the sets so that a text is read once: words, mean vector, signature.

Made from the collection again whenever it is missing. Nothing stays of contents that the collection no longer has.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.discovery.coding.terms import Joined, terms
from rightsized.apps.search.discovery.relations.near import HASHES, Hashes, shingles, signature
from rightsized.apps.search.index.database import BUSY_SECONDS, explained
from rightsized.apps.search.index.kernels import quantised, restored
from rightsized.apps.search.protocols import View
from rightsized.core import sqlite
from rightsized.core.errors import NotFoundError
from rightsized.core.protocols import Progress, no_progress

FILE = "review_features.sqlite"
RECIPE = "words-2"  # raised when the same text would give other features
CHUNK = 2000  # documents that are in memory at once
WRITTEN = 200  # documents written together


class Part(NamedTuple):
    """Some documents: their contents (sha256), words, and vectors float32 (n, dimension), zeros for those without."""

    contents: list[str]
    terms: Joined
    vectors: NDArray[np.float32]


class FeatureCache:
    """The cache in the collection's folder, for the vectors of one encoder.

    Args:
        encoder: its digest; empty where there are no vectors.
        dimension: of its vectors.
    """

    def __init__(self, folder: Path, encoder: str, dimension: int) -> None:
        self._path, self._recipe, self._dimension = folder / FILE, f"{RECIPE} {encoder}", dimension
        self._lock = threading.Lock()
        with explained(self._path):
            what = "cache of review features"
            self._connection = sqlite.open_migrated(self._path, (_create,), what, busy_seconds=BUSY_SECONDS)

    def close(self) -> None:
        self._connection.close()

    def fill(self, view: View, documents: Mapping[str, str], progress: Progress = no_progress) -> None:
        """Read what is not there yet; `documents` are ids by content. Those that went meanwhile are passed over."""
        sql = "SELECT content FROM features WHERE recipe = ? AND content IN (SELECT value FROM json_each(?))"
        known = {row[0] for row in self._rows(sql, (self._recipe, json.dumps(list(documents))))}
        missing = sorted(content for content in documents if content not in known)
        for at in range(0, len(missing), WRITTEN):
            some = missing[at : at + WRITTEN]
            made = [row for content in some if (row := self._features(view, content, documents[content])) is not None]
            with self._lock, explained(self._path), sqlite.transaction(self._connection):
                self._connection.executemany("INSERT OR IGNORE INTO features VALUES (?, ?, ?, ?, ?, ?, ?)", made)
            progress("Reading documents", at + len(some), len(missing))

    def parts(self, contents: Sequence[str]) -> Iterator[Part]:
        """The features of contents, in the order given, CHUNK at a time; those that are not there are left out."""
        sql = """SELECT content, columns, counts, vector, scale FROM features WHERE recipe = ? AND content IN
                 (SELECT value FROM json_each(?))"""
        for at in range(0, len(contents), CHUNK):
            some = contents[at : at + CHUNK]
            found = {row[0]: row[1:] for row in self._rows(sql, (self._recipe, json.dumps(list(some))))}
            kept = [one for one in some if one in found]
            if kept:
                yield self._part(kept, [found[one] for one in kept])

    def signatures(self, contents: Sequence[str]) -> tuple[list[str], Hashes]:
        """Those of the contents that are there, in the order given, and their signatures uint64 (n, HASHES)."""
        sql = "SELECT content, sketch FROM features WHERE recipe = ? AND content IN (SELECT value FROM json_each(?))"
        found = dict(self._rows(sql, (self._recipe, json.dumps(list(contents)))))
        kept = [one for one in contents if one in found]
        return kept, np.frombuffer(b"".join(found[one] for one in kept), dtype="<u8").reshape(len(kept), HASHES)

    def keep_only(self, contents: Iterable[str]) -> None:
        """Forget all others: what the collection has deleted leaves no words here."""
        with self._lock, explained(self._path):
            sql = "DELETE FROM features WHERE content NOT IN (SELECT value FROM json_each(?))"
            self._connection.execute(sql, (json.dumps(list(contents)),))

    def _features(self, view: View, content: str, document: str) -> tuple[Any, ...] | None:
        try:
            text, vector = view.text(document), mean_vector(view, document)
        except NotFoundError:
            return None
        if vector is None or len(vector) != self._dimension:
            vector = np.zeros(self._dimension, dtype=np.float32)
        bytes_, scales = quantised(vector[None, :])
        columns, counts = (part.astype(part.dtype.newbyteorder("<")).tobytes() for part in terms(text))
        sketch = signature(shingles(text)).astype("<u8").tobytes()
        return content, self._recipe, columns, counts, bytes_.tobytes(), float(scales[0]), sketch

    def _part(self, contents: list[str], rows: Sequence[tuple[Any, ...]]) -> Part:
        starts = np.concatenate([[0], np.cumsum([len(row[1]) for row in rows])]).astype(np.int64)
        columns, counts = (
            np.frombuffer(b"".join(row[at] for row in rows), kind) for at, kind in enumerate(("<u4", "u1"))
        )
        vectors = np.frombuffer(b"".join(row[2] for row in rows), dtype=np.int8).reshape(len(rows), self._dimension)
        return Part(
            contents,
            Joined(columns, counts, starts),
            restored(vectors, np.array([row[3] for row in rows], dtype=np.float32)),
        )

    def _rows(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock, explained(self._path):
            return self._connection.execute(sql, values).fetchall()


def forget(folder: Path, contents: Iterable[str]) -> None:
    """Leave nothing in the folder's cache, where there is one, but of these contents."""
    if (folder / FILE).exists():
        cache = FeatureCache(folder, "", 0)
        try:
            cache.keep_only(contents)
        finally:
            cache.close()


def mean_vector(view: View, document: str) -> NDArray[np.float32] | None:
    """The mean of the vectors of a document's passages, float32 (dimension,); None where some are not embedded yet."""
    numbers = [found.row for found in view.passages(document)]
    try:
        return view.vectors(numbers).mean(axis=0) if numbers else None
    except NotFoundError:
        return None


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE features (content TEXT NOT NULL, recipe TEXT NOT NULL, columns BLOB NOT NULL,
           counts BLOB NOT NULL, vector BLOB NOT NULL, scale REAL NOT NULL, sketch BLOB NOT NULL,
           PRIMARY KEY (content, recipe))"""
    )
