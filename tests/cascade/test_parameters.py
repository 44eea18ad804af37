"""Which parameters of requests a promise covers, and which answers were cut by the request itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rightsized.cascade.generate import Calibrated, Ladder, LadderSetup
from rightsized.cascade.parameters import parameters_of, why_cut, why_untested
from rightsized.cascade.promise import Promise
from rightsized.cascade.tier import Tier
from rightsized.core.generation import Completion, Generation
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Begun, Reply
from rightsized.engines.fake_generator import FakeGenerator
from tests.cascade.test_generate import Told, answer, ask, stream, tier

WORDS = [{"role": "user", "content": "hello"}]
UNTOUCHED = (
    {"stream": True, "stream_options": {"include_usage": True}, "user": "u1", "metadata": {"a": "b"}},
    {"max_tokens": 200, "max_completion_tokens": None, "temperature": None, "stop": None, "tools": []},
    {"logprobs": True, "top_logprobs": 2, "response_format": {"type": "json_object"}},
)
OTHERWISE = (
    {"temperature": 1.8},
    {"temperature": 0},
    {"seed": 7},
    {"top_p": 0.1},
    {"stop": ["\n"]},
    {"tools": [{"type": "function", "function": {"name": "f"}}]},
    {"some_field_of_a_server": 1},
)


class Short(FakeGenerator):
    """A model that stops at the limit at once."""

    async def generate(self, generation: Generation) -> Completion:
        return msgspec.structs.replace(await super().generate(generation), finish="length")


def cascade(*tested: str, small: Tier | None = None) -> Ladder:
    calibrated = Calibrated(("small", "large"), (0.8,), (), Told({"small": 0.9}), parameters=tested or ("{}",))
    tiers = (small or tier("small", "small says"), tier("large", "large says", tier=1))
    return Ladder(LadderSetup(tiers, Promise("certified", "c1"), calibrated))


def replied(more: dict[str, Any], *tested: str) -> Reply:
    return answer(cascade(*tested), ask(body={"messages": WORDS, **more}))


@pytest.mark.parametrize("more", UNTOUCHED)
def test_what_says_nothing_of_how_an_answer_is_written_leaves_it_certified(more: dict[str, Any]) -> None:
    reply = replied(more)
    assert (reply.rung, reply.certified) == ("small", True)
    assert reply.completion is not None
    assert reply.completion.warnings == ()


@pytest.mark.parametrize("more", OTHERWISE)
def test_what_was_not_tested_is_answered_uncertified_and_says_why(more: dict[str, Any]) -> None:
    reply = replied(more)
    assert (reply.rung, reply.certified) == ("small", False)
    assert reply.completion is not None
    assert "Not certified: no answer was tested with the parameters" in reply.completion.warnings[0]


def test_parameters_of_the_tested_rows_are_covered() -> None:
    tested = parameters_of(Generation("chat", {"messages": WORDS, **more}) for more in ({"temperature": 0.0}, {}))
    assert tested == ('{"temperature":0}', "{}")
    assert replied({"temperature": 0}, *tested).certified
    assert replied({}, *tested).certified
    assert not replied({"temperature": 0.5}, *tested).certified
    assert not replied({}, '{"temperature":0}').certified


def test_an_answer_that_the_request_cut_is_not_certified() -> None:
    short = Generation("chat", {"messages": WORDS, "max_tokens": 1})
    assert "cut" in why_cut(short, Completion("Os", "length"))
    assert why_cut(short, Completion("Oslo", "stop")) == ""
    assert why_cut(Generation("chat", {"messages": WORDS}), Completion("Os", "length")) == ""


def test_the_ladder_looks_whether_the_answer_was_cut() -> None:
    built = cascade(small=Tier(TierConfig(name="small", url="http://127.0.0.1"), Short("small", lambda asked: "Os")))
    asked = ask(body={"messages": WORDS, "max_tokens": 1})
    reply = answer(built, asked)
    assert (reply.rung, reply.certified) == ("small", False)
    begun, *_, last = stream(built, asked)
    assert isinstance(begun, Begun)
    assert not begun.certified
    assert isinstance(last, Reply)
    assert not last.certified


def test_only_chats_were_tested() -> None:
    assert why_untested(Generation("completions", {"prompt": "hello"}), ("{}",)) == "only chats were tested"
