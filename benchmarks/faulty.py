"""A model server that fails on purpose: the first part of a request's path names the fault. For `benchmarks.faults`.

A fault is a script: bytes are written as they are, a number waits that many seconds, RESET drops the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import zlib
from collections import Counter
from typing import Any, Literal, NamedTuple

RESET: Literal["reset"] = "reset"
Step = bytes | float | Literal["reset"]
OK = "200 OK"


class Script(NamedTuple):
    """What the server does for a whole answer, and for a stream; `then` is how it goes on after the first request."""

    whole: tuple[Step, ...]
    stream: tuple[Step, ...] = ()
    healed: bool = False  # later requests get a good answer


def answer(text: str = "Good.") -> dict[str, Any]:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return {"id": "u", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def reply(body: Any, status: str = OK, kind: str = "application/json", headers: str = "") -> bytes:
    """A complete HTTP answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(raw)}\r\n{headers}\r\n"
    return head.encode() + raw


def refuse(status: str, message: str = "no", headers: str = "", **more: Any) -> tuple[Step, ...]:
    """An error as OpenAI writes them."""
    return (reply({"error": {"message": message, "type": "error", **more}}, status, headers=headers),)


EVENTS_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def part(data: bytes) -> bytes:
    """One piece of chunked coding; the empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(content: str | None = None, finish: str | None = None) -> bytes:
    """One chunk of a chat, as an event."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "u", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(body)}\n\n".encode()


FIRST = EVENTS_HEAD + part(event("Half "))
GOOD_STREAM: tuple[Step, ...] = (
    EVENTS_HEAD + part(event("Good.")) + part(event(finish="stop") + b"data: [DONE]\n\n") + part(b""),
)
GOOD = Script((reply(answer()),), GOOD_STREAM)
_HANG = 30.0
_BOMB = zlib.compress(b" " * 80_000_000)


def both(*steps: Step, healed: bool = False) -> Script:
    """The same for whole answers and streams."""
    return Script(steps, steps, healed)


SCRIPTS: dict[str, Script] = {
    "good": GOOD,
    "reset-before-answer": both(RESET),
    "reset-once": both(RESET, healed=True),
    "closed-in-head": both(b"HTTP/1.1 200", RESET),
    "hang-before-head": both(_HANG),
    "hang-midway": Script((JSON_HEAD + b"Content-Length: 99\r\n\r\n{", _HANG), (FIRST, _HANG)),
    "slow-drip": Script(
        (JSON_HEAD + b"Content-Length: 9999\r\n\r\n", *((b" ", 0.1) * 200)), (FIRST, *((part(b": .\n\n"), 0.1) * 200))
    ),
    "status-400": both(*refuse("400 Bad Request", "temperature must be below 2")),
    "context-length": both(*refuse("400 Bad Request", "too long", code="context_length_exceeded")),
    "status-401": both(*refuse("401 Unauthorized", "bad key")),
    "status-403": both(*refuse("403 Forbidden", "not yours")),
    "status-404": both(*refuse("404 Not Found", "no such model")),
    "status-408": both(*refuse("408 Request Timeout")),
    "status-429": both(*refuse("429 Too Many Requests", headers="Retry-After: 60\r\n")),
    "status-429-once": both(*refuse("429 Too Many Requests", headers="Retry-After: 0\r\n"), healed=True),
    "quota-spent": both(*refuse("429 Too Many Requests", "pay first", code="insufficient_quota")),
    "status-500": both(*refuse("500 Internal Server Error")),
    "status-500-once": both(*refuse("500 Internal Server Error"), healed=True),
    "status-502-page": both(reply(b"<html>Bad gateway", "502 Bad Gateway", "text/html")),
    "status-503": both(*refuse("503 Service Unavailable")),
    "status-529": both(*refuse("529 Overloaded")),
    "redirect": both(*refuse("307 Temporary Redirect", headers="Location: http://127.0.0.1:1/v1\r\n")),
    "web-page": both(reply(b"<html>Please log in", kind="text/html")),
    "bad-json": Script((reply(b'{"choices": ['),), (FIRST, part(b"data: {nonsense\n\n"), part(b""))),
    "deep-json": Script((reply(b"[" * 200_000),), (FIRST, part(b"data: " + b"[" * 200_000 + b"\n\n"), part(b""))),
    "not-utf8": Script((reply(b'{"a": "\xff"}'),), (FIRST, part(b'data: {"a": "\xff"}\n\n'), part(b""))),
    "empty-body": Script((JSON_HEAD + b"Content-Length: 0\r\n\r\n",), (EVENTS_HEAD + part(b""),)),
    "no-choices": both(reply({"object": "chat.completion", "choices": []})),
    "error-with-200": Script(
        (reply({"error": "Unexpected endpoint"}),), (FIRST, part(b'data: {"error": {"message": "out of memory"}}\n\n'))
    ),
    "truncated-body": Script((JSON_HEAD + b'Content-Length: 500\r\n\r\n{"choi', RESET), (FIRST, RESET)),
    "killed-mid-token": Script(
        (JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + part(b'{"a"'), RESET), (FIRST, 0.2, b"5\r\ndat", RESET)
    ),
    "half-an-event": Script((reply(b'data: {"cho'),), (FIRST, part(b'data: {"cho'), part(b""))),
    "no-finish": Script((reply({"choices": [{"index": 0}]}),), (FIRST, part(b""))),
    "oversized": Script((JSON_HEAD + b"\r\n", *([b" " * 500_000] * 8)), (FIRST, *([part(b"x" * 500_000)] * 8))),
    "gzip-bomb": both(reply(_BOMB, headers="Content-Encoding: deflate\r\n")),
    "two-lengths": both(JSON_HEAD + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}"),
    "two-types": both(reply(answer(), headers="Content-Type: text/html\r\n")),
    "not-http": both(b"220 smtp ESMTP\r\n", RESET),
    "endless-header": both(JSON_HEAD + b"X-A: " + b"a" * 300_000, RESET),
}


class Faulty:
    """The server. `sent` counts requests by fault, `left` those whose client went away before the end."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []

    async def open(self, tls: ssl.SSLContext | None = None) -> int:
        """Listen on a free port of loopback, which is returned."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
                body = json.loads(await reader.readexactly(int(length.split(":")[1])))
                fault = head.split(" ", 2)[1].split("/")[1]
                if not await self._answer(fault, bool(body.get("stream")), reader, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return  # the client, or the whole run, is over
        finally:
            writer.close()

    async def _answer(
        self, fault: str, stream: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Run a script; False once the connection is over."""
        script = SCRIPTS[fault]
        self.sent[fault] += 1
        if script.healed and self.sent[fault] % 2 == 0:
            script = GOOD
        playing = asyncio.ensure_future(_play(script.stream if stream else script.whole, writer))
        leaving = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            self.left[fault] += 1
        over = leaving.done()
        for task in (playing, leaving):
            if task is leaving or not task.done():
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await task
        complete = script is GOOD or len(script.whole) == 1
        return complete and not over and not writer.is_closing()


async def _play(steps: tuple[Step, ...], writer: asyncio.StreamWriter) -> None:
    for step in steps:
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, float):
            await asyncio.sleep(step)
        else:
            await asyncio.sleep(0.05)  # what was written goes out first
            writer.transport.abort()
