"""One HTTP/1.1 connection to a model server: a request goes out in one piece, its answer is kept until it is read.

Where connections come from is decided in `connect`, what an answer means elsewhere. Framing is that of RFC 9112, parsed
by llhttp. Bytes that came together are handed on together, so that a stream of many small events costs few wake-ups.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import cast

import httptools
from multidict import CIMultiDict

READ_BUFFER = 2**16  # bytes held for a slow reader before the server is made to wait
MAX_HEAD = 2**16  # bytes of status line and header fields, give or take the last read


class Trouble(Enum):
    """What became of a connection."""

    CERTIFICATE = auto()  # its certificate cannot be trusted
    TLS = auto()
    NAME = auto()  # the server's name cannot be looked up
    REFUSED = auto()
    NOT_TAKEN = auto()  # no connection within the time for that
    SILENT = auto()  # nothing came for too long
    CUT_OFF = auto()  # it broke within an answer
    NOT_HTTP = auto()
    CLOSED = auto()  # before an answer


class ConnectionTrouble(Exception):  # noqa: N818 - what happened, for `failures` to judge
    """A connection that serves no more."""

    def __init__(self, what: Trouble) -> None:
        super().__init__(what.name)
        self.what = what


class Connection(asyncio.Protocol):
    """Serves one request at a time.

    Args:
        silence: longest wait for the next bytes, seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, silence: float) -> None:
        self._loop, self._silence = loop, silence
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._busy = False
        self.kept = False  # whether it has served a request before this one
        self._reset()

    def _reset(self) -> None:
        self.status, self.headers = 0, CIMultiDict[str]()
        self.length: int | None = None  # of the body, where that was announced
        self.headed = self.whole = False  # whether the head, and the whole answer, has come
        self._parts: list[bytes] = []
        self._held = self._head_bytes = 0
        self._framed = self._keeps = self._paused = False
        self._trouble: Trouble | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.headed:
            self._fail(Trouble.CLOSED)
        elif not self.whole and not self._framed and exc is None:
            self.whole = True  # an answer without a length ends with its connection
        elif not self.whole:
            self._fail(Trouble.CUT_OFF)
        self._wake()

    def send(self, head: bytes, body: bytes) -> None:
        """Send a request whose head ends behind `Content-Length: `. Raises ConnectionTrouble."""
        self._reset()
        if self._transport is None:
            raise ConnectionTrouble(Trouble.CLOSED)
        self._busy = True
        self._transport.writelines((head + b"%d\r\n\r\n" % len(body), body))

    async def wait(self, seconds: float) -> None:
        """Wait until there is more to read. Raises ConnectionTrouble; TimeoutError after `seconds`."""
        if self._trouble is not None:
            raise ConnectionTrouble(self._trouble)
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(min(seconds, self._silence), self._late, waiter, seconds > self._silence)
        try:
            await waiter
        finally:
            self._waiter = None
            timer.cancel()

    async def read(self, seconds: float) -> bytes:
        """What has come of the body since the last call; empty at its end. Raises as `wait`."""
        while not self._parts and not self.whole:
            await self.wait(seconds)
        parts, self._parts, self._held = self._parts, [], 0
        self._resume()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def finish(self) -> bool:
        """End the request: True where the connection can serve another one, else it is closed."""
        self._busy = False
        if self.whole and self._keeps and self.open:
            self.kept, self._parts = True, []
            self._resume()
            return True
        self.abort()
        return False

    @property
    def open(self) -> bool:
        """Whether it is still there, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def closed_while_idle(self) -> bool:
        """Whether its server closed it after one answer, before a byte of the next.

        Servers close idle connections when they like, and some after a stream (cpp-httplib in llama.cpp). That is no
        failure: the request can be sent again on another connection.
        """
        return self.kept and self._trouble is Trouble.CLOSED and not self._head_bytes

    def abort(self) -> None:
        """Close it, whatever it is doing."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            self.abort()  # nobody asked
            return
        before = self.headed
        if not before:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._keeps = False  # the server wants to speak something else
        except httptools.HttpParserError:
            self._break(Trouble.CUT_OFF if self.headed else Trouble.NOT_HTTP)
        if not self.headed and self._head_bytes > MAX_HEAD:
            self._break(Trouble.NOT_HTTP)
        if self._parts or self.whole or self.headed != before:
            self._wake()

    def on_message_begin(self) -> None:
        if self.whole:
            raise ConnectionTrouble(Trouble.NOT_HTTP)  # more than was asked for: stops the parser, ends the connection

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.add(name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return  # a remark ahead of the answer
        length = self.headers.get("Content-Length", "")
        self.length = int(length) if length.isascii() and length.isdigit() else None
        self._framed = self.length is not None or "Transfer-Encoding" in self.headers
        self.status, self.headed, self._keeps = status, True, self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._held += len(body)
        if self._held > READ_BUFFER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.headed:
            self.whole = True
        else:
            self.headers.clear()

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _break(self, what: Trouble) -> None:
        self._fail(what)
        self._wake()
        self.abort()

    def _fail(self, what: Trouble) -> None:
        if not self.whole and self._trouble is None:
            self._trouble = what

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._trouble is None or self._parts or self.whole:
            waiter.set_result(None)
        else:
            waiter.set_exception(ConnectionTrouble(self._trouble))

    def _late(self, waiter: asyncio.Future[None], silent: bool) -> None:
        if not waiter.done():
            waiter.set_exception(ConnectionTrouble(Trouble.SILENT) if silent else TimeoutError())
