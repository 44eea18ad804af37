"""A reranking tier (llama.cpp with a rank-pooling model, or a server that speaks Jina's rerank) as a `Reranker`.

The caller answers for where the passages go: a tier elsewhere must come wrapped in the policy, as for any request.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import UnsupportedError, UpstreamError
from rightsized.core.generation import DataClass, Generation, Generator

PATIENCE_SECONDS = 30.0  # the budget of reranking ends a call earlier; this one ends what nobody waits for


class TierReranker:
    """Implements `apps.search.protocols.Reranker` over a generator that does `rerank`."""

    def __init__(self, generator: Generator, *, data_class: DataClass = "secret") -> None:
        """Raises UnsupportedError where the tier does not rerank."""
        if "rerank" not in generator.operations:
            raise UnsupportedError(
                f"Tier {generator.name!r} does not rerank.", fix='Give it operations = ["rerank"] and a model for it.'
            )
        self._generator = generator
        self._data_class = data_class

    @property
    def model(self) -> str:
        """`sha256:...` of the tier's model; of its name where it cannot say."""
        named = self._generator.digest
        return named if named.startswith("sha256:") else "sha256:" + hashlib.sha256(named.encode()).hexdigest()

    async def scores(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """float32 (n,): relevance as the model gives it. Raises UpstreamError and what the tier raises."""
        if not passages:
            return np.zeros(0, np.float32)
        body = {"query": question, "documents": list(passages)}
        deadline = time.monotonic() + PATIENCE_SECONDS
        asked = Generation("rerank", body, data_class=self._data_class, deadline=deadline)
        answer = await self._generator.generate(asked)
        found = np.full(len(passages), np.nan, np.float32)
        try:
            for row in answer.body["results"]:
                found[row["index"]] = row["relevance_score"]
        except (KeyError, TypeError, IndexError, ValueError):
            raise UpstreamError(f"Tier {self._generator.name!r} gave no list of scores.", retryable=False) from None
        if not np.isfinite(found).all():
            raise UpstreamError(f"Tier {self._generator.name!r} left passages without a score.", retryable=False)
        return found
