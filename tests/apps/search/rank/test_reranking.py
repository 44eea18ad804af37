"""The reranking slot: a budget that binds, an order that stays whole, and failures that fall back and say so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rightsized.apps.search.rank.reranking import Budget, rerank
from rightsized.core.errors import BusyError

PASSAGES = [f"passage {i}" for i in range(6)]
FUSED = np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1], np.float32)


class ByLength:
    """Prefers what it is told to; remembers what it read."""

    model = "sha256:fake"

    def __init__(self, given: Sequence[float], *, delay: float = 0.0, error: Exception | None = None) -> None:
        self.given, self.delay, self.error = given, delay, error
        self.read: list[str] = []

    async def scores(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        self.read = list(passages)
        await asyncio.sleep(self.delay)
        if self.error is not None:
            raise self.error
        return np.array(self.given, np.float32)


def test_it_reads_the_first_candidates_and_they_stand_first() -> None:
    reranker = ByLength([-9.0, 4.0, 2.0])
    found = asyncio.run(rerank("q", PASSAGES, FUSED, reranker, Budget(candidates=3)))
    assert reranker.read == PASSAGES[:3]
    assert np.argsort(-found.scores).tolist() == [1, 2, 0, 3, 4, 5]
    assert found.note == ""
    np.testing.assert_array_equal(found.raw[:3], np.array([-9.0, 4.0, 2.0], np.float32))
    assert np.isnan(found.raw[3:]).all()
    assert found.scores.max() <= 1.0 and found.scores.min() >= 0.0


def test_equal_scores_keep_the_order() -> None:
    found = asyncio.run(rerank("q", PASSAGES, FUSED, ByLength([1.0] * 6), Budget(candidates=6)))
    assert np.argsort(-found.scores, kind="stable").tolist() == list(range(6))


@pytest.mark.parametrize(
    ("reranker", "words"),
    [
        (ByLength([1.0] * 6, delay=5.0), "longer than 0.05 s"),
        (ByLength([], error=BusyError("full")), "failed (busy)"),
        (ByLength([1.0]), "no score for some"),
        (ByLength([1.0, float("nan"), 1, 1, 1, 1]), "no score for some"),
    ],
)
def test_a_failure_falls_back_and_says_so(reranker: ByLength, words: str) -> None:
    found = asyncio.run(rerank("q", PASSAGES, FUSED, reranker, Budget(seconds=0.05)))
    np.testing.assert_array_equal(found.scores, FUSED)
    assert words in found.note and "as fused" in found.note
    assert np.isnan(found.raw).all()


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(rerank("q", PASSAGES, FUSED, ByLength([], error=ZeroDivisionError())))


def test_nothing_to_read() -> None:
    reranker = ByLength([])
    found = asyncio.run(rerank("q", [], np.zeros(0, np.float32), reranker))
    assert found.scores.shape == (0,) and reranker.read == []
    none = asyncio.run(rerank("q", PASSAGES, FUSED, reranker, Budget(candidates=0)))
    np.testing.assert_array_equal(none.scores, FUSED)
