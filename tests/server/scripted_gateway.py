"""A Gateway whose models each behave in one way: answer, fail, break off, hang, never end. Nothing is recorded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

from rightsized.core.errors import (
    BusyError,
    ContextLengthError,
    ForbiddenError,
    NotFoundError,
    RateLimitError,
    RightsizedError,
    UpstreamError,
    UpstreamTimeoutError,
)
from rightsized.core.generation import DATA_CLASSES, Burst, Caller, Completion, Delta, EngineStatus, Generation, Usage
from rightsized.core.types import Attempt, Begun, Certificate, Reply, State
from rightsized.engines.fake_generator import FakeGenerator
from rightsized.tasks.gateway_protocol import GatewayStatus, ModelEntry, TierStatus
from rightsized.tasks.records import MonitorStatus

FAILURES: dict[str, RightsizedError] = {
    "fails": UpstreamError("The tier 'fails' refused the connection.", fix="Start it."),
    "late": UpstreamTimeoutError("No tier answered before the request's deadline."),
    "busy": BusyError("256 requests are being answered already."),
    "limited": RateLimitError("This key may ask 60 times a minute.", retry_after=7.2),
    "long": ContextLengthError("The prompt has about 9,000 tokens; 4,096 is the most."),
    "forbidden": ForbiddenError("No tier may take secret data in eu."),
}
TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
USAGE = Usage(11, 3)
WORDS = ("It ", "is ", "raining.")


class ScriptedGateway:
    """`seen` holds every request; `closed` is set once a model that never ends was ended from outside."""

    def __init__(self) -> None:
        self.seen: list[tuple[Generation, Caller, str]] = []
        self.began, self.closed, self.pieces = threading.Event(), threading.Event(), 0
        self._ids = count(1)
        self.state: State = "none"
        self.certificate: Certificate | None = None
        self.monitor: MonitorStatus | None = None
        self.note = "Nothing was calibrated for these tiers."

    cascade = "chat"

    def standing(self) -> GatewayStatus:
        tiers = (
            TierStatus(
                "small", 2, "llamacpp", "small-1b", digest="sha256:1", on_premises=True, operations=("chat",),
                data_classes=DATA_CLASSES, context=4096, ready=True, in_flight=3,
            ),
            TierStatus(
                "large", 1, "remote", "acme-large", "https://models.example/v1", "sha256:2", on_premises=False,
                operations=("chat",), data_classes=("public", "internal"), region="eu", price_in=2.5, price_out=10.0,
                ready=False, detail="refused the connection",
            ),
        )  # fmt: skip
        return GatewayStatus("chat", tiers, self.state, "20261118-1", self.certificate, self.note, self.monitor)

    def models(self) -> list[ModelEntry]:
        operations = ("chat", "completions")
        return [
            ModelEntry("auto", "cascade", 2, operations, 0, "certified", "cert-chat-1"),
            ModelEntry("small", "tier", 2, operations, 4096),
            ModelEntry("vectors", "tier", 2, ("embeddings", "rerank"), 512),
            ModelEntry("acme/small-1b", "model", 2, operations, 4096),
        ]

    def failures(self) -> dict[tuple[str, str], int]:
        return {("fails", "upstream"): 3, ("fails", "busy"): 1}

    def status(self) -> dict[str, EngineStatus]:
        return {"small": EngineStatus(True, 0), "fails": EngineStatus(False, 0, "refused the connection", "open", 2)}

    async def generate(self, generation: Generation, caller: Caller, conversation: str = "") -> Reply:
        self._see(generation, caller, conversation)
        if generation.model == "hangs":
            await self._hang()
        return await self._reply(generation)

    async def stream(
        self, generation: Generation, caller: Caller, conversation: str = ""
    ) -> AsyncGenerator[Begun | Burst | Delta | Reply, None]:
        self._see(generation, caller, conversation)
        model = generation.model
        if model in ("held back", "fails late", "abstains late"):
            await asyncio.sleep(0.5)
        if model == "fails late":
            raise UpstreamError("The tier 'fails late' closed the connection.")
        if model.startswith("abstains"):
            yield await self._reply(generation)
            return
        reply = await self._reply(generation)
        if model == "whole":  # an answer from memory: there are no pieces
            yield reply
            return
        yield Begun(reply.id, "small", 2, "sha256:1", "certified", certified=True)
        if model == "breaks before":
            raise UpstreamError("The model server closed the connection.")
        if model == "hangs":
            await self._hang()
        if model == "quiet":
            await asyncio.sleep(0.5)
        assert reply.completion is not None
        if model == "tools":
            for chunk in _tool_chunks():
                yield Delta(chunk)
        elif model == "bursts":
            plain = [Delta(_chunk({"content": word}), word, alike=k > 0) for k, word in enumerate(WORDS)]
            yield Burst([Delta(_chunk({"role": "assistant", "content": ""})), *plain])
        elif model == "endless":
            async for piece in self._endless():
                yield piece
        else:
            for number, word in enumerate(WORDS):
                if model == "breaks" and number == 2:
                    raise UpstreamError("The model server died.")
                yield Delta(_chunk({"content": word}), word)
        yield Delta(_chunk({}, "tool_calls" if model == "tools" else "stop"))
        yield Delta({"object": "chat.completion.chunk", "choices": [], "usage": {"prompt_tokens": 11}})
        yield reply

    async def _endless(self) -> AsyncGenerator[Delta, None]:
        self.began.set()
        try:
            while True:
                self.pieces += 1
                yield Delta(_chunk({"content": "word " * 200}), "word " * 200)
                await asyncio.sleep(0)
        finally:
            self.closed.set()

    async def _hang(self) -> None:
        self.began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            self.closed.set()

    def _see(self, generation: Generation, caller: Caller, conversation: str) -> None:
        self.seen.append((generation, caller, conversation))
        if generation.model in FAILURES:
            raise FAILURES[generation.model]
        if generation.model == "nowhere":
            raise NotFoundError("There is no model 'nowhere'.", fix="Models here: auto, small.")
        if generation.model == "crashes":
            raise ZeroDivisionError("secret internals")

    async def _reply(self, generation: Generation) -> Reply:
        identity = f"d-{next(self._ids)}"
        if generation.model.startswith("abstains"):
            attempts = (Attempt("small", 2, "sha256:1", 0.2, 0.9, False, reason="its answer did not pass the check"),)
            return Reply(identity, "chat", "abstained", None, "person", 0, "", 0.2, "certified", attempts=attempts)
        completion = _made(generation) or await self._completion(generation)
        return Reply(
            identity, "chat", "answered", None, "small", 2, "sha256:1", 0.93, "certified", "cert-chat-1", True,
            cost=0.000042, completion=completion,
        )  # fmt: skip

    async def _completion(self, generation: Generation) -> Completion:
        if generation.model == "echo":
            return await FakeGenerator("echo", lambda g: str(g.body["messages"][-1]["content"])).generate(generation)
        message: dict[str, Any] = {"role": "assistant", "content": "".join(WORDS)}
        finish = "stop"
        if generation.model == "tools":
            message, finish = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}, "tool_calls"
        if generation.model == "json":
            message = {"role": "assistant", "content": '{"city": "Oslo", "rain": true}'}
        choice = {"index": 0, "finish_reason": finish, "logprobs": None}
        if generation.operation == "chat":
            choice["message"] = message
        else:
            choice["text"] = "".join(WORDS)
        kind = "chat.completion" if generation.operation == "chat" else "text_completion"
        body = {"id": "upstream-7", "object": kind, "created": 1_795_000_000, "model": "small-1b", "choices": [choice]}
        body["usage"] = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14, "cached": 2}
        return Completion(text="".join(WORDS), finish=finish, usage=USAGE, body=body)


def _made(generation: Generation) -> Completion | None:
    """Vectors (always as numbers, whatever was asked for) or scores."""
    body = generation.body
    if generation.operation == "embeddings":
        rows = [{"index": i, "embedding": [0.5, 0.25, float(i)]} for i in reversed(range(len(body["input"])))]
        return Completion(usage=Usage(4, 0), body={"object": "list", "data": rows, "model": "vectors-v1"})
    if generation.operation == "rerank":
        scores = [{"index": i, "relevance_score": len(text) / 100} for i, text in enumerate(body["documents"])]
        return Completion(usage=Usage(9, 0), body={"results": scores})
    return None


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "upstream-7",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "small-1b",
        "choices": [choice],
    }


def _tool_chunks() -> list[dict[str, Any]]:
    function = {"name": "weather", "arguments": ""}
    start = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}
    rest = [{"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in ('{"city": ', '"Oslo"}')]
    return [_chunk(delta) for delta in (start, *rest)]
