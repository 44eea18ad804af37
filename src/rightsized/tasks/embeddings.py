"""Vectors of texts already embedded, so that a second fit, or one that was interrupted, embeds only what is new.

One SQLite file under `cache/` for each encoder, runtime and instruction set, keyed by the text's digest: what is found
there is to the last bit what the encoder would give here and now. Losing it costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightsized.core.protocols import Encoded, Progress, no_progress
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home

BLOCK = 512  # texts embedded between two commits: what an interruption can lose
MOST_ROWS = 500_000  # about 770 MB of 384 float32; beyond it the oldest go


class Embedder:
    """An encoder that asks the cache first. Implements `core.protocols.Encoder` for fitting; serving has no cache.

    Vectors are bit-equal to what the encoder gives in service.
    """

    def __init__(self, home: Home, encoder: OnnxEncoder) -> None:
        self._home, self._encoder = home, encoder
        self._ready: dict[str, Encoded] = {}

    @property
    def digest(self) -> str:
        """The encoder's."""
        return self._encoder.digest

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    @property
    def max_tokens(self) -> int:
        """The encoder's."""
        return self._encoder.max_tokens

    def vectors(self, texts: Sequence[str], progress: Progress = no_progress) -> NDArray[np.float32]:
        """float32 (n, dimension). Raises InputError for an unusable text."""
        found = self.get(texts, progress)
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for i, text in enumerate(texts):
            rows[i] = found[text].vector
        return rows

    def get(self, texts: Sequence[str], progress: Progress = no_progress) -> dict[str, Encoded]:
        """Each different text and what the encoder gives for it, from the cache where it stands there."""
        with closing(self._open()) as cache:
            found = self._look_up(cache, texts)
            missing = [text for text in dict.fromkeys(texts) if text not in found]
            done = len(texts) - len(missing)
            progress("Embedding", done, len(texts))
            for start in range(0, len(missing), BLOCK):
                block = missing[start : start + BLOCK]
                rows = zip(*self._encoder.encode_all_now(block), strict=True)
                fresh = {text: Encoded(row, int(n), bool(cut)) for text, (row, n, cut) in zip(block, rows, strict=True)}
                _keep(cache, fresh)
                found |= fresh
                done += len(block)
                progress("Embedding", done, len(texts))
            _trim(cache)
        return found

    def known(self, texts: Sequence[str]) -> dict[str, Encoded]:
        """Those of the texts that stand in the cache."""
        with closing(self._open()) as cache:
            return self._look_up(cache, texts)

    def keep(self, found: dict[str, Encoded]) -> None:
        """Put into the cache what the encoder gave elsewhere."""
        with closing(self._open()) as cache:
            _keep(cache, found)
            _trim(cache)

    def prepare(self, texts: Sequence[str], progress: Progress = no_progress) -> None:
        """These texts, and no others, will be asked for one by one. Raises InputError for an unusable text."""
        self._ready = self.get(texts, progress)

    def encode_now(self, text: str) -> Encoded:
        """What was prepared, else what the encoder gives."""
        return self._ready.get(text) or self._encoder.encode_now(text)

    async def encode(self, text: str) -> Encoded:
        """What was prepared, else what the encoder gives."""
        return self._ready.get(text) or await self._encoder.encode(text)

    def close(self) -> None:
        """Nothing: whoever opened the encoder closes it."""

    def _open(self) -> sqlite3.Connection:
        folder = Path(self._home.path) / "cache"
        folder.mkdir(parents=True, exist_ok=True)
        key = hashlib.sha256(f"{self._encoder.digest}\0{self._encoder.runtime}".encode()).hexdigest()
        path = folder / f"embeddings-{key[:16]}.sqlite"
        try:
            return _connect(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)  # a damaged cache is worth nothing
            return _connect(path)

    def _look_up(self, cache: sqlite3.Connection, texts: Sequence[str]) -> dict[str, Encoded]:
        width = self.dimension * np.dtype(np.float32).itemsize
        found = {}
        for text in dict.fromkeys(texts):
            query = "SELECT vector, tokens, truncated FROM vectors WHERE key = ?"
            row = cache.execute(query, (_key(text),)).fetchone()
            if row is not None and len(row[0]) == width:
                found[text] = Encoded(np.frombuffer(row[0], dtype=np.float32), row[1], bool(row[2]))
        return found


def embed(
    home: Home, encoder: OnnxEncoder, texts: Sequence[str], progress: Progress = no_progress
) -> NDArray[np.float32]:
    """Vectors float32 (n, dimension), bit-equal to what the encoder gives in service."""
    return Embedder(home, encoder).vectors(texts, progress)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS vectors "
        "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, tokens INTEGER NOT NULL, truncated INTEGER NOT NULL)"
    )
    return connection


def _keep(cache: sqlite3.Connection, found: dict[str, Encoded]) -> None:
    with cache:
        cache.executemany(
            "INSERT OR REPLACE INTO vectors (key, vector, tokens, truncated) VALUES (?, ?, ?, ?)",
            [(_key(text), one.vector.tobytes(), one.tokens, int(one.truncated)) for text, one in found.items()],
        )


def _trim(cache: sqlite3.Connection) -> None:
    (rows,) = cache.execute("SELECT COUNT(*) FROM vectors").fetchone()
    if rows > MOST_ROWS:
        with cache:
            cache.execute(
                "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors ORDER BY rowid LIMIT ?)",
                (rows - MOST_ROWS,),
            )
