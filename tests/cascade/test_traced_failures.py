"""What is left of a request that gets no reply: every tier that was asked, with its time, its cost and its failure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from rightsized.cascade.generate import Calibrated, Ladder, LadderSetup
from rightsized.cascade.promise import Promise
from rightsized.cascade.route import Cascade, CascadeSetup
from rightsized.cascade.tier import Tier
from rightsized.core.errors import BusyError, InputError, UpstreamError
from rightsized.core.generation import Completion, Delta, Generation
from rightsized.core.protocols import Scored
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Attempt, Request
from rightsized.engines.fake_generator import FakeGenerator

DEAR = {"price_in": 1_000_000.0, "price_out": 1_000_000.0}  # a dollar a token


class Sure:
    """Says what it is told of every answer, or fails."""

    def __init__(self, after: float | Exception) -> None:
        self._after = after

    async def outside(self, generation: Generation) -> str:
        return ""

    async def before(self, tier: str, generation: Generation) -> float:
        return 1.0

    async def after(
        self, tier: str, generation: Generation, completion: Completion, samples: Sequence[Completion] = ()
    ) -> float:
        if isinstance(self._after, Exception):
            raise self._after
        return self._after


def tier(name: str, generator: FakeGenerator | None = None, **settings: Any) -> Tier:
    fail = settings.pop("fail", "")
    writer = generator or FakeGenerator(name, lambda generation: "one two", fail=fail)
    return Tier(TierConfig(name=name, url="http://127.0.0.1", **settings), writer)


def ladder(*tiers: Tier, after: float | Exception | None = None) -> Ladder:
    if after is None:
        return Ladder(LadderSetup(tiers, Promise("none")))
    calibrated = Calibrated(tuple(one.name for one in tiers), (0.8,), (), Sure(after))
    return Ladder(LadderSetup(tiers, Promise("certified", "c1"), calibrated))


def ask(model: str = "auto") -> Request:
    body = {"messages": [{"role": "user", "content": "hello"}]}
    return Request(task="chat", text="", id="d1", generation=Generation("chat", body, model), trace=[])


def failed(built: Ladder, request: Request, kind: type[BaseException], match: str | None = None) -> list[Attempt]:
    with pytest.raises(kind, match=match):
        asyncio.run(built.answer(request))
    assert request.trace is not None
    return request.trace


def test_every_tier_that_failed_is_left_with_its_reason() -> None:
    tiers = (tier("small", fail="out of memory", fallback=("large",)), tier("large", fail="away"))
    small, large = failed(ladder(*tiers), ask("small"), UpstreamError, "away")
    assert (small.rung, small.reason, large.rung, large.reason) == (
        "small", "failed: out of memory", "large", "failed: away",
    )  # fmt: skip
    assert small.latency_ms > 0


def test_a_draft_paid_for_before_the_failure_is_left_with_its_cost() -> None:
    small, large = failed(ladder(tier("small", **DEAR), tier("large", fail="away"), after=0.1), ask(), UpstreamError)
    assert small.completion is not None
    assert (small.completion.text, small.cost) == ("one two", 1 + 2)
    assert large.reason == "failed: away"


class Busy(FakeGenerator):
    async def generate(self, generation: Generation) -> Completion:
        raise BusyError("full")


def test_a_tier_that_was_too_busy_to_be_asked_was_not_given_the_text() -> None:
    (only,) = failed(ladder(tier("small", Busy("small", lambda g: ""))), ask("small"), BusyError)
    assert only.reason == "not reached: full"


class Crashes(FakeGenerator):
    async def generate(self, generation: Generation) -> Completion:
        raise ZeroDivisionError("a mistake of ours")


def test_a_failure_that_nobody_foresaw_is_left_too_and_asks_nobody_else() -> None:
    large = tier("large")
    built = ladder(tier("small", Crashes("small", lambda g: ""), fallback=("large",)), large)
    (only,) = failed(built, ask("small"), ZeroDivisionError)
    assert only.reason == "failed: ZeroDivisionError"  # its words may hold the prompt
    assert large.generator.calls == 0  # type: ignore[attr-defined]


def test_a_draft_whose_check_fails_is_left() -> None:
    (only,) = failed(ladder(tier("small"), tier("large"), after=ValueError("no such array")), ask(), ValueError)
    assert only.completion is not None
    assert only.reason == "not checked: failed: ValueError"


def test_a_tier_that_was_at_work_when_the_caller_left_is_left() -> None:
    slow = FakeGenerator("small", lambda generation: "late", delay_s=30.0)
    request = ask("small")

    async def main() -> None:
        task = asyncio.create_task(ladder(tier("small", slow)).answer(request))
        await asyncio.sleep(0.02)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert request.trace is not None
    assert [one.reason for one in request.trace] == ["failed: nobody waited for its answer any longer"]


class Dies(FakeGenerator):
    async def stream(self, generation: Generation) -> Any:
        yield Delta({}, "half an ")
        yield Delta({}, "answer")
        raise UpstreamError("broke off")


@pytest.mark.parametrize("leaves", [False, True])
def test_what_a_broken_stream_said_is_left_with_an_estimate_of_its_cost(leaves: bool) -> None:
    request, built = ask("small"), ladder(tier("small", Dies("small", lambda g: ""), **DEAR))

    async def main() -> None:
        async with contextlib.aclosing(built.stream(request)) as pieces:
            async for piece in pieces:
                if leaves and isinstance(piece, Delta) and piece.text == "answer":
                    return

    if leaves:
        asyncio.run(main())
    else:
        with pytest.raises(UpstreamError, match="broke off"):
            asyncio.run(main())
    assert request.trace is not None
    (only,) = request.trace
    assert only.completion is not None
    assert only.completion.body["choices"][0]["message"]["content"] == only.completion.text == "half an answer"
    assert only.completion.usage.estimated
    assert only.cost == 2 + 4  # "hello" and "half an answer" by their lengths
    assert only.reason == ("failed: nobody waited for its answer any longer" if leaves else "failed: broke off")


class Rung:
    name, tier, model, cost = "ngram", 3, "sha256:a", 0.0

    async def score(self, text: str) -> Scored:
        raise InputError("the text is too long")


def test_a_rung_that_refuses_the_text_is_left() -> None:
    cascade = Cascade(CascadeSetup("t", "v1", (Rung(),), (0.5,), "none"))  # type: ignore[arg-type]
    request = Request(task="t", text="hello", id="d1", trace=[])
    with pytest.raises(InputError):
        asyncio.run(cascade.answer(request))
    assert request.trace is not None
    assert [one.reason for one in request.trace] == ["failed: InputError: the text is too long"]
