"""An encoder without weights: words hashed to directions, so that texts that share words are near."""

from __future__ import annotations

import hashlib
import re

import numpy as np

from rightsized.core.protocols import Encoded

WIDTH = 64


class WordEncoder:
    """Implements `core.protocols.Encoder`."""

    digest = "sha256:words"
    dimension = WIDTH
    max_tokens = 256

    def encode_now(self, text: str) -> Encoded:
        words = re.findall(r"\w+", text.lower())
        total = np.zeros(WIDTH)
        for word in words or [""]:
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
            total += np.random.default_rng(seed).standard_normal(WIDTH)
        return Encoded((total / np.linalg.norm(total)).astype(np.float32), len(words), False)

    async def encode(self, text: str) -> Encoded:
        return self.encode_now(text)

    def close(self) -> None:
        """Nothing."""
