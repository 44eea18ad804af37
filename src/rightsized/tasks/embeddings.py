"""Vectors of texts already embedded, so that a second fit, or one that was interrupted, embeds only what is new.

One SQLite file an encoder under `cache/`, keyed by the text's digest. Losing it costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home

BLOCK = 512  # texts embedded between two commits: what an interruption can lose
MOST_ROWS = 500_000  # about 770 MB of 384 float32; beyond it the oldest go


def embed(
    home: Home, encoder: OnnxEncoder, texts: Sequence[str], progress: Progress = no_progress
) -> NDArray[np.float32]:
    """Vectors float32 (n, dimension), bit-equal to what the encoder gives in service."""
    vectors = np.empty((len(texts), encoder.dimension), dtype=np.float32)
    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    with closing(_open(home, encoder.digest)) as cache:
        missing = _fill(cache, keys, vectors)
        done = len(texts) - len(missing)
        progress("Embedding", done, len(texts))
        for start in range(0, len(missing), BLOCK):
            block = missing[start : start + BLOCK]
            fresh = encoder.encode_all_now([texts[i] for i in block]).vectors
            vectors[block] = fresh
            with cache:
                cache.executemany(
                    "INSERT OR REPLACE INTO vectors (key, vector) VALUES (?, ?)",
                    [(keys[i], row.tobytes()) for i, row in zip(block, fresh, strict=True)],
                )
            done += len(block)
            progress("Embedding", done, len(texts))
        _trim(cache)
    return vectors


def _open(home: Home, digest: str) -> sqlite3.Connection:
    folder = Path(home.path) / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"embeddings-{digest.removeprefix('sha256:')[:16]}.sqlite"
    try:
        return _connect(path)
    except sqlite3.DatabaseError:
        path.unlink(missing_ok=True)  # a damaged cache is worth nothing
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")
    return connection


def _fill(cache: sqlite3.Connection, keys: list[bytes], vectors: NDArray[np.float32]) -> list[int]:
    """Copy the known vectors in; returns the positions of the others."""
    width = vectors.shape[1] * vectors.itemsize
    missing = []
    for i, key in enumerate(keys):
        found = cache.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        if found is None or len(found[0]) != width:
            missing.append(i)
        else:
            vectors[i] = np.frombuffer(found[0], dtype=np.float32)
    return missing


def _trim(cache: sqlite3.Connection) -> None:
    (rows,) = cache.execute("SELECT COUNT(*) FROM vectors").fetchone()
    if rows > MOST_ROWS:
        with cache:
            cache.execute(
                "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors ORDER BY rowid LIMIT ?)",
                (rows - MOST_ROWS,),
            )
