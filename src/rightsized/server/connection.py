"""A client must send its request in time: one that sends half of it may not keep its connection for good.

uvicorn closes connections that idle between requests, and has no limit for a request that never becomes whole. The body
is timed where it is read (`reading.in_time`, which answers 408); here stands what the application never sees: a
connection on which nothing comes, a header that never ends or grows without end, the rest of a body whose request is
answered already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rightsized.server import problems
from rightsized.server.gathered import Gathered
from rightsized.server.guards import API_HEADERS
from rightsized.server.problems import RefusedError
from rightsized.server.reading import CLIENT, WHOLE

# Request line and fields, give or take the last chunk read. Clients send a few hundred bytes; cookies of other services
# on the same host name may be some thousands.
MAX_HEADER_BYTES = 65_536


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a time for each request to arrive in. `seconds` is set by `timed`."""

    seconds = 30.0
    _begun = _headed = False  # whether bytes of a request have come, and its whole header
    _header_bytes = 0  # of a header that has not ended yet
    _timer: asyncio.TimerHandle | None = None

    _watchers: set[Callable[[], None]]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(Gathered(transport, self.loop))
        self._watchers = set()
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)
        for gone in tuple(self._watchers):
            gone()

    def watch(self, gone: Callable[[], None]) -> None:
        """As reading.Client: a connection that is not read from would not tell its end."""
        if self.transport.is_closing():
            gone()
        else:
            self._watchers.add(gone)
            self.flow.resume_reading()

    def unwatch(self, gone: Callable[[], None]) -> None:
        """As reading.Client."""
        self._watchers.discard(gone)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._begun or self.transport.is_closing():
            return  # a request that came whole, as nearly all do
        if self._timer is None:
            self._start()
        if not self._headed:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse(problems.header_too_large(MAX_HEADER_BYTES))

    def on_message_begin(self) -> None:
        self._stop()
        self._begun, self._headed, self._header_bytes = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._headed = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._begun = False
        scope = cast("dict[str, Any]", self.scope)
        scope[WHOLE], scope[CLIENT] = True, self
        self._stop()
        super().on_message_complete()

    def _start(self) -> None:
        self._timer = self.loop.call_later(self.seconds, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._start()  # an answer is being made: it is not cut off for what may follow it
        elif self._begun and not self._headed:
            self._refuse(problems.late("header", self.seconds))
        else:
            self.transport.close()

    def _refuse(self, error: RefusedError) -> None:
        """Answer a request that the application never sees, and end the connection."""
        self._stop()
        self.transport.write(_refusal(error))
        self.transport.close()


def timed(seconds: float) -> type[TimedProtocol]:
    """The protocol with this much time for a request to arrive in."""
    return type("TimedProtocol", (TimedProtocol,), {"seconds": seconds})


def _refusal(error: RefusedError) -> bytes:
    """Problem details on a connection of which no request is known."""
    problem, headers = problems.from_error(error, "")
    body = problems.encode(problem)
    fields = {**API_HEADERS, **headers, "content-type": problems.MEDIA_TYPE, "content-length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n{lines}\r\n".encode() + body
