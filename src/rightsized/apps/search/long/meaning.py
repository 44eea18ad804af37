"""Vectors of passages and sentences of one document: the encoder's where it is at hand, else of their words.

Both are unit vectors, so that their products are cosines. What is compared with what is for the caller to say.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.stems import words_of
from rightsized.apps.search.types import Found
from rightsized.core.errors import NotFoundError
from rightsized.core.protocols import Encoder

LANES = 4  # texts given to the encoder at once, so that one summary does not fill its queue
WIDTH = 1024  # components of a vector of words; two of them rarely share one
Floats = NDArray[np.float32]


class Meaning(Protocol):
    """Gives unit vectors, float32 (n, dimension)."""

    @property
    def of_words(self) -> bool:
        """Whether only words are compared."""
        ...

    async def texts(self, some: Sequence[str]) -> Floats: ...


class Read(NamedTuple):
    """A document's passages with their vectors, float32 (n, dimension), and what gives further ones like them."""

    found: list[Found]
    vectors: Floats
    meaning: Meaning


async def read(view: View, document: str, encoder: Encoder | None) -> Read:
    """The passages of a document. Raises NotFoundError."""
    found = await asyncio.to_thread(view.passages, document)
    if encoder is not None and encoder.digest == view.encoder and found:
        try:
            vectors = await asyncio.to_thread(view.vectors, [one.row for one in found])
        except NotFoundError:  # not embedded yet
            pass
        else:
            return Read(found, vectors, ByEncoder(encoder))
    words = ByWords([one.passage.text for one in found])
    return Read(found, await words.texts([one.passage.text for one in found]), words)


class ByEncoder:
    """Vectors of an encoder."""

    of_words = False

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    async def texts(self, some: Sequence[str]) -> Floats:
        """Raises BusyError."""
        lanes = asyncio.Semaphore(LANES)

        async def vector(text: str) -> Floats:
            async with lanes:
                return (await self._encoder.encode(text)).vector

        vectors = await asyncio.gather(*(vector(text) for text in some))
        return np.array(vectors, np.float32).reshape(len(some), self._encoder.dimension)


class ByWords:
    """Words weighed by how rare they are among the document's passages; each stands in one of WIDTH components."""

    of_words = True

    def __init__(self, passages: Sequence[str]) -> None:
        counts = Counter(word for text in passages for word in set(words_of(text)))
        self._rarity = {word: math.log1p(len(passages) / count) for word, count in counts.items()}

    async def texts(self, some: Sequence[str]) -> Floats:
        vectors = np.zeros((len(some), WIDTH), np.float32)
        for row, text in zip(vectors, some, strict=True):
            for word, count in Counter(words_of(text)).items():
                row[zlib.crc32(word.encode()) % WIDTH] += math.sqrt(count) * self._rarity.get(word, 1.0)
        return unit(vectors)


def unit(vectors: Floats) -> Floats:
    """Rows of length one; those of length zero as they are."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def centre(vectors: Floats) -> Floats:
    """The unit vector in the middle, float32 (dimension,)."""
    return unit(vectors.sum(axis=0)) if len(vectors) else np.zeros(vectors.shape[1], np.float32)
