"""A reranking tier as a reranker: what is sent, what is read of the answer, what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from rightsized.apps.search.rank.tier_reranker import TierReranker
from rightsized.core.errors import UnsupportedError, UpstreamError
from rightsized.core.generation import Completion, Generation, Operation
from rightsized.engines.fake_generator import FakeGenerator


class Tier(FakeGenerator):
    """Answers `rerank` with the results it was given."""

    def __init__(self, results: Any) -> None:
        super().__init__("ranker", lambda _: "")
        self.results = results
        self.asked: list[Generation] = []

    @property
    def operations(self) -> frozenset[Operation]:
        return frozenset(("rerank",))

    async def generate(self, generation: Generation) -> Completion:
        self.asked.append(generation)
        return Completion(body={"results": self.results})


def row(index: int, score: float) -> dict[str, float]:
    return {"index": index, "relevance_score": score}


def test_scores_come_in_the_order_of_the_passages() -> None:
    tier = Tier([row(1, 3.5), row(0, -2.0)])
    reranker = TierReranker(tier, data_class="internal")
    found = asyncio.run(reranker.scores("when?", ["a", "b"]))
    np.testing.assert_array_equal(found, np.array([-2.0, 3.5], np.float32))
    assert tier.asked[0].body == {"query": "when?", "documents": ["a", "b"]}
    assert (tier.asked[0].operation, tier.asked[0].data_class) == ("rerank", "internal")
    assert reranker.model == tier.digest


@pytest.mark.parametrize(
    "results", [[row(0, 1.0)], [row(0, 1.0), row(7, 1.0)], [{"index": 0}], None, [row(0, float("inf"))]]
)
def test_an_answer_that_leaves_passages_out_is_an_error(results: Any) -> None:
    with pytest.raises(UpstreamError):
        asyncio.run(TierReranker(Tier(results)).scores("q", ["a", "b"]))


def test_nothing_to_read_asks_nobody() -> None:
    tier = Tier([])
    assert asyncio.run(TierReranker(tier).scores("q", [])).shape == (0,)
    assert tier.asked == []


def test_a_tier_that_does_not_rerank_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="does not rerank"):
        TierReranker(FakeGenerator("chat", lambda _: ""))
