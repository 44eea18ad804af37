"""`POST /v1/chat/completions` and `POST /v1/completions`: one answer, or its pieces as they come."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol, cast

import msgspec

from rightsized.core.errors import UpstreamError
from rightsized.core.generation import Burst, Caller, Completion, Delta, Generation, GivenTests, Operation, Piece
from rightsized.core.types import Begun, Reply
from rightsized.server.openai import asked as wishes
from rightsized.server.openai.address import Parts
from rightsized.server.openai.asked import Asked, answered_by
from rightsized.server.openai.bodies import ChatRequest, CompletionRequest
from rightsized.server.openai.errors import InvalidError, NeedsPersonError
from rightsized.server.openai.exchange import DONE, JSON_HEADERS, Exchange, Watched
from rightsized.server.openai.requests import Body
from rightsized.server.openai.shapes import CHUNKS, chunks_of, finished, identity, usage_of, whole
from rightsized.server.openai.tasks import PREFIX, TaskModel
from rightsized.tasks.service_protocol import Service

Check = Callable[[Any], None]  # raises InvalidError for what types cannot say
Pieces = AsyncGenerator[Begun | Piece | Reply, None]
_TEXT = b"\0"  # stands for a text in JSON, which itself never holds this byte
NOT_FOR_MODELS = (
    "model",
    "stream",
    "stream_options",
    "rightsized",
)  # of the body: what is between the client and this server


class Writer(Protocol):
    """Whoever answers: the gateway, or a task in its place."""

    async def generate(self, generation: Generation, caller: Caller, conversation: str = "") -> Reply: ...

    def stream(self, generation: Generation, caller: Caller, conversation: str = "") -> Any: ...


class Writers:
    """Finds who answers for a model's name, asks, and counts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tasks = TaskModel(parts.service)

    def of(self, model: str) -> Writer:
        """Raises InvalidError where no tier is configured."""
        if model.startswith(PREFIX):
            return self._tasks
        gateway = self._parts.service.gateway
        if gateway is None:
            raise InvalidError(
                f"No tier is configured here, so there is no model {model!r}. Name models in [[tiers]] of "
                f"rightsized.toml, or ask a task: model = {PREFIX}NAME.",
                "model", "model_not_found", 404,
            )  # fmt: skip
        return gateway

    async def whole(self, exchange: Exchange, generation: Generation, asked: Asked) -> tuple[Reply, Completion]:
        """The whole answer, while the client waits. Raises NeedsPersonError, DisconnectedError, and what writers do."""
        async with Watched(exchange):
            reply = await self.of(generation.model).generate(generation, asked.caller, asked.conversation)
        return reply, self.counted(generation, reply, asked.caller.tenant)

    def pieces(self, generation: Generation, asked: Asked) -> Pieces:
        """The pieces of an answer; to be closed by whoever takes them."""
        writer = self.of(generation.model)
        return cast("Pieces", writer.stream(generation, asked.caller, asked.conversation))

    def counted(self, generation: Generation, reply: Reply, tenant: str) -> Completion:
        """What was written, counted. Raises NeedsPersonError where nothing was."""
        self._parts.figures.replied(reply, tenant)
        if reply.completion is None:
            raise NeedsPersonError(reply)
        if generation.model.startswith(PREFIX):
            self._parts.figures.classified(reply)
        else:
            self._parts.figures.written(generation.operation, reply, reply.completion.usage, tenant)
        return reply.completion


def serves(service: Service, model: str, operation: Operation) -> bool:
    """Whether a tier goes by that name and does that operation."""
    gateway = service.gateway
    entries = gateway.models() if gateway else ()
    return any(entry.id == model and operation in entry.operations for entry in entries)


def generation_of(
    operation: Operation, fields: ChatRequest | CompletionRequest, given: dict[str, Any], asked: Asked
) -> Generation:
    """The request to write. `given` loses what does not go on to a model."""
    for name in NOT_FOR_MODELS:
        given.pop(name, None)
    return Generation(
        operation,
        given,
        fields.model,
        bool(fields.stream),
        asked.data_class,
        asked.region,
        asked.deadline,
        untrusted=asked.untrusted,
        tests=_tests(fields),
    )


def _tests(fields: ChatRequest | CompletionRequest) -> GivenTests | None:
    """The tests that came with a request. Raises InvalidError where nobody would run them."""
    tests = fields.rightsized.tests if fields.rightsized else None
    if tests is None:
        return None
    if fields.model.startswith(PREFIX):
        raise InvalidError("A task writes no code that could be tested.", "rightsized.tests")
    return GivenTests(tests.code, tests.language)


