"""A tier that reranks (llama.cpp with a rank-pooling model, or a server that speaks Jina's rerank) as a `Reranker`.

It is asked through the gateway, so that policy, egress, budgets and the record bind here as for any request.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import ForbiddenError, UnsupportedError, UpstreamError
from rightsized.core.generation import Caller, DataClass, Generation, strictest
from rightsized.tasks.gateway_protocol import Gateway
from rightsized.tasks.remote import RunningServer

PATIENCE_SECONDS = 30.0  # the budget of reranking ends a call earlier; this one ends what nobody waits for


class TierReranker:
    """Implements `apps.search.protocols.Reranker`: the scores are those of one tier, or of its fallback."""

    def __init__(
        self,
        gateway: Callable[[], Gateway | None],
        tier: str,
        caller: Caller,
        *,
        data_class: DataClass,
        collection: str = "",
    ) -> None:
        """
        Args:
            gateway: gives the one that is running when it is asked.
            tier: its name.
            caller: who searches; the decision is theirs.
            data_class: what the documents hold; the caller's can only be stricter.
            collection: whose passages they are. Which documents is not known here, so that the record names none that
                anybody may see, and its texts are shown to nobody.
        """
        self._gateway, self._tier, self._caller = gateway, tier, caller
        self._documents = (f"{collection}/",) if collection else ()
        self._class = strictest(data_class, caller.data_class)

    @property
    def model(self) -> str:
        """`sha256:...` of the tier's model; of its name where that cannot be said."""
        running = self._gateway()
        tiers = running.standing().tiers if running is not None else ()
        return _named(next((one.digest for one in tiers if one.name == self._tier), ""), self._tier)

    async def scores(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """float32 (n,): relevance as the model gives it.

        Raises UnsupportedError (no gateway is running), ForbiddenError (the tier may not be sent this), UpstreamError,
        and what the gateway raises.
        """
        if not passages:
            return np.zeros(0, np.float32)
        running = self._gateway()
        if running is None:
            raise UnsupportedError(f"Tier {self._tier!r} is not open here.")
        body = {"query": question, "documents": list(passages)}
        deadline = time.monotonic() + PATIENCE_SECONDS
        asked = Generation(
            "rerank", body, self._tier, data_class=self._class, deadline=deadline, documents=self._documents
        )
        reply = await running.generate(asked, self._caller)
        if reply.completion is None:
            reasons = "; ".join(dict.fromkeys(one.reason for one in reply.attempts if one.reason))
            raise ForbiddenError(f"Tier {self._tier!r} was passed over: {reasons}.")
        return scores_of(reply.completion.body, len(passages), self._tier)


class ServedReranker:
    """Implements `Reranker` for a command beside a running server: that one's tier is asked, under its rules."""

    def __init__(self, server: RunningServer, tier: str, *, data_class: DataClass) -> None:
        self._server, self._tier, self._class = server, tier, data_class

    @property
    def model(self) -> str:
        """As TierReranker says it."""
        tiers = self._server.gateway().tiers
        return _named(next((one.digest for one in tiers if one.name == self._tier), ""), self._tier)

    async def scores(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """float32 (n,): relevance as the model gives it. Raises what the server answered."""
        if not passages:
            return np.zeros(0, np.float32)
        ask = self._server.rerank
        body = await asyncio.to_thread(ask, self._tier, question, passages, self._class)
        return scores_of(body, len(passages), self._tier)


def _named(digest: str, tier: str) -> str:
    named = digest or tier
    return named if named.startswith("sha256:") else "sha256:" + hashlib.sha256(named.encode()).hexdigest()


def scores_of(body: dict[str, Any], count: int, tier: str) -> NDArray[np.float32]:
    """The scores in an answer of `rerank`, by the documents' places. Raises UpstreamError where one is missing."""
    found = np.full(count, np.nan, np.float32)
    try:
        for row in body["results"]:
            found[row["index"]] = row["relevance_score"]
    except (KeyError, TypeError, IndexError, ValueError):
        raise UpstreamError(f"Tier {tier!r} gave no list of scores.", retryable=False) from None
    if not np.isfinite(found).all():
        raise UpstreamError(f"Tier {tier!r} left passages without a score.", retryable=False)
    return found
