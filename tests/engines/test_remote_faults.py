"""Servers that fail in every way: what the caller gets, whether it was sent again, and what may be done about it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from upstream import (
    ANSWER,
    SSE_HEAD,
    Behaviour,
    ask,
    certificate,
    chunk,
    chunked,
    collect,
    engine,
    events,
    reset,
    serving,
    streamed,
    verbatim,
    whole,
)

from rightsized.core.egress import Egress
from rightsized.core.errors import ContextLengthError, RightsizedError, UpstreamError, UpstreamTimeoutError
from rightsized.core.generation import Burst, Delta
from rightsized.core.tiers import TierConfig
from rightsized.engines.remote.connect import Address
from rightsized.engines.remote.generator import RemoteGenerator
from rightsized.engines.remote.settings import read_settings

FAST = {"connect_s": 1.0, "first_byte_s": 0.4, "timeout_s": 1.5}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SOME = events(chunk("Hel"), done=False)


def refusal(status: str, body: Any = None, headers: str = "") -> Behaviour:
    return whole(
        {"error": {"message": "Words.", "type": "t"}} if body is None else body, status=status, headers=headers
    )


class Fault(NamedTuple):
    """What the server does, and what the caller gets."""

    turn: Behaviour
    match: str
    status: int = 0  # of the server, on the error
    retryable: bool = True
    kind: type[RightsizedError] = UpstreamError
    again: bool = True  # whether it was sent once more


FAULTS: dict[str, Fault] = {
    "reset": Fault(reset(), "closed the connection"),
    "closed before the head": Fault(verbatim(b"HTTP/1.1 200"), "closed the connection|not HTTP"),
    "silent": Fault(verbatim(30.0), "silent for too long", kind=UpstreamTimeoutError, again=False),
    "silent midway": Fault(
        verbatim(HEAD + b"Content-Length: 100\r\n\r\n{", 30.0), "silent", kind=UpstreamTimeoutError, again=False
    ),
    "a drip": Fault(
        verbatim(HEAD + b"Content-Length: 1000\r\n\r\n", *([b" ", 0.1] * 100)),
        "did not finish in time",
        kind=UpstreamTimeoutError,
        again=False,
    ),
    "400": Fault(refusal("400 Bad Request"), 'refused the request .* says: "Words."', 400, False, again=False),
    "401": Fault(refusal("401 Unauthorized"), "does not accept our key", 401, again=False),
    "403": Fault(refusal("403 Forbidden"), "does not accept our key", 403, again=False),
    "404": Fault(refusal("404 Not Found"), "does not know the model", 404, again=False),
    "408": Fault(refusal("408 Request Timeout"), "waited too long", 408),
    "413": Fault(refusal("413 Payload Too Large"), "refused the request", 413, False, again=False),
    "422": Fault(refusal("422 Unprocessable"), "refused the request", 422, False, again=False),
    "429": Fault(refusal("429 Too Many Requests"), "left alone", 429),
    "429 for good": Fault(
        refusal("429 X", {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}),
        "used up",
        429,
        again=False,
    ),
    "500": Fault(refusal("500 Internal Server Error"), 'says: "Words."', 500),
    "502 page": Fault(
        whole(raw=b"<html><h1>Bad gateway", status="502 Bad Gateway", kind="text/html"), 'says: "a web page"', 502
    ),
    "503": Fault(refusal("503 Service Unavailable"), "overloaded", 503),
    "529": Fault(refusal("529 Overloaded"), "overloaded", 529),
    "redirect": Fault(
        refusal("307 Temporary Redirect", headers="Location: http://elsewhere.example/v1\r\n"),
        r"elsewhere\.example.*not followed",
        307,
        again=False,
    ),
    "a web page": Fault(whole(raw=b"<html>", kind="text/html"), "'text/html' where JSON was due", again=False),
    "two content types": Fault(whole(headers="Content-Type: text/html\r\n"), "different things"),
    "bad JSON": Fault(whole(raw=b'{"choices": ['), "not JSON"),
    "deep JSON": Fault(whole(raw=b"[" * 100_000), "not JSON"),
    "not UTF-8": Fault(whole(raw=b'{"choices": "\xff\xfe"}'), "not JSON"),
    "nothing": Fault(verbatim(HEAD + b"Content-Length: 0\r\n\r\n"), "answered nothing"),
    "a list": Fault(whole([1, 2]), "no object"),
    "no choices": Fault(whole({"object": "chat.completion", "choices": []}), "without choices"),
    "no message": Fault(whole({"choices": [{"index": 0}]}), "without a message"),
    "200 with an error": Fault(whole({"error": "Unexpected endpoint or method."}), "Unexpected endpoint"),
    "truncated": Fault(verbatim(HEAD + b'Content-Length: 500\r\n\r\n{"choices"'), "broke off in the middle"),
    "truncated chunks": Fault(
        verbatim(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b'{"a"')), "broke off in the middle"
    ),
    "too long, announced": Fault(verbatim(HEAD + b"Content-Length: 99999999\r\n\r\n{", 5.0), "more than", again=False),
    "too long, not announced": Fault(
        verbatim(HEAD + b"\r\n", *([b" " * 60_000] * 40)), "more than 1048576 bytes", again=False
    ),
    "a bomb": Fault(
        whole(raw=zlib.compress(b" " * 50_000_000), headers="Content-Encoding: deflate\r\n"),
        "more than 1048576 bytes",
        again=False,
    ),
    "broken gzip": Fault(whole(raw=b"not gzip", headers="Content-Encoding: gzip\r\n"), "compressed data"),
    "unasked encoding": Fault(whole(headers="Content-Encoding: br\r\n"), "encoding 'br'"),
    "not HTTP": Fault(verbatim(b"220 smtp.example ESMTP\r\n"), "not HTTP", again=False),
    "two lengths": Fault(
        verbatim(HEAD + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n{}   "), "not HTTP", again=False
    ),
    "headers without end": Fault(
        verbatim(HEAD + b"X-Filler: " + b"x" * 200_000), "not HTTP|closed the connection", again=False
    ),
    "events where JSON was due": Fault(streamed(SOME), "'text/event-stream' where JSON", again=False),
    "context": Fault(
        refusal("400 X", {"error": {"message": "m", "code": "context_length_exceeded"}}),
        "too long for the tier",
        kind=ContextLengthError,
        again=False,
    ),
    "context of llama.cpp": Fault(
        refusal("400 X", {"error": {"code": 400, "message": "m", "type": "exceed_context_size_error"}}),
        "too long",
        kind=ContextLengthError,
        again=False,
    ),
    "context of vLLM": Fault(
        refusal("400 X", {"object": "error", "message": "This model's maximum context length is 4096 tokens."}),
        "maximum context length is 4096",
        kind=ContextLengthError,
        again=False,
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_whole_answers(fault: Fault) -> None:
    limits = {**FAST, "retries": 1, "options": {"max_response_mb": 1}}
    async with serving(fault.turn) as up, engine(up.url, **limits) as tier:
        with pytest.raises(fault.kind, match=fault.match) as caught:
            await tier.generate(ask())
        assert tier.status().in_flight == 0
    assert type(caught.value) is fault.kind
    if isinstance(caught.value, UpstreamError):
        assert caught.value.upstream_status == fault.status
        assert caught.value.retryable is fault.retryable
    assert len(up.seen) == (2 if fault.again else 1)


PASSING = [name for name, fault in FAULTS.items() if fault.again]


@pytest.mark.parametrize("name", PASSING)
async def test_what_passes_is_not_seen(name: str) -> None:
    async with serving(FAULTS[name].turn, whole()) as up, engine(up.url, **FAST, retries=1) as tier:
        assert (await tier.generate(ask())).text == "On its way."
    assert len(up.seen) == 2


STREAM_FAULTS: dict[str, tuple[Behaviour, str]] = {
    "closed": (streamed(SOME, ended=False), "broke off in the middle|ended in the middle"),
    "ended without a reason": (streamed(SOME), "ended in the middle"),
    "half an event": (streamed(SOME, b'data: {"choices": [{"ind'), "ended in the middle"),
    "half a line": (streamed(SOME, b"da"), "ended in the middle"),
    "silent": (streamed(SOME, 30.0), "silent for too long"),
    "a drip of remarks": (streamed(SOME, *([b": still here\n\n", 0.1] * 100)), "did not finish in time"),
    "an error": (
        streamed(SOME, events({"error": {"message": "CUDA out of memory", "code": 500}})),
        "CUDA out of memory",
    ),
    "an event called error": (streamed(SOME, b'event: error\ndata: {"message": "gone"}\n\n'), "gone"),
    "an error of plain text": (streamed(SOME, events({"error": "llama runner exited"})), "llama runner exited"),
    "bad JSON": (streamed(SOME, b"data: {nonsense}\n\n"), "not JSON"),
    "a number": (streamed(SOME, b"data: 5\n\n"), "no object"),
    "choices of another kind": (streamed(SOME, events({"choices": {"index": 0}})), "cannot be read"),
    "a line without end": (streamed(SOME, *([b"x" * 60_000] * 40)), "longer than 1048576 bytes"),
    "too many events": (streamed(*([events(chunk("x" * 9000), done=False)] * 300)), "more than 2097152 bytes"),
    "aborted": (verbatim(SSE_HEAD, chunked(SOME), 0.05, b"zz\r\n"), "broke off|not HTTP|closed"),
}


@pytest.mark.parametrize(("turn", "match"), STREAM_FAULTS.values(), ids=STREAM_FAULTS.keys())
async def test_streams_that_break_after_the_first_piece(turn: Behaviour, match: str) -> None:
    """Never sent again: the caller has seen a piece of it."""
    limits = {**FAST, "retries": 3, "options": {"max_event_mb": 1, "max_response_mb": 2}}
    got: list[str] = []
    async with serving(turn) as up, engine(up.url, **limits) as tier:
        with pytest.raises(UpstreamError, match=match):
            async for piece in tier.stream(ask(stream=True)):
                assert isinstance(piece, Delta | Burst), "a broken stream has no whole"
                got += [delta.text for delta in ([piece] if isinstance(piece, Delta) else piece)]
        assert tier.status().in_flight == 0
    assert got[0] in ("Hel", "x" * 9000)
    assert len(up.seen) == 1


BEFORE_THE_FIRST = {
    "empty": streamed(),
    "remarks only": streamed(b": hello\n\n"),
    "done at once": streamed(events()),
    "an error first": streamed(events({"error": {"message": "overloaded", "code": 503}}, done=False)),
    "an error 500": refusal("500 X"),
    "half an event": streamed(b'data: {"choi'),
    "reset": reset(),
}


@pytest.mark.parametrize("turn", BEFORE_THE_FIRST.values(), ids=BEFORE_THE_FIRST.keys())
async def test_streams_that_break_before_the_first_piece_are_sent_again(turn: Behaviour) -> None:
    good = streamed(events(chunk("Hello"), chunk(finish="stop")))
    async with serving(turn, good) as up, engine(up.url, **FAST, retries=1) as tier:
        deltas, answer = await collect(tier, ask(stream=True))
    assert answer.text == "".join(d.text for d in deltas) == "Hello"
    assert len(up.seen) == 2


async def test_a_connection_that_breaks_after_the_last_reason_breaks_nothing() -> None:
    turn = streamed(events(chunk("Hello", finish="stop"), done=False), ended=False)
    async with serving(turn) as up, engine(up.url) as tier:
        _, answer = await collect(tier, ask(stream=True))
    assert answer.text == "Hello"


async def test_all_choices_must_end() -> None:
    async with serving(streamed(events(chunk("Hello", finish="stop"), done=False))) as up, engine(up.url) as tier:
        with pytest.raises(UpstreamError, match="ended in the middle"):
            await collect(tier, ask({"messages": [], "n": 2}, stream=True))


async def test_refused() -> None:
    with socket.socket() as taken:  # bound, not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        async with engine(f"http://127.0.0.1:{taken.getsockname()[1]}/v1") as tier:
            with pytest.raises(UpstreamError, match="does not take connections") as caught:
                await tier.generate(ask())
    assert caught.value.retryable


async def no_such_name(host: str, port: int) -> list[Address]:
    """What the system says of a name that nobody has."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def test_a_name_that_cannot_be_found() -> None:
    settings = read_settings(TierConfig("small", model="m", url="http://models.example/v1", retries=0))
    tier = RemoteGenerator(settings, Egress(frozenset(["models.example"])), resolver=no_such_name)
    with pytest.raises(UpstreamError, match="address that cannot be found"):
        await tier.generate(ask())
    await tier.close()