class Writing:
    """The work of an address that writes text."""

    def __init__(
        self, operation: Operation, kind: type[ChatRequest] | type[CompletionRequest], check: Check, parts: Parts
    ) -> None:
        self._operation: Operation = operation
        self._check = check
        self._body: Body[Any] = Body(kind, parts.limit)
        self._parts = parts
        self._writers = Writers(parts)
        self._encoder = msgspec.json.Encoder()

    async def __call__(self, exchange: Exchange) -> None:
        given, fields = await self._body.read(exchange)
        self._check(fields)
        asked = wishes.read(exchange.scope, self._parts.config)
        generation = generation_of(self._operation, fields, given, asked)
        if not fields.stream:
            reply, completion = await self._writers.whole(exchange, generation, asked)
            body = self._encoder.encode(whole(self._operation, reply, completion))
            await exchange.json(200, body, [*JSON_HEADERS, *answered_by(reply)])
            return
        events = _Events(exchange, self._operation, self._encoder)
        async with Watched(exchange, self._parts.keep_alive):
            async with aclosing(self._writers.pieces(generation, asked)) as pieces:
                last = await events.pass_on(pieces)
            completion = self._writers.counted(generation, last, asked.caller.tenant)
            await events.end(last, completion, bool(fields.stream_options and fields.stream_options.include_usage))


class _Events:
    """The chunks of one stream. The chunk that ends the last choice is kept back until the cost is known."""

    def __init__(self, exchange: Exchange, operation: Operation, encoder: msgspec.json.Encoder) -> None:
        self._exchange, self._operation, self._encoder = exchange, operation, encoder
        self._head: dict[str, Any] = {"id": "", "object": CHUNKS[operation], "created": int(time.time()), "model": ""}
        self._last: dict[str, Any] | None = None
        self._seen: set[int] = set()
        self._around: tuple[bytes, bytes] | None = None  # what stands before and after the text of alike pieces

    async def pass_on(self, pieces: Pieces) -> Reply:
        """Write the pieces as they come. Raises UpstreamError where they end without a Reply."""
        async for piece in pieces:
            if isinstance(piece, Delta):
                await self._write(self._event(piece))
            elif isinstance(piece, Burst):
                await self._write(b"".join(map(self._event, piece)))
            elif isinstance(piece, Begun):
                self._head["id"] = identity(self._operation, piece.id)
                self._head["model"] = piece.rung
                self._exchange.prepare_events(answered_by(piece))
            else:
                return piece
        raise UpstreamError("The stream ended before its end was recorded.")

    async def _write(self, data: bytes) -> None:
        if data:
            await self._exchange.event(data)

    def _event(self, piece: Delta) -> bytes:
        """The event of a piece; empty where there is nothing to send yet."""
        if not piece.alike or self._last is not None:
            self._around = None
            return self._chunk(piece.body)
        if self._around is None:
            choice = {**piece.body["choices"][0], "delta": {"content": msgspec.Raw(_TEXT)}}
            before, _, after = self._chunk({**piece.body, "choices": [choice]}).rpartition(_TEXT)
            self._around = (before, after)
        before, after = self._around
        return before + self._encoder.encode(piece.text) + after

    def _chunk(self, body: dict[str, Any]) -> bytes:
        choices = body.get("choices")
        if not choices:
            return b""  # usage alone: it is sent at the end, with the cost
        data = b""
        if self._last is not None:
            data = self._encoded(self._last)
            self._last = None
        chunk = {**body, **self._head, "model": body.get("model") or self._head["model"]}
        chunk.pop("usage", None)
        if self._operation == "chat":
            chunk["choices"] = [self._with_role(choice) for choice in choices]
        self._head["model"] = chunk["model"]
        if finished(chunk):
            self._last = chunk
            return data
        return data + self._encoded(chunk)

    def _with_role(self, choice: dict[str, Any]) -> dict[str, Any]:
        """The first chunk of each choice says who speaks; some servers leave that out."""
        index = choice.get("index", 0)
        if index in self._seen:
            return choice
        self._seen.add(index)
        return {**choice, "delta": {"role": "assistant", **(choice.get("delta") or {})}}

    async def end(self, reply: Reply, completion: Completion, own_event: bool) -> None:
        """Write the end, with usage and cost: in the last chunk, or in an event of its own where that was asked for."""
        if not self._head["id"]:
            self._head["id"] = identity(self._operation, reply.id)
        if not self._exchange.prepared:
            self._exchange.prepare_events(answered_by(reply))
        if self._last is None and not self._exchange.started:
            await self._write(b"".join(map(self._chunk, chunks_of(self._operation, completion.body))))
        usage = usage_of(reply, completion)
        last = self._last
        if own_event or last is None:
            data = self._encoded(last) if last else b""
            data += self._encoded({**self._head, "choices": [], "usage": usage})
        else:
            data = self._encoded({**last, "usage": usage})
        await self._exchange.finish(data + DONE)

    def _encoded(self, chunk: dict[str, Any]) -> bytes:
        return b"data: " + self._encoder.encode(chunk) + b"\n\n"
