"""A model behind an address: sends requests, tries again within bounds, and gives whole answers or their pieces.

What is sent is decided in `request` and `presets`, what an answer must look like in `answers` and `assemble`, what a
failure means in `failures`. Here is only the order of things.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple

import msgspec

from rightsized.core.egress import Egress
from rightsized.core.errors import BusyError, UpstreamError
from rightsized.core.generation import Completion, EngineStatus, Generation, Operation, Piece
from rightsized.engines.remote import retries
from rightsized.engines.remote.breaker import Breaker
from rightsized.engines.remote.connect import Connections, Resolver
from rightsized.engines.remote.connection import Connection
from rightsized.engines.remote.failures import AttemptError, Speaker, from_status
from rightsized.engines.remote.incoming import NETWORK_ERRORS, Clock, Incoming
from rightsized.engines.remote.pieces import STREAMED, check_kind, decode, pieces_of
from rightsized.engines.remote.places import Places
from rightsized.engines.remote.request import request_head, wire_body
from rightsized.engines.remote.settings import Settings

log = logging.getLogger("rightsized.tiers")
LONGEST_S = 86_400.0  # event loops cannot wait for ever


class Call(NamedTuple):
    """One request on its way."""

    generation: Generation
    raw: bytes
    clock: Clock
    repeatable: bool  # whether it may be sent again after the server began to work on it


class RemoteGenerator:
    """A tier behind an address.

    Args:
        resolver: looks up names; None asks the system.
    """

    def __init__(self, settings: Settings, egress: Egress, *, resolver: Resolver | None = None) -> None:
        tier = settings.tier
        self._settings = settings
        self._connections = Connections(settings, egress, resolver)
        self._heads: dict[tuple[Operation, bool], tuple[str, bytes]] = {}  # with the key that each holds
        self._digest = settings.digest
        self._speaker = Speaker(tier.name, settings.key.redact)
        self._places = Places(tier.name, tier.concurrent, tier.queue)
        self._breaker = Breaker(time.monotonic)
        self._budget = retries.RetryBudget(time.monotonic)
        self._closed = False

    @property
    def name(self) -> str:
        return self._settings.tier.name

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def context(self) -> int:
        """Not known: servers do not say, but for their own refusal."""
        return 0

    @property
    def on_premises(self) -> bool:
        return self._settings.on_premises

    @property
    def operations(self) -> frozenset[Operation]:
        return self._settings.operations

    async def start(self) -> None:
        """Nothing to make ready: the first request connects."""

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        self._closed = True
        await self._connections.close()

    def status(self) -> EngineStatus:
        detail = self._breaker.reason if self._breaker.open else self._settings.key.problem
        ready, state = not self._breaker.open, self._breaker.state
        return EngineStatus(ready=ready, in_flight=self._places.taken, detail=detail, breaker=state)

    async def generate(self, generation: Generation) -> Completion:
        """The whole answer. Raises as `Generator.generate` says."""
        call = self._call(generation, stream=False)
        tries, sent = 0, False
        while True:
            tries += 1
            try:
                async with self._attempt(call) as incoming:
                    return self._whole(call, await incoming.all())
            except AttemptError as failed:
                failure = failed
            failure.error.sent = sent = sent or failure.error.sent
            await self._pause(call, failure, tries)

    async def stream(self, generation: Generation) -> AsyncIterator[Piece | Completion]:
        """Pieces, then the Completion. Nothing is sent again once a piece was given out."""
        if generation.operation not in STREAMED:
            yield await self.generate(generation)
            return
        call = self._call(generation, stream=True)
        tries, begun, sent = 0, False, False
        while True:
            tries += 1
            try:
                async with self._attempt(call) as incoming, aclosing(self._pieces(call, incoming)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except AttemptError as failed:
                failure = failed
            failure.error.sent = sent = sent or failure.error.sent
            if begun:
                raise failure.error
            await self._pause(call, failure, tries)

    def _call(self, generation: Generation, *, stream: bool) -> Call:
        if generation.stream is not stream:
            generation = msgspec.structs.replace(generation, stream=stream)
        self._budget.earn()
        body = wire_body(generation, self._settings)
        now, own = time.monotonic(), min(self._settings.tier.timeout_s, LONGEST_S)
        ours = generation.deadline > now + own
        limit = f"timeout_s = {own:g} of the tier" if ours else "the time that the request was given"
        clock = Clock(time.monotonic, min(generation.deadline, now + own), limit, ours=ours)
        return Call(generation, msgspec.json.encode(body), clock, repeatable=not body.get("store"))

    @asynccontextmanager
    async def _attempt(self, call: Call) -> AsyncIterator[Incoming]:
        """One try: a place, the breaker's leave, the request, the head of the answer.

        Raises AttemptError, BusyError, EgressDeniedError.
        """
        async with self._places.one(call.clock.left()):
            self._check_breaker()
            failure: AttemptError | None = None
            heard = False
            try:
                connection = await self._send(call)
                try:
                    incoming = Incoming(connection, self._speaker, call.clock, self._settings.max_response)
                    if not 200 <= connection.status < 300:
                        refusal = await incoming.refusal()
                        raise from_status(self._speaker, connection.status, connection.headers, refusal)
                    check_kind(connection.headers, self._speaker, stream=call.generation.stream)
                    yield incoming
                finally:
                    self._connections.give_back(connection)
                heard = True
            except AttemptError as failed:
                failure = failed
                raise
            finally:
                self._learn(failure, heard=heard)

    async def _send(self, call: Call) -> Connection:
        if self._closed:
            raise BusyError(f"The tier {self.name!r} is closed.")
        head = self._head(call.generation.operation, stream=call.generation.stream)
        try:
            return await self._connections.ask(head, call.raw, call.clock.left, again=call.repeatable)
        except NETWORK_ERRORS as error:
            failure = call.clock.failed(self._speaker, error)
        raise failure  # outside the block: the exception's context may hold our headers

    def _head(self, operation: Operation, *, stream: bool) -> bytes:
        """Request line and fields, up to the length of the body."""
        settings, key = self._settings, self._settings.key.current()
        of, head = self._heads.get((operation, stream), ("", b""))
        if not head or of != key:
            head = request_head(settings, operation, key, stream=stream)
            self._heads[operation, stream] = (key, head)
        return head

    def _check_breaker(self) -> None:
        wait = self._breaker.wait()
        if wait > 0:
            error = UpstreamError(
                f"{self._speaker} failed repeatedly and is left alone for {wait:.1f} s. Last: {self._breaker.reason}",
                retry_after=wait,
            )
            error.sent = False
            raise AttemptError(error, again=False, counts=False)

    def _learn(self, failure: AttemptError | None, *, heard: bool) -> None:
        was_open = self._breaker.open
        if failure is not None and failure.counts:
            self._breaker.failed(failure.error.own_words)
            if self._breaker.open and not was_open:
                about = {"tier": self.name, "reason": failure.error.own_words}
                log.warning("A tier fails again and again and is left alone for a while", extra=about)
        elif failure is not None or heard:
            self._breaker.succeeded()
            if was_open:
                log.info("A tier that was left alone answers again", extra={"tier": self.name})
        else:
            self._breaker.left()

    async def _pause(self, call: Call, failure: AttemptError, tries: int) -> None:
        """Wait before the next try. Raises the failure where there is none."""
        tier = self._settings.tier
        may = failure.again and tries <= tier.retries and (call.repeatable or not failure.reached)
        seconds = retries.pause(tries, failure.retry_after)
        if not may or seconds >= call.clock.left() or not self._budget.spend():
            raise failure.error
        await asyncio.sleep(seconds)

    def _whole(self, call: Call, raw: bytes) -> Completion:
        return decode(self._speaker, call.generation, raw)

    def _pieces(self, call: Call, incoming: Incoming) -> AsyncGenerator[Piece | Completion, None]:
        return pieces_of(call.generation, incoming, self._speaker, self._settings.max_event)
