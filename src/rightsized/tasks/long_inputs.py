"""Chats that no tier can read at once, read in pieces: notes of each, then the request with notes in place of its text.

Opt-in (`[gateway] long_inputs`). Such an answer stands on what a model noted, not on the text: it is never certified,
says so, and every step is an attempt on record. Rules about where data may go bind each step as they bind the request.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from msgspec.structs import replace

from rightsized.cascade.generate import Ladder
from rightsized.cascade.mapreduce import MapReduce, Note, Outcome, Piece, Room, Told
from rightsized.cascade.replay import pieces_of
from rightsized.cascade.tier import Tier, asked_tokens
from rightsized.core.errors import ContextLengthError, UpstreamError
from rightsized.core.generation import AUTO, Completion, Generation, GivenTests, Usage, words_of
from rightsized.core.generation import Piece as StreamPiece
from rightsized.core.protocols import Answerer
from rightsized.core.streams import closing
from rightsized.core.types import Attempt, Begun, Reply, Request
from rightsized.tasks.long_text import LongText, long_text, size

NOTE = 256  # tokens of one note
ANSWER = 512  # tokens kept free for an answer whose length the request does not limit
FRAME = 300  # tokens of our instructions and around them
LANES = 2  # steps asked at a time
NOTHING = "NOTHING"
MAP = (
    "A request is too long to be read at once. You read one part of it, between <part> and </part>, and write notes "
    "for whoever will answer it from notes alone: what in this part is needed for that, in few words, with its "
    "numbers, names, conditions and negations as they stand. Answer nothing yourself. If nothing in it is needed, "
    f"write {NOTHING}."
)
REDUCE = (
    "You join notes on neighbouring parts of a request into shorter ones, for whoever will answer it from notes alone. "
    "Keep what is needed for that, with its numbers, names, conditions and negations as they stand. Answer nothing "
    "yourself."
)
BEGINS = "The request begins and ends so:"


class LongInputs(Answerer):
    """Around a ladder: what is too long for it is read in pieces by one tier, step by step through the ladder.

    Args:
        inner: the ladder, or what stands around it.
        ladder: says which tiers there are.
        steps: the most pieces' steps of one request; more are refused as too long.
    """

    def __init__(self, inner: Answerer, ladder: Ladder, *, steps: int) -> None:
        self._inner, self._ladder, self._steps = inner, ladder, steps

    async def answer(self, request: Request) -> Reply:
        """The whole answer. Raises as the ladder, and UpstreamError where no piece could be read."""
        way = self._way(request)
        if way is not None and self._vetoed(request):
            return await self._in_pieces(request, *way)
        try:
            return await self._inner.answer(request)
        except ContextLengthError:
            if way is None:
                raise
            return await self._in_pieces(request, *way)

    async def stream(self, request: Request) -> AsyncGenerator[Begun | StreamPiece | Reply, None]:
        """As `answer`; what was read in pieces is given out once it is whole."""
        way = self._way(request)
        if way is None or not self._vetoed(request):
            async with closing(self._inner.stream(request)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        reply = await self._in_pieces(request, *way)
        if reply.completion is not None:
            yield Begun(reply.id, reply.rung, reply.tier, reply.model, reply.state, False, reply.steps)
            for one in pieces_of(reply.completion, "chat"):
                yield one
        yield reply

    def most_cost(self, generation: Generation, usage: Usage) -> float:
        """US dollars that a request may cost at most, its steps included."""
        reader = self._reader(generation)
        if reader is None or self._ladder.may_ask(generation):
            return self._ladder.most_cost(generation, usage)
        read = 2 * usage.prompt_tokens + self._steps * FRAME
        return reader.cost(Usage(read, self._steps * NOTE + usage.completion_tokens))

    def _way(self, request: Request) -> tuple[Tier, LongText] | None:
        """Who can read the request in pieces, and its long text; None where that cannot be done."""
        generation = request.generation
        reader = self._reader(generation) if generation is not None else None
        text = long_text(generation) if generation is not None and reader is not None else None
        return (reader, text) if reader is not None and text is not None else None

    def _vetoed(self, request: Request) -> bool:
        """Whether no tier may be asked at all: then nothing has to be tried to know that it is too long."""
        return request.generation is not None and not self._ladder.may_ask(request.generation)

    def _reader(self, generation: Generation) -> Tier | None:
        """The last tier that is kept from the request by its length alone, or the one that was named."""
        setup = self._ladder.setup
        named = generation.model if generation.model != AUTO else setup.uncertified_tier
        some = [one for one in setup.tiers if named in ("", one.name, one.config.model)]
        short = replace(generation, body={**generation.body, "messages": []})
        able = [one for one in some if not one.veto(short) and _context(one)]
        return able[-1] if able else None

    async def _in_pieces(self, request: Request, reader: Tier, text: LongText) -> Reply:
        began = time.perf_counter()
        asking = _Asking(self._inner, request, reader, text)
        outcome = await asking.read(self._steps)
        if not outcome.notes and outcome.unread:
            raise UpstreamError(f"No part of the request could be read: {outcome.steps[0].reason}", retryable=False)
        body = {**asking.body, "messages": text.noted([one.text for one in outcome.notes])}
        reply = await asking.ask(body, request.generation.tests if request.generation else None)
        attempts = tuple(asking.attempts)
        completion = _labelled(reply.completion, outcome, attempts) if reply.completion is not None else None
        return replace(
            reply,
            state="none",
            certificate="",
            certified=False,
            cost=sum(one.cost for one in attempts),
            latency_ms=(time.perf_counter() - began) * 1000,
            attempts=attempts,
            completion=completion,
        )


class _Asking:
    """Asks one tier about one request, step by step. `attempts` gathers those of every step."""

    def __init__(self, inner: Answerer, request: Request, reader: Tier, text: LongText) -> None:
        assert request.generation is not None
        self._inner, self._request, self._reader, self._text = inner, request, reader, text
        self._generation = request.generation
        self.body = request.generation.body
        self.attempts: list[Attempt] = [] if request.trace is None else request.trace

    async def read(self, steps: int) -> Outcome:
        """Notes that fit into the request in place of its long text. Raises ContextLengthError, ConfigError."""
        generation, text = self._generation, self._text
        others = size(words_of(generation)) - size(text.text) + size(text.edges())
        answer = asked_tokens(generation) or ANSWER
        left = _context(self._reader) - FRAME - others
        room = Room(left - NOTE, NOTE, steps, LANES, generation.deadline, enough=left - answer)
        pieces = [Piece(at, one, size(one)) for at, one in enumerate(text.pieces())]
        reader = MapReduce(self, room, size)
        if len(reader.groups(pieces)) > steps:
            raise ContextLengthError(
                f"The prompt is too long for every tier, and to be read in {steps} steps by {self._reader.name!r}.",
                fix="Shorten it, or raise gateway.long_steps.",
            )
        return await reader.run(pieces)

    async def map(self, pieces: Sequence[Piece]) -> Told:
        """Notes of a part of the text."""
        part = "".join(one.text for one in pieces)
        return await self._told(MAP, f"<part>\n{part}\n</part>")

    async def reduce(self, notes: Sequence[Note], *, last: bool) -> Told:
        """Fewer notes."""
        return await self._told(REDUCE, "\n\n".join(one.text for one in notes))

    async def _told(self, instructions: str, material: str) -> Told:
        user = f"{BEGINS}\n{self._text.edges()}\n\n{material}"
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": user}]
        reply = await self.ask({"messages": messages, "max_tokens": NOTE, "temperature": 0.0})
        written = reply.completion
        if written is None:
            reasons = "; ".join(dict.fromkeys(one.reason for one in reply.attempts if one.reason))
            raise UpstreamError(f"No model wrote a note: {reasons}.", retryable=False)
        text = "" if written.text.strip().strip(".") == NOTHING else written.text
        return Told(text, written.finish == "length", reply.rung, reply.id, written.usage, reply.cost)

    async def ask(self, body: dict[str, Any], tests: GivenTests | None = None) -> Reply:
        """One step through the ladder, under all that binds the request; tests are of the last one's answer alone."""
        trace: list[Attempt] = []
        generation = replace(self._generation, body=body, model=self._reader.name, stream=False, conversation="")
        generation = replace(generation, tests=tests)
        try:
            return await self._inner.answer(replace(self._request, generation=generation, trace=trace, conversation=""))
        finally:
            self.attempts += trace


def _labelled(written: Completion, outcome: Outcome, attempts: Sequence[Attempt]) -> Completion:
    """The answer with what it stands on, and the tokens of every step."""
    maps = [one for one in outcome.steps if one.kind == "map"]
    told = f"read in {len(maps)} parts: the answer stands on notes that a model made of them, not on the text"
    failed = sum(not one.done for one in maps)
    warnings = (*written.warnings, told, *((f"{failed} of {len(maps)} parts could not be read",) if failed else ()))
    used = [one.completion.usage for one in attempts if one.completion is not None]
    usage = Usage(
        sum(one.prompt_tokens for one in used),
        sum(one.completion_tokens for one in used),
        any(one.estimated for one in used),
    )
    body = {key: value for key, value in written.body.items() if key != "usage"}
    return replace(written, warnings=warnings, usage=usage, body=body)


def _context(tier: Tier) -> int:
    """Tokens that a tier reads; 0 where that is not known."""
    return tier.config.context or tier.generator.context
