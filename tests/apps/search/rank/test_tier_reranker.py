"""A reranking tier as a reranker: what the gateway is asked, what is read of the answer, what binds, a real model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rightsized.apps.search.rank.rerankers import NOTHING, reranking_of
from rightsized.apps.search.rank.reranking import Budget, rerank
from rightsized.apps.search.rank.tier_reranker import TierReranker
from rightsized.core.config import Config, load
from rightsized.core.errors import ConfigError, ForbiddenError, UnsupportedError, UpstreamError
from rightsized.core.generation import Caller, Completion, Generation
from rightsized.core.types import Attempt, Reply
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.store.home import Home
from rightsized.tasks.gateway_protocol import GatewayStatus, TierStatus
from rightsized.tasks.service import LocalService
from tests.engines.tiny_gguf import folder, write_reranker

CALLER = Caller(key="k1", tenant="ward-3", data_class="internal")


class Gateway:
    """Answers `rerank` with the results it was given; None: every tier is passed over."""

    def __init__(self, results: Any) -> None:
        self.results = results
        self.asked: list[tuple[Generation, Caller]] = []

    async def generate(self, generation: Generation, caller: Caller, conversation: str = "") -> Reply:
        self.asked.append((generation, caller))
        if self.results is None:
            over = Attempt("ranker", 2, "", 0.0, 0.0, False, reason="it may not be sent secret data")
            return Reply("d1", "chat", "abstained", None, "person", 0, "", 0.0, "none", attempts=(over,))
        completion = Completion(body={"results": self.results})
        return Reply("d1", "chat", "answered", None, "ranker", 2, "sha256:1", 0.0, "none", completion=completion)

    def standing(self) -> GatewayStatus:
        return GatewayStatus("chat", (TierStatus("ranker", 2, "fake", digest="sha256:tier"),))


def reranker(results: Any, data_class: Any = "public") -> tuple[TierReranker, Gateway]:
    gateway: Any = Gateway(results)
    return TierReranker(lambda: gateway, "ranker", CALLER, data_class=data_class), gateway


def row(index: int, score: float) -> dict[str, float]:
    return {"index": index, "relevance_score": score}


def test_scores_come_in_the_order_of_the_passages_and_the_decision_is_the_askers() -> None:
    ranks, gateway = reranker([row(1, 3.5), row(0, -2.0)])
    found = asyncio.run(ranks.scores("when?", ["a", "b"]))
    np.testing.assert_array_equal(found, np.array([-2.0, 3.5], np.float32))
    ((asked, caller),) = gateway.asked
    assert (asked.operation, asked.model) == ("rerank", "ranker")
    assert asked.body == {"query": "when?", "documents": ["a", "b"]}
    assert caller == CALLER
    assert ranks.model == "sha256:tier"


@pytest.mark.parametrize(("documents", "sent"), [("public", "internal"), ("health", "health")])
def test_the_stricter_class_of_documents_and_caller_binds(documents: str, sent: str) -> None:
    ranks, gateway = reranker([row(0, 1.0)], documents)
    asyncio.run(ranks.scores("q", ["a"]))
    assert gateway.asked[0][0].data_class == sent


@pytest.mark.parametrize(
    "results", [[row(0, 1.0)], [row(0, 1.0), row(7, 1.0)], [{"index": 0}], 3, [row(0, float("inf"))]]
)
def test_an_answer_that_leaves_passages_out_is_an_error(results: Any) -> None:
    with pytest.raises(UpstreamError):
        asyncio.run(reranker(results)[0].scores("q", ["a", "b"]))


def test_a_tier_that_is_passed_over_is_an_error_that_says_why() -> None:
    with pytest.raises(ForbiddenError, match="may not be sent secret data"):
        asyncio.run(reranker(None)[0].scores("q", ["a"]))


def test_nothing_to_read_asks_nobody_and_no_gateway_is_said() -> None:
    ranks, gateway = reranker([])
    assert asyncio.run(ranks.scores("q", [])).shape == (0,)
    assert gateway.asked == []
    with pytest.raises(UnsupportedError, match="not open here"):
        asyncio.run(TierReranker(lambda: None, "ranker", CALLER, data_class="public").scores("q", ["a"]))


TIER = """
[search]
reranker = "ranker"
data_classes = {{health = "health"}}
data_class = "internal"
{budget}

[[tiers]]
name = "ranker"
engine = "llamacpp"
model = "{model}"
operations = {operations}
data_classes = ["internal"]
options = {{threads = 1}}
"""


def settings(place: Path, operations: str = '["rerank"]', budget: str = "reranker_seconds = 60.0") -> Config:
    file = place / "rightsized.toml"
    model = write_reranker(folder() / "reranker.gguf")
    file.write_text(TIER.format(model=model, operations=operations, budget=budget), "utf-8")
    return load(file, environment={}, flags={"home": str(place / "home")})


def test_settings_that_cannot_rerank_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not rerank"):
        reranking_of(settings(tmp_path, '["chat"]'), lambda: None)
    with pytest.raises(ConfigError, match="leave nothing to read"):
        reranking_of(settings(tmp_path, budget="reranker_passages = 0"), lambda: None)
    assert reranking_of(settings(tmp_path), lambda: None).budget == Budget(20, 60.0)
    assert reranking_of(Config(home=str(tmp_path)), lambda: None).of("docs", CALLER) is None
    assert NOTHING.of("docs", CALLER) is None


def test_a_llama_cpp_model_reranks_under_the_policy_and_on_record(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    config = settings(tmp_path)
    passages = ["bank money", "the cat sat", "a red fox ran"]

    async def scenario() -> tuple[Any, Any]:
        async with LocalService(config, purpose="test", record=True, gateway=True) as service:
            reranking = reranking_of(config, lambda: service.gateway)
            fused = np.linspace(1, 0, len(passages), dtype=np.float32)
            ours, theirs = reranking.of("docs", CALLER), reranking.of("health", CALLER)
            assert ours is not None and theirs is not None
            allowed = await rerank("the cat", passages, fused, ours, reranking.budget)
            kept = await rerank("the cat", passages, fused, theirs, reranking.budget)
            return allowed, kept

    allowed, kept = asyncio.run(scenario())
    assert allowed.note == "" and np.isfinite(allowed.raw).all() and len(set(allowed.raw.tolist())) == 3
    assert allowed.scores.argmax() == allowed.raw.argmax()
    assert "forbidden" in kept.note and np.isnan(kept.raw).all()
    reader = LedgerReader(Home(config.home).decisions)
    try:
        decisions = reader.search(Search(), limit=10)
    finally:
        reader.close()
    answered = [one.reply for one in decisions if one.reply is not None and one.reply.status == "answered"]
    assert [one.rung for one in answered] == ["ranker"]
    assert [one.tenant for one in decisions] == ["ward-3", "ward-3"]
