"""An encoder without a model: how often each letter stands in a text."""

from __future__ import annotations

import asyncio

import numpy as np

from rightsized.core.errors import InputError
from rightsized.core.protocols import Encoded


class LetterEncoder:
    """Vectors of how often each letter occurs. Reads ten words."""

    digest, dimension, max_tokens = "sha256:" + "1e" * 32, 26, 10

    def encode_now(self, text: str) -> Encoded:
        words = text.lower().split()
        read = "".join(words[: self.max_tokens])
        counts = np.array([read.count(chr(97 + i)) for i in range(self.dimension)], dtype=np.float32)
        if not counts.any():
            raise InputError("The text has no letters.")
        return Encoded(counts / np.linalg.norm(counts), len(words), len(words) > self.max_tokens)

    async def encode(self, text: str) -> Encoded:
        await asyncio.sleep(0)
        return self.encode_now(text)

    def close(self) -> None: ...