async def test_a_server_that_accepts_nobody() -> None:
    """Its backlog is full: the system drops what comes, and the connection is never made."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        try:
            limits = {"connect_s": 0.3, "first_byte_s": 5.0, "timeout_s": 5.0}
            async with engine(f"http://127.0.0.1:{address[1]}/v1", **limits) as tier:
                with pytest.raises(UpstreamTimeoutError, match="connect_s"):
                    await tier.generate(ask())
        finally:
            for filler in fillers:
                filler.close()


@pytest.mark.parametrize(
    ("name", "trusted", "match"),
    [
        ("localhost", True, ""),
        ("localhost", False, "certificate that cannot be trusted"),
        ("elsewhere.example", True, "certificate that cannot be trusted"),
    ],
    ids=["trusted", "signed by itself", "of another name"],
)
async def test_certificates(tmp_path: Path, name: str, trusted: bool, match: str) -> None:
    file = certificate(tmp_path, name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    options = {"ca_file": str(file)} if trusted else {}
    raw = json.dumps(ANSWER).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(raw) + raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}/v1"
    try:
        async with engine(url, options=options) as tier:
            if not match:
                assert (await tier.generate(ask())).text == "On its way."
                return
            with pytest.raises(UpstreamError, match=match) as caught:
                await tier.generate(ask())
            assert caught.value.retryable
    finally:
        server.close()


async def test_plain_text_where_tls_was_due() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        async with engine(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1") as tier:
            with pytest.raises(UpstreamError, match="over TLS"):
                await tier.generate(ask())
    finally:
        server.close()
