"""One request and its response on a bare ASGI connection: JSON or an event stream, and who is still there.

Framing follows the server-sent events of the HTML standard (section 9.2): `data:` lines, a blank line, comments from
a colon. Every write waits until the connection takes it, so a slow client slows the work down and nothing piles up.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from rightsized.server.guards import API_HEADERS
from rightsized.server.reading import CLIENT, Client, DisconnectedError, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]
FIXED: Headers = [(name.encode(), value.encode()) for name, value in API_HEADERS.items()]
JSON_HEADERS: Headers = [(b"content-type", b"application/json"), *FIXED]
# `x-accel-buffering: no` keeps nginx from holding events back.
EVENT_HEADERS: Headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no"), *FIXED]
CLIENT_GONE = 499  # what is counted where nobody waited for the status
KEEP_ALIVE = b": still working\n\n"
DONE = b"data: [DONE]\n\n"
STALLED_SECONDS = 120.0  # a client that takes nothing for so long is given up


class Exchange:
    """A request's scope and messages, and the state of its response."""

    __slots__ = (
        "_fields",
        "_late",
        "_lock",
        "_prepared",
        "_send",
        "finished",
        "first_byte",
        "headers",
        "receive",
        "scope",
        "started",
        "status",
        "writing",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self._send = scope, receive, send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.status = 0
        self.started = False
        self.finished = False
        self.first_byte = 0.0  # time.perf_counter() of the first event
        self.writing = 0.0  # time.monotonic() since when a write waits for the client; 0 while none does
        self._prepared = False
        self._fields: Headers = EVENT_HEADERS
        self._late = b""
        self._lock = asyncio.Lock()

    async def json(self, status: int, body: bytes, headers: Headers | None = None) -> None:
        """A whole response."""
        self.status, self.started, self.finished = status, True, True
        fields = [*(headers or JSON_HEADERS), (b"content-length", b"%d" % len(body))]
        await self._send({"type": "http.response.start", "status": status, "headers": fields})
        await self._send({"type": "http.response.body", "body": body})

    def prepare_events(self, headers: Headers) -> None:
        """From now on events may be written, under these header fields. Nothing is sent before the first event, so that
        a failure still gets its own status; where a keep-alive has been sent already, the fields follow as comments."""
        self._prepared = True
        if self.started:
            self._late = b"".join(b": %s: %s\n\n" % field for field in headers)
        else:
            self._fields = [*EVENT_HEADERS, *headers]

    @property
    def prepared(self) -> bool:
        """Whether it is known who answers."""
        return self._prepared

    async def event(self, data: bytes) -> None:
        """Write a whole event, or several; waits until the connection takes it."""
        if not self.first_byte:
            self.first_byte = time.perf_counter()
        await self._write(data)

    async def keep_alive(self) -> None:
        """Write a comment, which clients pass over. From then on the status is 200, whatever happens."""
        await self._write(KEEP_ALIVE)

    async def finish(self, data: bytes = b"") -> None:
        """Write the last event and end the response."""
        await self._write(data, more=False)

    async def _write(self, data: bytes, *, more: bool = True) -> None:
        async with self._lock:
            if self.finished:
                return  # a keep-alive that waited for the last event
            self.writing = time.monotonic()
            try:
                if not self.started:
                    await self._send({"type": "http.response.start", "status": 200, "headers": self._fields})
                    self.started, self.status = True, 200
                self.finished = not more
                late, self._late = self._late, b""
                await self._send({"type": "http.response.body", "body": late + data, "more_body": more})
            finally:
                self.writing = 0.0


class Watched:
    """`async with Watched(exchange):` cancels the work inside once the client has gone, and raises DisconnectedError.

    Meanwhile an event stream that is silent for `keep_alive` seconds gets a comment, so that no proxy and no client
    takes silence for death, also while an answer that must pass its check is held back. None: there is no stream.
    """

    def __init__(self, exchange: Exchange, keep_alive: float | None = None, stalled: float = STALLED_SECONDS) -> None:
        self._exchange, self._every, self._stalled = exchange, keep_alive, stalled
        self._client: Client | None = exchange.scope.get(CLIENT)
        self._gone = False
        self._watcher: asyncio.Task[None] | None = None  # where the server has no Client to say who left
        self._look: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("no task to watch over")
        self._task = task
        if self._client is None:
            self._watcher = asyncio.create_task(self._watch())
        else:
            self._client.watch(self._leave)
        self._wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.unwatch(self._leave)
        for ended in (self._watcher, self._look, self._timer):
            if ended is not None:
                ended.cancel()
        if self._gone:
            self._task.uncancel()
            raise DisconnectedError from None

    def _leave(self) -> None:
        if not self._gone:
            self._gone = True
            self._task.cancel()

    async def _watch(self) -> None:
        while (await self._exchange.receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _wait(self) -> None:
        if self._every is not None:
            self._timer = asyncio.get_running_loop().call_later(self._every, self._begin_look)

    def _begin_look(self) -> None:
        self._look = asyncio.create_task(self._look_after())

    async def _look_after(self) -> None:
        if await self._still_there():
            self._wait()
        else:
            self._leave()

    async def _still_there(self) -> bool:
        exchange = self._exchange
        if exchange.writing:
            return time.monotonic() - exchange.writing < self._stalled
        try:
            async with asyncio.timeout(self._stalled):
                await exchange.keep_alive()
        except TimeoutError:
            return False
        return True
