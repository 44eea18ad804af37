"""Lets a reranker read the first candidates anew. It may fail or be slow: then the order stands as it was, and says so.

How many it reads, and how long it may take, is a budget: a cross-encoder reads one pair in 10 to 60 ms on one core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.protocols import Reranker
from rightsized.core.errors import RightsizedError
from rightsized.core.frozen import Frozen

Floats = NDArray[np.float32]
_HALF = np.float32(0.5)


class Budget(Frozen, frozen=True):
    """At most so many candidates are read, in at most so many seconds."""

    candidates: int = 20
    seconds: float = 2.0


class Reranked(NamedTuple):
    """`scores`: float32 (n,) in [0, 1], by which all candidates are ordered; `raw`: what the reranker gave, NaN where
    it did not read. `note` says in a sentence why the order stands as it was; empty where it was reranked.
    """

    scores: Floats
    raw: Floats
    note: str = ""


async def rerank(
    question: str, passages: Sequence[str], fused: Floats, reranker: Reranker, budget: Budget | None = None
) -> Reranked:
    """Order candidates anew.

    Args:
        question: as it was asked.
        passages: texts, best first.
        fused: float32 (n,) in [0, 1], not increasing: what ordered them so far.
        reranker: reads the first `budget.candidates` of them, which then stand before all others.
        budget: candidates and seconds.
    """
    budget = budget or Budget()
    raw = np.full(len(passages), np.nan, np.float32)
    read = min(budget.candidates, len(passages))
    if not read:
        return Reranked(fused, raw)
    try:
        found = await asyncio.wait_for(reranker.scores(question, passages[:read]), budget.seconds)
    except TimeoutError:
        return Reranked(fused, raw, f"The reranker took longer than {budget.seconds:g} s; results stand as fused.")
    except RightsizedError as error:
        return Reranked(fused, raw, f"The reranker failed ({error.code}); results stand as fused.")
    if found.shape != (read,) or not np.isfinite(found).all():
        return Reranked(fused, raw, "The reranker gave no score for some passages; results stand as fused.")
    raw[:read] = found
    return Reranked(_merged(fused, found), raw)


def _merged(fused: Floats, found: Floats) -> Floats:
    """Those that were read in the upper half of [0, 1], by place among them; the others in the lower half as they were.

    Places, not logits: rerankers give logits, probabilities or cosines, and the score only has to order this list.
    """
    scores = (fused * _HALF).astype(np.float32)
    order = np.argsort(-found, kind="stable")
    places = np.empty(len(found), np.float32)
    places[order] = np.arange(len(found), dtype=np.float32)
    scores[: len(found)] = 1 - _HALF * places / max(1, len(found))
    return scores
