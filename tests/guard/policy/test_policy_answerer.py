"""`Policy(inner)`: what reaches the answerer inside, and what leaves with the reply or the error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from policy_samples import PLACES

from rightsized.core.egress import DECISION
from rightsized.core.errors import ForbiddenError, UpstreamError
from rightsized.core.generation import Generation, Piece
from rightsized.core.protocols import Answerer
from rightsized.core.types import Begun, Reply, Request
from rightsized.core.verdicts import Verdict
from rightsized.guard.policy.answerer import Policy
from rightsized.guard.policy.store import PolicyStore

OWN = Verdict("own", "flag", "output", "of a check inside")


class Inside(Answerer):
    """Notes what it is asked; fails where told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[Request] = []
        self.decisions: list[str] = []
        self._fails = fails

    async def answer(self, request: Request) -> Reply:
        self.asked.append(request)
        self.decisions.append(DECISION.get())
        if self._fails:
            error = UpstreamError("away")
            error.verdicts = (OWN,)
            raise error
        return Reply(request.id, request.task, "answered", None, "small", 2, "m", 0.0, "none", verdicts=(OWN,))

    async def stream(self, request: Request) -> AsyncIterator[Begun | Piece | Reply]:
        yield Begun(request.id, "small", 2, "m", "none", False)
        yield await self.answer(request)


def behind(tmp_path: Path, text: str, inner: Inside, *places: Any) -> Policy:
    (tmp_path / "policy.toml").write_text(text)
    store = PolicyStore(tmp_path / "policy.toml")
    return Policy(inner, store, places) if places else Policy(inner, store)


def request(**more: Any) -> Request:
    generation = Generation("chat", {"messages": []}, data_class="internal")
    return msgspec.structs.replace(Request("chat", "", id="d-1", generation=generation), **more)


def test_without_a_policy_nothing_is_touched(tmp_path: Path) -> None:
    inner, store = Inside(), PolicyStore(tmp_path / "policy.toml")
    asked = request()
    reply = asyncio.run(Policy(inner, store, PLACES).answer(asked))
    assert inner.asked == [asked]
    assert inner.asked[0] is asked
    assert (reply.verdicts, reply.policy) == ((OWN,), "")
    assert inner.decisions == ["d-1"]  # connections are noted with it


def test_vetoes_travel_in_the_request_and_verdicts_leave_with_the_reply(tmp_path: Path) -> None:
    inner = Inside()
    reply = asyncio.run(behind(tmp_path, "version = 1", inner, *PLACES).answer(request()))
    assert inner.asked[0].generation is not None
    assert set(inner.asked[0].generation.vetoes) == {"cloud", "eu"}
    assert [verdict.subject for verdict in reply.verdicts] == [
        "request",
        "tier:small",
        "tier:cloud",
        "tier:eu",
        "output",
    ]
    assert reply.policy.startswith("sha256:")


def test_an_error_carries_the_verdicts_once(tmp_path: Path) -> None:
    policy = behind(tmp_path, "version = 1", Inside(fails=True), *PLACES)
    with pytest.raises(UpstreamError) as caught:
        asyncio.run(policy.answer(request()))
    assert [v.subject for v in caught.value.verdicts] == ["request", "tier:small", "tier:cloud", "tier:eu", "output"]


DENY = 'version = 1\n[[requests]]\nid = "no"\neffect = "deny"\ntasks = ["support"]\n'


def test_a_task_is_denied_as_a_whole(tmp_path: Path) -> None:
    inner = Inside()
    with pytest.raises(ForbiddenError, match="rule no") as caught:
        asyncio.run(behind(tmp_path, DENY, inner).answer(Request("support", "hello")))
    assert inner.asked == []
    assert [verdict.rule for verdict in caught.value.verdicts] == ["no", "default:on-premises"]
    assert asyncio.run(behind(tmp_path, DENY, inner).answer(Request("tone", "hello"))).policy


def test_a_task_whose_class_may_not_be_worked_on_here_is_denied(tmp_path: Path) -> None:
    text = 'version = 1\n[[flows]]\nid = "not-here"\neffect = "deny"\ndata_classes = ["health"]\ntiers = ["task"]\n'
    inner = Inside()
    with pytest.raises(ForbiddenError, match="not-here"):
        asyncio.run(behind(tmp_path, text, inner).answer(Request("tone", "hello", data_class="health")))
    asyncio.run(behind(tmp_path, text, inner).answer(Request("tone", "hello", data_class="public")))
    assert len(inner.asked) == 1


def test_who_declares_nothing_is_taken_to_hold_the_most_restrictive(tmp_path: Path) -> None:
    text = 'version = 1\n[[requests]]\nid = "no"\neffect = "deny"\ndata_classes = ["secret"]\n'
    with pytest.raises(ForbiddenError):
        asyncio.run(behind(tmp_path, text, Inside()).answer(Request("tone", "hello")))


async def pieces(policy: Policy, asked: Request) -> list[Any]:
    return [piece async for piece in policy.stream(asked)]


def test_a_stream_is_ruled_before_its_first_piece(tmp_path: Path) -> None:
    inner = Inside()
    found = asyncio.run(pieces(behind(tmp_path, "version = 1", inner, *PLACES), request()))
    assert [type(piece).__name__ for piece in found] == ["Begun", "Reply"]
    assert found[-1].verdicts[-1] == OWN
    with pytest.raises(ForbiddenError) as caught:
        asyncio.run(pieces(behind(tmp_path, DENY.replace("support", "chat"), Inside(), *PLACES), request()))
    assert len(caught.value.verdicts) == 4
    with pytest.raises(UpstreamError) as failed:
        asyncio.run(pieces(behind(tmp_path, "version = 1", Inside(fails=True), *PLACES), request()))
    assert len(failed.value.verdicts) == 5
