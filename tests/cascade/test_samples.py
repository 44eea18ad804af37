"""Further samples of a tier: drawn as calibrated, bounded, paid for, and never in the way of an answer's rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from rightsized.cascade.generate import Calibrated, Ladder, LadderSetup
from rightsized.cascade.parameters import parameters
from rightsized.cascade.promise import Promise
from rightsized.cascade.samples import AT_ONCE, SamplePlan, draw, sample_of
from rightsized.cascade.tier import Tier
from rightsized.core.errors import BusyError, RightsizedError, UpstreamError
from rightsized.core.generation import Completion, Generation
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Begun, Reply, Request
from rightsized.engines.fake_generator import FakeGenerator

PLAN = SamplePlan(6, 0.5, seed=40)
BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "n": 1, "logprobs": True, "temperature": 0.0}


class Counting(FakeGenerator):
    """Says its seed; counts what is under way at a time; fails for some seeds."""

    def __init__(self, broken: Sequence[int] = (), error: RightsizedError | None = None) -> None:
        super().__init__("small", lambda g: f"seed {g.body.get('seed', 'none')}")
        self.seen: list[dict[str, Any]] = []
        self.most = self._now = 0
        self._broken, self._error = broken, error or UpstreamError("out of memory")

    async def generate(self, generation: Generation) -> Completion:
        self.seen.append(generation.body)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(0.001)
            if generation.body.get("seed") in self._broken:
                raise self._error
            return await super().generate(generation)
        finally:
            self._now -= 1


class Agrees:
    """Sure where as many samples came as were calibrated with."""

    def __init__(self) -> None:
        self.samples: tuple[str, ...] = ()

    async def outside(self, generation: Generation) -> str:
        return ""

    async def before(self, tier: str, generation: Generation) -> float:
        return 1.0

    async def after(
        self, tier: str, generation: Generation, completion: Completion, samples: Sequence[Completion] = ()
    ) -> float:
        self.samples = tuple(sample.text for sample in samples)
        return 0.9 if len(samples) == PLAN.count else 0.1


def ladder(small: FakeGenerator, verifier: Agrees, **settings: Any) -> Ladder:
    tiers = (
        Tier(TierConfig("small", url="http://x", **settings), small),
        Tier(TierConfig("large", url="http://x", tier=1), FakeGenerator("large", lambda g: "large says")),
    )
    calibrated = Calibrated(
        ("small", "large"), (0.8,), (), verifier, samples={"small": PLAN}, parameters=(parameters(BODY),)
    )
    return Ladder(LadderSetup(tiers, Promise("certified", "c1"), calibrated))


def request() -> Request:
    return Request("chat", "hi", id="d1", generation=Generation("chat", BODY))


def test_a_sample_asks_the_same_words_with_its_own_seed() -> None:
    body = sample_of(Generation("chat", BODY), PLAN, 2).body
    assert body == {"messages": BODY["messages"], "temperature": 0.5, "seed": 42}


def test_the_same_samples_are_drawn_each_time_a_few_at_once() -> None:
    small = Counting()
    first, again = (asyncio.run(draw(small, Generation("chat", BODY), PLAN)) for _ in range(2))
    assert [sample.text for sample in first.samples] == [f"seed {40 + k}" for k in range(PLAN.count)]
    assert first == again
    assert first.completion.text == "seed none"
    assert small.most <= AT_ONCE + 1
    assert first.usage.completion_tokens == 2 * PLAN.count


def test_the_check_reads_them_and_they_are_paid_for() -> None:
    verifier, prices = Agrees(), {"price_in": 1e6, "price_out": 1e6}  # a dollar a token
    built = ladder(Counting(), verifier, **prices)
    reply = asyncio.run(built.answer(request()))
    assert (reply.rung, reply.certified) == ("small", True)
    assert len(verifier.samples) == PLAN.count
    attempt = reply.attempts[0]
    assert attempt.samples == PLAN.count
    assert reply.cost == (1 + PLAN.count) * (1 + 2)
    most = built.most_cost(
        Generation("chat", BODY), attempt.completion.usage if attempt.completion else attempt.sampled
    )
    assert most >= reply.cost  # a budget sets aside what the samples may charge


def test_streams_wait_for_the_samples_too() -> None:
    async def main() -> list[Any]:
        return [piece async for piece in ladder(Counting(), Agrees()).stream(request())]

    pieces = asyncio.run(main())
    assert isinstance(pieces[0], Begun)
    assert pieces[0].certified
    assert isinstance(pieces[-1], Reply)
    assert pieces[-1].attempts[0].samples == PLAN.count


def test_a_sample_that_fails_leaves_the_answer_unchecked_and_nothing_certified() -> None:
    reply = asyncio.run(ladder(Counting(broken=[43]), Agrees()).answer(request()))
    assert (reply.rung, reply.certified) == ("large", False)
    assert "a further sample failed: out of memory" in reply.attempts[0].reason
    assert reply.attempts[0].samples == PLAN.count - 1  # what was drawn is on record, and paid


def test_load_never_moves_a_request_up() -> None:
    with pytest.raises(BusyError):
        asyncio.run(ladder(Counting(broken=[43], error=BusyError("full")), Agrees()).answer(request()))


def test_an_answer_that_fails_cancels_its_samples() -> None:
    class Refuses(Counting):
        async def generate(self, generation: Generation) -> Completion:
            if "seed" not in generation.body:
                raise UpstreamError("down")
            await asyncio.sleep(60)
            return await super().generate(generation)

    async def main() -> None:
        with pytest.raises(UpstreamError, match="down"):
            await asyncio.wait_for(draw(Refuses(), Generation("chat", BODY), PLAN), 5)

    asyncio.run(main())
