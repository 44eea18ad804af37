"""What the service hands to a search: the collection's learned order, and the cross-encoder that the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from judged_samples import judged
from msgspec.structs import replace
from numpy.typing import NDArray
from word_encoder import WordEncoder

from rightsized.apps.search.collections import Collections
from rightsized.apps.search.evaluate.bootstrap import compare, interval
from rightsized.apps.search.evaluate.collected import collect
from rightsized.apps.search.protocols import Reranker
from rightsized.apps.search.rank.ordering import Ordering
from rightsized.apps.search.rank.rerankers import Reranking
from rightsized.apps.search.rank.saved import save_ordering
from rightsized.apps.search.rank.tuning import Tuned
from rightsized.apps.search.service import Question, SearchService
from rightsized.core.config import Config, SearchConfig
from rightsized.core.egress import Egress
from rightsized.core.errors import NotFoundError
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.encoders import pull_encoder
from rightsized.tasks.rerankers import configured_reranker
from tiny_reranker import write_tiny_reranker

QUESTION = Question("Which law governs?", limit=20)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home").ensure()
    collect(home.path, "made", judged(), WordEncoder()).collection.close()
    yield home


def texts(home: Home, reranker: Reranker | None = None) -> tuple[list[str], tuple[str, ...]]:
    collections = Collections(home, WordEncoder)  # type: ignore[arg-type]  # an encoder is all that searching needs
    service = SearchService(collections, reranking=Reranking(lambda collection, caller: reranker))
    try:
        found = asyncio.run(service.search("made", QUESTION, ("everyone",)))
        return [hit.found.passage.text for hit in found.hits], found.notes
    finally:
        service.close()


class Shortest:
    """Prefers short passages."""

    model = "sha256:shortest"

    async def scores(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        return np.array([-len(passage) for passage in passages], np.float32)


def test_a_reranker_sorts_the_first_anew(home: Home) -> None:
    before, _ = texts(home)
    after, notes = texts(home, Shortest())
    assert after != before and notes == ()
    assert [len(one) for one in after] == sorted(len(one) for one in after)


def test_a_learned_order_is_used(home: Home) -> None:
    report = Tuned(30, interval([0.1]), interval([0.2]), compare([0.1], [0.2]), True, {}, 0, "sha256:x")
    longest = Ordering({"length": 1.0})
    before, _ = texts(home)
    save_ordering(home.path / "search" / "made", longest, report, encoder=WordEncoder.digest, created=1.0)
    after, _ = texts(home)
    counts = [len(one.split()) for one in after]
    assert after != before and counts == sorted(counts, reverse=True)


def test_the_settings_name_a_cross_encoder(tmp_path: Path) -> None:
    config = Config(home=str(tmp_path / "home"))
    assert configured_reranker(config) is None
    named = replace(config, search=SearchConfig(reranker="tiny"))
    with pytest.raises(NotFoundError, match="'tiny', which is not installed"):
        configured_reranker(named)
    store = ModelStore(Home(tmp_path / "home").ensure())
    pull_encoder(str(write_tiny_reranker(tmp_path / "tiny")), store=store, egress=Egress(), name="tiny")
    opened = configured_reranker(named)
    assert opened is not None and len(asyncio.run(opened.scores("a", ["b", "c"]))) == 2
    opened.close()
