"""Exact repeats answered from memory: off unless asked for, keyed by everything that matters, never for failures.

There is no cache by meaning: "enable 2FA" and "disable 2FA" are neighbours to an encoder.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable

import msgspec

from rightsized.cascade.generate import Ladder
from rightsized.cascade.replay import pieces_of
from rightsized.core.generation import Piece
from rightsized.core.protocols import Answerer
from rightsized.core.streams import closing
from rightsized.core.types import Begun, Reply, Request

_WHOLE = frozenset({"stop", "tool_calls", ""})  # finish reasons of answers that are complete


class Cached(Answerer):
    """A ladder whose complete answers are given again to the same request of the same tenant.

    Such a reply costs nothing and is never certified: it is not an answer by the path that was tested.

    Args:
        entries: answers kept; the one unused for longest goes first.
        seconds: how long an answer may be given again.
        clock: monotonic seconds.
    """

    def __init__(
        self, inner: Ladder, *, entries: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner, self._entries, self._seconds, self._clock = inner, entries, seconds, clock
        self._kept: OrderedDict[bytes, tuple[float, Reply]] = OrderedDict()
        self.hits = 0

    async def answer(self, request: Request) -> Reply:
        """From memory, or asked and remembered."""
        key = _key(request)
        found = self._find(key, request)
        return found or self._keep(key, await self._inner.answer(request))

    async def stream(self, request: Request) -> AsyncGenerator[Begun | Piece | Reply, None]:
        """As `answer`, in pieces."""
        key = _key(request)
        found = self._find(key, request)
        if found is not None and found.completion is not None and request.generation is not None:
            yield Begun(found.id, found.rung, found.tier, found.model, found.state, False)
            for piece in pieces_of(found.completion, request.generation.operation):
                yield piece
            yield found
            return
        async with closing(self._inner.stream(request)) as parts:
            async for part in parts:
                if isinstance(part, Reply):
                    self._keep(key, part)
                yield part

    def _find(self, key: bytes, request: Request) -> Reply | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        since, reply = kept
        if self._clock() - since > self._seconds:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        self.hits += 1
        attempt = msgspec.structs.replace(
            reply.attempts[-1], cost=0.0, latency_ms=0.0, reason=f"repeats decision {reply.id} word for word"
        )
        return msgspec.structs.replace(
            reply, id=request.id, certified=False, cost=0.0, latency_ms=0.0, attempts=(attempt,)
        )

    def _keep(self, key: bytes, reply: Reply) -> Reply:
        if reply.completion is not None and reply.completion.finish in _WHOLE:
            self._kept[key] = (self._clock(), reply)
            self._kept.move_to_end(key)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)
        return reply


def _key(request: Request) -> bytes:
    generation = request.generation
    if generation is None:
        return b""
    matters = (request.tenant, generation.operation, generation.model, generation.data_class, generation.region)
    vetoes = sorted(generation.vetoes)  # what a tier wrote is not for whom the policy keeps from that tier
    body = msgspec.json.encode((matters, vetoes, generation.body, generation.tests), order="deterministic")
    return hashlib.sha256(body).digest()
