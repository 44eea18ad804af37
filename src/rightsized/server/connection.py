"""A client must send its request in time: one that sends half of it may not keep its connection for good.

uvicorn closes connections that idle between requests, and has no limit for a request that never becomes whole. The body
is timed where it is read (`reading.in_time`, which answers 408); here stands what the application never sees: a
connection on which nothing comes, a header that never ends, the rest of a body whose request is answered already.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rightsized.server import problems
from rightsized.server.guards import API_HEADERS
from rightsized.server.reading import WHOLE


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a time for each request to arrive in. `seconds` is set by `timed`."""

    seconds = 30.0
    _begun = _headed = False  # whether bytes of a request have come, and its whole header
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._begun and self._timer is None and not self.transport.is_closing():
            self._start()  # a request that came whole, as nearly all do, never gets here

    def on_message_begin(self) -> None:
        self._stop()
        self._begun, self._headed = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._headed = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._begun = False
        cast("dict[str, Any]", self.scope)[WHOLE] = True
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
            self.transport.write(_refusal(self.seconds))
            self.transport.close()
        else:
            self.transport.close()


def timed(seconds: float) -> type[TimedProtocol]:
    """The protocol with this much time for a request to arrive in."""
    return type("TimedProtocol", (TimedProtocol,), {"seconds": seconds})


def _refusal(seconds: float) -> bytes:
    """408 as problem details, on a connection of which no request is known."""
    problem, headers = problems.from_error(problems.late("header", seconds), "")
    body = problems.encode(problem)
    fields = {**API_HEADERS, **headers, "content-type": problems.MEDIA_TYPE, "content-length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 408 {HTTPStatus(408).phrase}\r\n{lines}\r\n".encode() + body
