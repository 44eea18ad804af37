"""Turns passages into int8 vectors, a few threads at a time; what has been encoded before is taken from the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.index.backend import StoreWriter
from rightsized.apps.search.index.kernels import quantised
from rightsized.core.errors import InputError
from rightsized.core.protocols import Encoder

GROUP = 32  # texts a thread takes at a time, and after which a cancelled sync stops


class Embedder:
    """Encodes with `threads` threads. `encoded` counts the texts that went through the encoder."""

    def __init__(self, encoder: Encoder, writer: StoreWriter, threads: int) -> None:
        self._encoder = encoder
        self._writer = writer
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="embed")
        self.digest = encoder.digest
        self.number = writer.encoder(encoder.digest, encoder.dimension)
        self.encoded = 0

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(
        self, texts: Sequence[str], stopped: Callable[[], bool]
    ) -> tuple[NDArray[np.int8], NDArray[np.float32]] | None:
        """int8 (n, dimension) and scales (n,); None where it was stopped before the end.

        A text that the encoder refuses has a vector of zeros: words find it, meaning does not.
        """
        dimension = self._encoder.dimension
        vectors = np.zeros((len(texts), dimension), dtype=np.int8)
        scales = np.zeros(len(texts), dtype=np.float32)
        known = self._writer.known_vectors(self.number, dimension, texts)
        for at, (vector, scale) in known.items():
            vectors[at], scales[at] = vector, scale
        places: dict[str, list[int]] = {}
        for at, text in enumerate(texts):
            if at not in known:
                places.setdefault(text, []).append(at)
        for text, vector, scale in self._each(list(places), stopped):
            vectors[places[text]], scales[places[text]] = vector, scale
            places.pop(text)
            self.encoded += 1
        return None if places else (vectors, scales)

    def _each(
        self, texts: list[str], stopped: Callable[[], bool]
    ) -> Iterator[tuple[str, NDArray[np.int8], np.float32]]:
        groups = [texts[at : at + GROUP] for at in range(0, len(texts), GROUP)]

        def encode(group: list[str]) -> NDArray[np.float32] | None:
            return None if stopped() else np.array([self._one(text) for text in group], dtype=np.float32)

        for group, found in zip(groups, self._pool.map(encode, groups), strict=True):
            if found is None:
                return
            yield from zip(group, *quantised(found), strict=True)

    def _one(self, text: str) -> NDArray[np.float32]:
        try:
            return self._encoder.encode_now(text).vector
        except InputError:
            return np.zeros(self._encoder.dimension, dtype=np.float32)
