"""Model servers on loopback for tests of the remote engine: real sockets, answers written out byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rightsized.core.egress import Egress
from rightsized.core.generation import Burst, Completion, Delta, Generation
from rightsized.core.tiers import EngineContext, TierConfig
from rightsized.engines.remote import RemoteGenerator, open_engine

CHAT = {"messages": [{"role": "user", "content": "Where is my parcel?"}]}
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "small",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "On its way."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16},
}

Writer = asyncio.StreamWriter
Behaviour = Callable[["Upstream", Writer], Awaitable[None]]


@dataclass
class Seen:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Upstream:
    """A server that answers each request by the next of `turns`; the last is repeated."""

    turns: list[Behaviour]
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # a client went away before its answer was written
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.connections += 1
        try:
            while (request := await _request(reader)) is not None:
                self.seen.append(request)
                self.arrived.set()
                turn = self.turns[min(len(self.seen), len(self.turns)) - 1]
                answering = asyncio.ensure_future(turn(self, writer))
                leaving = asyncio.ensure_future(reader.read(1))
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    self.gone.set()
                    answering.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await answering
                leaving.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await leaving
                if writer.is_closing():
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, path, headers, raw)


def whole(
    body: Any = None, *, status: str = "200 OK", kind: str = "application/json", headers: str = "", raw: bytes = b""
) -> Behaviour:
    """Answers at once, with a length."""
    data = raw or json.dumps(ANSWER if body is None else body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{headers}\r\n"

    async def answer(upstream: Upstream, writer: Writer) -> None:
        writer.write(head.encode("latin-1") + data)
        await writer.drain()

    return answer


def verbatim(*parts: bytes | float, close: bool = True) -> Behaviour:
    """Writes bytes as they are, waits where a number stands, then closes the connection."""

    async def answer(upstream: Upstream, writer: Writer) -> None:
        for part in parts:
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            else:
                await asyncio.sleep(part)
        if close:
            writer.close()

    return answer


def reset() -> Behaviour:
    """Drops the connection without a word."""

    async def answer(upstream: Upstream, writer: Writer) -> None:
        writer.transport.abort()

    return answer


SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """One piece of chunked transfer coding; the empty one is the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def events(*data: Any, end: str = "\n\n", done: bool = True) -> bytes:
    """An event stream of JSON objects."""
    lines = [f"data: {json.dumps(item)}{end}" for item in data]
    return "".join([*lines, f"data: [DONE]{end}" if done else ""]).encode()


def streamed(*parts: bytes | float, ended: bool = True) -> Behaviour:
    """An event stream in the given pieces; `ended` says whether the transfer is ended properly."""
    pieces = [part if isinstance(part, float) else chunked(part) for part in parts]
    return verbatim(SSE_HEAD, *pieces, *([chunked(b"")] if ended else []), close=not ended)


def chunk(content: str | None = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chat chunk of one choice."""
    given = {**({"content": content} if content is not None else {}), **delta}
    choice = {"index": 0, "delta": given, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "small", "choices": [choice]}


@asynccontextmanager
async def serving(*turns: Behaviour) -> AsyncIterator[Upstream]:
    """A server on a free port of loopback."""
    upstream = Upstream(list(turns))
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def engine(url: str, egress: Egress | None = None, **settings: Any) -> AsyncIterator[RemoteGenerator]:
    """The remote engine, opened as the gateway opens it."""
    given = {"name": "small", "url": url, "model": "small", "retries": 0, **settings}
    generator = open_engine(TierConfig(**given), EngineContext(egress or Egress(), ""))
    await generator.start()
    try:
        yield generator
    finally:
        await generator.close()


def ask(body: dict[str, Any] | None = None, **more: Any) -> Generation:
    """A chat request."""
    return Generation(**{"operation": "chat", "body": CHAT if body is None else body, **more})


async def collect(generator: RemoteGenerator, generation: Generation) -> tuple[list[Delta], Completion]:
    """All pieces of a stream, and the whole."""
    deltas: list[Delta] = []
    whole_answer: Completion | None = None
    async for piece in generator.stream(generation):
        if isinstance(piece, Delta | Burst):
            assert whole_answer is None, "a piece after the whole"
            deltas += [piece] if isinstance(piece, Delta) else piece
        else:
            whole_answer = piece
    assert whole_answer is not None
    return deltas, whole_answer


def certificate(folder: Path, name: str) -> Path:
    """A certificate that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{name}.pem"
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file
