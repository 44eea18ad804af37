"""One address of the OpenAI-compatible API as an ASGI application: times it, and turns every failure into its shape."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from rightsized.core.errors import BusyError, RateLimitError
from rightsized.core.generation import Caller, Operation
from rightsized.core.tiers import GatewayConfig
from rightsized.server.openai.asked import CALLER
from rightsized.server.openai.errors import ErrorBody, ErrorDetail, Failure, NeedsPersonError, from_exception
from rightsized.server.openai.exchange import CLIENT_GONE, JSON_HEADERS, Exchange
from rightsized.server.openai.figures import Figures
from rightsized.server.problems import RefusedError, log_failure
from rightsized.server.reading import DisconnectedError, Receive, Scope, Send
from rightsized.tasks.service_protocol import Service

ENDING = Failure(
    503,
    {"retry-after": "5", "connection": "close"},
    ErrorBody(ErrorDetail("The server is shutting down.", "server_error", None, "shutting_down")),
)
Work = Callable[[Exchange], Awaitable[None]]


class Parts(msgspec.Struct, frozen=True):
    """What every address works with. `limit` is the largest body, bytes; `used` counts tokens that no tier counted."""

    service: Service
    config: GatewayConfig
    figures: Figures
    limit: int
    used: Callable[[Caller, int], None]

    @property
    def keep_alive(self) -> float | None:
        """Seconds of silence on a stream before a comment is sent; None: never."""
        return self.config.keep_alive_s or None


class Address:
    """Answers one method on one address.

    Args:
        route: the address as metrics name it.
        work: what reads the request and writes the response.
        operation: under which a request that goes to a person is counted.
    """

    def __init__(self, method: str, route: str, work: Work, parts: Parts, operation: Operation = "chat") -> None:
        self._method, self._route, self._work, self._parts = method, route, work, parts
        self._operation: Operation = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, figures = time.perf_counter(), self._parts.figures
        exchange = Exchange(scope, receive, send)
        try:
            self._check_method(scope["method"])
            await self._work(exchange)
        except DisconnectedError:
            exchange.status = CLIENT_GONE
            figures.gone(self._route)
        except asyncio.CancelledError:  # the server is going down, and nobody waits for this task
            await self._interrupt(exchange)
        except Exception as error:  # noqa: BLE001 - the process boundary: whatever happened leaves as an error body
            await self._fail(exchange, error)
        if exchange.first_byte:
            figures.first_byte(self._route, exchange.first_byte - started)
        figures.request(self._route, scope["method"], exchange.status, time.perf_counter() - started)
        caller = scope.get(CALLER)
        figures.tenant_request(caller.tenant if caller else "", exchange.status)

    def _check_method(self, method: str) -> None:
        if method != self._method and not (method == "HEAD" and self._method == "GET"):
            detail = f"{self._route} takes {self._method}, not {method[:20]}."
            raise RefusedError(
                "method-not-allowed", detail, fix=f"Use {self._method}.", headers={"allow": self._method}
            )

    async def refuse(self, exchange: Exchange, error: Exception) -> None:
        """Answer a request that a guard turned away before any work."""
        started = time.perf_counter()
        await self._fail(exchange, error)
        self._parts.figures.request("refused", "any", exchange.status, time.perf_counter() - started)
        if isinstance(error, RateLimitError):
            self._parts.figures.tenant_request(error.tenant, exchange.status)

    async def _interrupt(self, exchange: Exchange) -> None:
        """Say that the server ends, so that half an answer is not taken for a whole one."""
        if not exchange.finished:
            self._parts.figures.broken(self._route)
            await _close(exchange, ENDING)

    async def _fail(self, exchange: Exchange, error: Exception) -> None:
        figures = self._parts.figures
        if isinstance(error, BusyError):
            figures.busy()
        if isinstance(error, NeedsPersonError):
            figures.to_person(self._operation)
        failure = from_exception(error, self._route)
        detail = failure.body.error
        log_failure(self._route, failure.status, detail.code, detail.decision)
        if exchange.started:
            figures.broken(self._route)
        await _close(exchange, failure)


async def _close(exchange: Exchange, failure: Failure) -> None:
    """The failure as a whole response, or as the last event of a stream that has begun."""
    if exchange.started:
        await exchange.finish(b"data: " + failure.encoded() + b"\n\n")
        return
    more = [(name.encode(), value.encode("latin-1", "replace")) for name, value in failure.headers.items()]
    await exchange.json(failure.status, failure.encoded(), [*JSON_HEADERS, *more])
