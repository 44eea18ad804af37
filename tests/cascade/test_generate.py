"""The ladder of tiers that write: vetoes first, then predictions and checks, and failures that keep the rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from rightsized.cascade.generate import Calibrated, Ladder, LadderSetup
from rightsized.cascade.promise import Promise
from rightsized.cascade.tier import Tier
from rightsized.core.errors import (
    BusyError,
    ContextLengthError,
    ForbiddenError,
    NotFoundError,
    UnsupportedError,
    UpstreamError,
)
from rightsized.core.generation import Completion, Delta, Generation
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Begun, Reply, Request, State
from rightsized.engines.fake_generator import FakeGenerator


def tier(name: str, answer: str = "yes", **settings: Any) -> Tier:
    fail = settings.pop("fail", "")
    off = settings.pop("off_premises", False)
    writer = FakeGenerator(name, lambda generation: answer, fail=fail, on_premises=not off)
    return Tier(TierConfig(name=name, url="http://127.0.0.1", **settings), writer)


def ask(text: str = "hello", **more: Any) -> Request:
    conversation = more.pop("conversation", "")
    body = more.pop("body", {"messages": [{"role": "user", "content": text}]})
    generation = Generation(more.pop("operation", "chat"), body, **more)
    return Request(task="chat", text=text, id="d1", conversation=conversation, generation=generation)


class Told:
    """A verifier that says what it is told to, by tier."""

    def __init__(self, after: dict[str, float], before: dict[str, float] | None = None) -> None:
        self._after, self._before = after, before or {}

    async def outside(self, generation: Generation) -> str:
        return ""

    async def before(self, tier: str, generation: Generation) -> float:
        return self._before.get(tier, 1.0)

    async def after(
        self, tier: str, generation: Generation, completion: Completion, samples: Sequence[Completion] = ()
    ) -> float:
        return self._after[tier]


def ladder(*tiers: Tier, state: State = "none", calibrated: Calibrated | None = None, **more: Any) -> Ladder:
    return Ladder(LadderSetup(tiers, Promise(state, "c1" if calibrated else ""), calibrated, **more))


def cascade(after: dict[str, float], *, person: bool = False, **more: Any) -> Ladder:
    """small (0.8) -> large; with `person`, large must clear 0.5 too."""
    thresholds = (0.8, 0.5) if person else (0.8,)
    before = more.pop("before", None)
    calibrated = Calibrated(("small", "large"), thresholds, (0.3,), Told(after, before))
    tiers = more.pop("tiers", (tier("small", "small says"), tier("large", "large says", tier=1)))
    return ladder(*tiers, state=more.pop("state", "certified"), calibrated=calibrated, **more)


def answer(built: Ladder, request: Request) -> Reply:
    return asyncio.run(built.answer(request))


def stream(built: Ladder, request: Request) -> list[Begun | Delta | Reply]:
    async def main() -> list[Begun | Delta | Reply]:
        return [piece async for piece in built.stream(request)]

    return asyncio.run(main())


def text(pieces: list[Begun | Delta | Reply]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Delta))


def test_the_small_tier_answers_certified_where_its_check_passes() -> None:
    reply = answer(cascade({"small": 0.9}), ask())
    assert (reply.rung, reply.certified, reply.state, reply.confidence) == ("small", True, "certified", 0.9)
    assert reply.completion is not None
    assert reply.completion.text == "small says"


def test_a_failed_check_escalates_and_keeps_the_draft() -> None:
    reply = answer(cascade({"small": 0.79}), ask())
    assert (reply.rung, reply.tier, reply.certified) == ("large", 1, False)
    assert "0.7900 is below 0.8000" in reply.attempts[0].reason
    assert reply.attempts[0].completion is not None


def test_after_the_last_tier_stands_a_person() -> None:
    reply = answer(cascade({"small": 0.1, "large": 0.4}, person=True), ask())
    assert (reply.status, reply.completion, reply.tier) == ("abstained", None, 0)
    assert answer(cascade({"small": 0.1, "large": 0.5}, person=True), ask()).certified


def test_a_score_that_is_no_probability_never_answers() -> None:
    assert answer(cascade({"small": float("nan")}), ask()).rung == "large"
    assert answer(cascade({"small": 1.5}), ask()).rung == "large"


def test_the_prompt_alone_may_pass_a_tier_over_before_it_writes() -> None:
    small = tier("small")
    built = cascade({"small": 0.9}, before={"small": 0.2}, tiers=(small, tier("large", "large says")))
    reply = answer(built, ask())
    assert reply.rung == "large"
    assert small.generator.calls == 0  # type: ignore[attr-defined]
    assert "by the prompt" in reply.attempts[0].reason


@pytest.mark.parametrize("state", ["none", "suspended"])
def test_without_a_promise_the_configured_tier_answers_uncertified(state: State) -> None:
    reply = answer(cascade({"small": 0.9}, state=state), ask())
    assert (reply.rung, reply.state, reply.certified) == ("large", "none", False)
    reply = answer(cascade({"small": 0.9}, state=state, uncertified_tier="small"), ask())
    assert (reply.rung, reply.certified) == ("small", False)


def test_an_expired_promise_is_none() -> None:
    promise = Promise("certified", "c1", expires=100.0, clock=lambda: 101.0)
    calibrated = Calibrated(("small", "large"), (0.8,), (), Told({"small": 1.0}))
    built = Ladder(LadderSetup((tier("small"), tier("large")), promise, calibrated))
    assert answer(built, ask()).rung == "large"
    assert "expired" in promise.void


def test_data_stays_where_it_may_be() -> None:
    remote = tier("large", off_premises=True, data_classes=("public", "internal"))
    built = ladder(tier("small"), remote)
    assert answer(built, ask(data_class="public")).rung == "large"
    assert answer(built, ask(data_class="health")).rung == "small"
    with pytest.raises(ForbiddenError, match="health data may not be sent there"):
        answer(built, ask(data_class="health", model="large"))
    undeclared = tier("large", off_premises=True)
    with pytest.raises(ForbiddenError):
        answer(ladder(undeclared), ask(data_class="public"))


def test_no_fallback_steps_around_a_rule() -> None:
    down = tier("small", fail="down", fallback=("large",))
    remote = tier("large", off_premises=True, data_classes=("public",))
    built = ladder(down, remote, uncertified_tier="small")
    assert answer(built, ask(data_class="public")).rung == "large"
    with pytest.raises(UpstreamError, match="down"):
        answer(built, ask(data_class="secret"))
    assert remote.generator.calls == 1  # type: ignore[attr-defined]


def test_a_draft_that_may_not_go_up_goes_to_a_person() -> None:
    tiers = (tier("small"), tier("large", off_premises=True, data_classes=("public",)))
    reply = answer(cascade({"small": 0.1}, tiers=tiers), ask(data_class="secret"))
    assert reply.status == "abstained"


def test_residency_binds_tiers_beyond_this_machine() -> None:
    remote = tier("large", off_premises=True, data_classes=("public",), region="eu")
    built = ladder(remote)
    assert answer(built, ask(data_class="public", region="eu")).rung == "large"
    with pytest.raises(ForbiddenError, match="must stay in ch"):
        answer(built, ask(data_class="public", region="ch"))


def test_a_tier_here_that_says_it_runs_elsewhere_is_held_to_it() -> None:
    tunnel = ladder(tier("tunnel", region="eu"))
    with pytest.raises(ForbiddenError, match="must stay in us; this tier is in eu"):
        answer(tunnel, ask(region="us"))
    assert answer(tunnel, ask(region="eu")).rung == "tunnel"
    assert answer(ladder(tier("here")), ask(region="us")).rung == "here"


def test_what_a_tier_cannot_do_is_said() -> None:
    with pytest.raises(UnsupportedError, match="does not do embeddings"):
        answer(ladder(tier("small")), ask(operation="embeddings", body={"input": "x"}))
    built = ladder(tier("small", context=10), tier("large", context=100))
    assert answer(built, ask("word " * 20, model="auto")).rung == "large"
    with pytest.raises(ContextLengthError, match="it reads 10"):
        answer(built, ask("word " * 20, model="small"))
    with pytest.raises(NotFoundError, match="gpt-9"):
        answer(built, ask(model="gpt-9"))


def test_a_text_in_another_language_goes_to_a_tier_that_reads_it() -> None:
    small = Tier(TierConfig(name="small", url="http://x", languages=("en",)), FakeGenerator("small", lambda g: "hi"))
    spoken = Tier(small.config, small.generator, language=lambda text: "de" if "Guten" in text else "en")
    built = cascade({"small": 0.9}, tiers=(spoken, tier("large")))
    assert answer(built, ask("Hello")).rung == "small"
    assert answer(built, ask("Guten Tag")).rung == "large"


def test_a_tier_that_fails_sends_the_request_on_and_nothing_is_promised() -> None:
    tiers = (tier("small", fail="out of memory"), tier("large"))
    reply = answer(cascade({"large": 0.9}, person=True, tiers=tiers), ask())
    assert (reply.rung, reply.certified, reply.status) == ("large", False, "answered")
    assert "out of memory" in reply.attempts[0].reason
    with pytest.raises(UpstreamError, match="away"):
        answer(ladder(tier("small", fail="away")), ask())


def test_vectors_of_another_model_are_no_stand_in() -> None:
    class Vectors(FakeGenerator):
        operations = frozenset({"embeddings"})

    def vectors(name: str, model: str, fail: str = "", **more: Any) -> Tier:
        config = TierConfig(name=name, url="http://x", model=model, operations=("embeddings",), **more)
        return Tier(config, Vectors(name, lambda generation: "", fail=fail))

    asked = ask(operation="embeddings", body={"input": "x"}, model="a")
    down = vectors("a", "m", "down", fallback=("b", "c"))
    assert answer(ladder(down, vectors("b", "other"), vectors("c", "m")), asked).rung == "c"
    with pytest.raises(UpstreamError, match="down"):
        answer(ladder(vectors("a", "m", "down", fallback=("b",)), vectors("b", "other")), asked)


def test_what_the_engine_reads_counts_where_the_settings_do_not_say() -> None:
    small = tier("small")
    small.generator.context = 10  # type: ignore[attr-defined]
    assert answer(ladder(small, tier("large"), uncertified_tier=""), ask("word " * 20)).rung == "large"
    with pytest.raises(ContextLengthError, match="it reads 10"):
        answer(ladder(small), ask("word " * 20))


class Refuses(FakeGenerator):
    async def generate(self, generation: Generation) -> Completion:
        raise UpstreamError("temperature must be below 2", upstream_status=400, retryable=False)


def test_where_nobody_answers_the_failure_told_is_the_one_that_the_client_can_mend() -> None:
    refusing = Tier(TierConfig(name="small", url="http://x", fallback=("large",)), Refuses("small", lambda g: ""))
    with pytest.raises(UpstreamError, match="below 2"):
        answer(ladder(refusing, tier("large", fail="away")), ask(model="small"))
    assert answer(ladder(refusing, tier("large")), ask(model="small")).rung == "large"


class Busy(FakeGenerator):
    async def generate(self, generation: Generation) -> Completion:
        raise BusyError("full")


def test_a_last_tier_that_is_down_is_a_failure_to_try_again_after_not_a_case_for_a_person() -> None:
    tiers = (tier("small"), tier("large", fail="away"))
    with pytest.raises(UpstreamError, match="away"):
        answer(cascade({"small": 0.1}, tiers=tiers), ask())
    reply = answer(cascade({"small": 0.1}, person=True, tiers=tiers), ask())
    assert reply.status == "abstained"


def test_being_busy_does_not_escalate() -> None:
    busy = Tier(TierConfig(name="small", url="http://x"), Busy("small", lambda generation: ""))
    with pytest.raises(BusyError):
        answer(cascade({"small": 0.9}, tiers=(busy, tier("large"))), ask())
    named = Tier(TierConfig(name="small", url="http://x", fallback=("large",)), busy.generator)
    assert answer(ladder(named, tier("large")), ask(model="small")).rung == "large"


def test_a_conversation_stays_where_it_moved() -> None:
    verifier = Told({"small": 0.1})
    calibrated = Calibrated(("small", "large"), (0.8,), (), verifier)
    built = ladder(tier("small"), tier("large"), state="certified", calibrated=calibrated)

    async def main() -> list[Reply]:
        first = await built.answer(ask(conversation="c"))
        verifier._after["small"] = 0.9
        return [first, await built.answer(ask(conversation="c")), await built.answer(ask(conversation="other"))]

    moved, stayed, other = asyncio.run(main())
    assert [moved.rung, stayed.rung, other.rung] == ["large", "large", "small"]
    assert "moved up" in stayed.attempts[0].reason
    assert other.certified


class Sure(FakeGenerator):
    """Gives log probabilities where it is asked for them."""

    async def generate(self, generation: Generation) -> Completion:
        completion = await super().generate(generation)
        asked = generation.body.get("logprobs")
        logprobs = {"content": [{"token": "yes", "logprob": -0.1}]} if asked else None
        choices = [{**choice, "logprobs": logprobs} for choice in completion.body["choices"]]
        return Completion(completion.text, "stop", completion.usage, {**completion.body, "choices": choices})


class ReadsLogprobs(Told):
    """Sure only where it is shown log probabilities."""

    async def after(
        self, tier: str, generation: Generation, completion: Completion, samples: Sequence[Completion] = ()
    ) -> float:
        return 0.9 if completion.body["choices"][0]["logprobs"] else 0.1


@pytest.mark.parametrize("client_asks", [False, True])
def test_a_check_that_reads_log_probabilities_gets_them_and_the_client_what_it_asked_for(client_asks: bool) -> None:
    small = Tier(TierConfig(name="small", url="http://x"), Sure("small", lambda generation: "yes"))
    names, logprobs = ("small", "large"), frozenset({"small"})
    calibrated = Calibrated(names, (0.8,), (), ReadsLogprobs({}), logprobs)
    built = ladder(small, tier("large"), state="certified", calibrated=calibrated)
    body = {"messages": [{"role": "user", "content": "hi"}], **({"logprobs": True} if client_asks else {})}
    reply = answer(built, ask(body=body))
    assert reply.rung == "small"
    assert reply.completion is not None
    assert bool(reply.completion.body["choices"][0]["logprobs"]) == client_asks


def test_several_answers_to_one_request_are_not_certified() -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "n": 2}
    assert not answer(cascade({"small": 0.9}), ask(body=body)).certified


def test_what_it_cost_counts_every_draft() -> None:
    dear = {"price_in": 1_000_000.0, "price_out": 2_000_000.0}  # a dollar a token read, two a token written
    tiers = (tier("small", "one two", **dear), tier("large", "one", **dear))
    assert answer(cascade({"small": 0.1}, tiers=tiers), ask("hello")).cost == (1 + 4) + (1 + 2)


def test_a_cascaded_stream_waits_for_its_check() -> None:
    pieces = stream(cascade({"small": 0.9}), ask(stream=True))
    assert isinstance(pieces[0], Begun)
    assert (pieces[0].rung, pieces[0].certified) == ("small", True)
    assert text(pieces) == "small says"
    refused = stream(cascade({"small": 0.1}), ask(stream=True))
    assert text(refused) == "large says"  # nothing of the draft is ever shown
    last = refused[-1]
    assert isinstance(last, Reply)
    assert [attempt.accepted for attempt in last.attempts] == [False, True]


def test_a_stream_may_be_routed_by_the_prompt_alone_and_promises_nothing() -> None:
    small = tier("small", "small says")
    built = cascade({}, stream="route", tiers=(small, tier("large", "large says")))
    pieces = stream(built, ask(stream=True))
    assert text(pieces) == "small says"
    assert isinstance(pieces[-1], Reply)
    assert not pieces[-1].certified
    doubtful = cascade({}, stream="route", before={"small": 0.2})
    assert text(stream(doubtful, ask(stream=True))) == "large says"


def test_a_stream_of_a_tier_that_is_down_goes_to_its_fallback() -> None:
    built = ladder(tier("small", fail="down", fallback=("large",)), tier("large", "large says"))
    pieces = stream(built, ask(model="small", stream=True))
    assert text(pieces) == "large says"
    assert isinstance(pieces[0], Begun)
    assert pieces[0].rung == "large"


class Dies(FakeGenerator):
    async def stream(self, generation: Generation) -> Any:
        yield Delta({}, "half ")
        raise UpstreamError("broke off")


def test_a_stream_that_breaks_off_is_never_continued_by_another_tier() -> None:
    dying = Tier(TierConfig(name="small", url="http://x", fallback=("large",)), Dies("small", lambda g: ""))
    built = ladder(dying, tier("large"))
    seen: list[Any] = []

    async def main() -> None:
        async for piece in built.stream(ask(model="small")):
            seen.append(piece)

    with pytest.raises(UpstreamError, match="broke off"):
        asyncio.run(main())
    assert [type(piece).__name__ for piece in seen] == ["Begun", "Delta"]
