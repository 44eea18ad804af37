"""`POST /v1/responses`: the Responses API over the same writers as chat. Nothing is stored, whatever `store` says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import aclosing
from typing import Any

import msgspec

from rightsized.core.errors import UpstreamError
from rightsized.core.generation import Burst, Delta, Generation
from rightsized.core.types import Begun, Reply
from rightsized.server.openai import asked as wishes
from rightsized.server.openai.address import Parts
from rightsized.server.openai.asked import Asked, answered_by
from rightsized.server.openai.errors import InvalidError, from_exception
from rightsized.server.openai.exchange import JSON_HEADERS, Exchange, Watched
from rightsized.server.openai.requests import Body
from rightsized.server.openai.response_events import Event, ResponseEvents
from rightsized.server.openai.response_request import ResponsesRequest, to_chat
from rightsized.server.openai.response_shape import Outline, items_of
from rightsized.server.openai.shapes import chunks_of, usage_of
from rightsized.server.openai.writing import Pieces, Writers, generation_of
from rightsized.server.reading import DisconnectedError

ROUTE = "/v1/responses"


class Responses:
    """The work of the address."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._writers = parts, Writers(parts)
        self._body = Body(ResponsesRequest, parts.limit)

    async def __call__(self, exchange: Exchange) -> None:
        given, fields = await self._body.read(exchange)
        chat, checked = to_chat(given, fields)
        asked = wishes.read(exchange.scope, self._parts.config)
        generation = generation_of("chat", checked, chat, asked)
        outline = Outline(given, fields)
        if not fields.stream:
            reply, completion = await self._writers.whole(exchange, generation, asked)
            outline.name(reply.id)
            outline.model = completion.body.get("model") or reply.rung
            choices = completion.body.get("choices") or [{}]
            output = items_of(choices[0], outline.id)
            response = outline.ended(output, choices[0].get("finish_reason"), usage_of(reply, completion))
            await exchange.json(200, msgspec.json.encode(response), [*JSON_HEADERS, *answered_by(reply)])
            return
        stream = _Stream(exchange, outline)
        try:
            await self._stream(stream, generation, asked)
        except DisconnectedError:
            raise
        except Exception as error:
            if not exchange.started:  # else the boundary: clients of this API know failures by an event of its own
                raise
            await stream.fail(error)
            self._parts.figures.broken(ROUTE)

    async def _stream(self, stream: _Stream, generation: Generation, asked: Asked) -> None:
        async with Watched(stream.exchange, self._parts.keep_alive):
            async with aclosing(self._writers.pieces(generation, asked)) as pieces:
                reply = await stream.pass_on(pieces)
            completion = self._writers.counted(generation, reply, asked.caller.tenant)
            if not stream.events.began:
                stream.prepare(reply)
                for chunk in chunks_of("chat", completion.body):
                    await stream.write(stream.events.chunk(chunk))
            await stream.finish(stream.events.end(usage_of(reply, completion)))


class _Stream:
    """Writes the events of one response."""

    def __init__(self, exchange: Exchange, outline: Outline) -> None:
        self.exchange, self.events = exchange, ResponseEvents(outline)
        self._outline = outline

    def prepare(self, answer: Begun | Reply) -> None:
        """From here on events may be written."""
        if not self.exchange.prepared:
            self._outline.name(answer.id)
            self._outline.model = answer.rung
            self.exchange.prepare_events(answered_by(answer))

    async def pass_on(self, pieces: Pieces) -> Reply:
        """Write pieces as they come. Raises UpstreamError where they end without a Reply."""
        async for piece in pieces:
            if isinstance(piece, Begun):
                self.prepare(piece)
            elif isinstance(piece, Delta | Burst):
                await self.write(self._events_of((piece,) if isinstance(piece, Delta) else piece))
            else:
                return piece
        raise UpstreamError("The stream ended before its end was recorded.")

    def _events_of(self, pieces: tuple[Delta, ...]) -> Iterator[Event]:
        for piece in pieces:
            self._outline.model = piece.body.get("model") or self._outline.model
            yield from self.events.chunk(piece.body)

    async def write(self, events: Iterable[Event]) -> None:
        """Write events, in one piece."""
        data = b"".join(map(_framed, events))
        if data:
            await self.exchange.event(data)

    async def finish(self, events: Iterable[Event]) -> None:
        """Write the last events and end the response."""
        await self.exchange.finish(b"".join(map(_framed, events)))

    async def fail(self, error: Exception) -> None:
        """Say that the answer broke off, and end the response."""
        detail = from_exception(error, ROUTE).body.error
        if not self._outline.id:
            self._outline.name(detail.decision or "")
        begin = [] if self.events.began else list(self.events.begin())
        await self.finish([*begin, self.events.failed(detail)])


async def not_stored(exchange: Exchange) -> None:
    """What asks for a response by its id gets."""
    raise InvalidError("Responses are not stored here.", None, "not_found", 404)


def _framed(event: dict[str, Any]) -> bytes:
    kind: str = event["type"]
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(event) + b"\n\n"
