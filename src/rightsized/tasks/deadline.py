"""`Timed(inner)`: no answer after the request's deadline. Inside the recorder, so that the record says what happened.

Engines are told the deadline and keep to it by themselves. This ends what does not: a moment later, the work is
cancelled, and the request fails as one that came too late, not as one whose client went away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from rightsized.core.errors import RightsizedError, UpstreamTimeoutError
from rightsized.core.generation import Piece
from rightsized.core.protocols import Answerer
from rightsized.core.streams import until
from rightsized.core.types import Begun, Reply, Request

AFTER_DEADLINE_S = 0.05  # between a request's deadline, which the engines know, and our own end of waiting for it


class Timed(Answerer):
    """An answerer that is waited for until the request's deadline."""

    def __init__(self, inner: Answerer) -> None:
        self._inner = inner

    async def answer(self, request: Request) -> Reply:
        """As the answerer inside. Raises UpstreamTimeoutError."""
        try:
            async with asyncio.timeout_at(end_of(request)):
                return await self._inner.answer(request)
        except TimeoutError:
            raise too_late() from None

    def stream(self, request: Request) -> AsyncGenerator[Begun | Piece | Reply, None]:
        """As the answerer inside, in pieces; what the reader does between two of them is never cut off."""
        return until(end_of(request), self._inner.stream(request), too_late)


def end_of(request: Request) -> float:
    """When we stop waiting, on the clock of the event loop (`time.monotonic()`)."""
    return (request.generation.deadline if request.generation else float("inf")) + AFTER_DEADLINE_S


def cut_off(request: Request, error: RightsizedError) -> bool:
    """Whether the work on a request was ended half-way at its deadline, so that nobody says what it cost."""
    return isinstance(error, UpstreamTimeoutError) and time.monotonic() >= end_of(request)


def too_late() -> UpstreamTimeoutError:
    """The error of a request whose deadline has passed."""
    return UpstreamTimeoutError(
        "No tier answered before the request's deadline.",
        fix="Ask for less, or raise gateway.timeout_s or the header X-Rightsized-Timeout.",
    )
