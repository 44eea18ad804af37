"""The remote engine against real servers on loopback: what it sends, and what it makes of what comes."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import Any

import pytest
from aiohttp import web
from upstream import (
    ANSWER,
    SSE_HEAD,
    ask,
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
from rightsized.core.errors import EgressDeniedError, UnsupportedError, UpstreamError
from rightsized.core.generation import Completion, Delta, Generation, Usage

HELLO = [chunk("Hel", role="assistant"), chunk("lo"), chunk(finish="stop")]
USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}


async def test_whole() -> None:
    async with serving(whole()) as up, engine(up.url) as tier:
        body = {"messages": [{"role": "user", "content": "Grüße"}], "temperature": 0.2, "unheard_of": [1, None]}
        answer = await tier.generate(ask(body))
    assert answer == Completion("On its way.", "stop", Usage(12, 4), ANSWER)
    (seen,) = up.seen
    assert (seen.method, seen.path) == ("POST", "/v1/chat/completions")
    assert seen.body == {**body, "model": "small"}
    assert "authorization" not in seen.headers


async def test_stream() -> None:
    async with serving(streamed(events(*HELLO, USAGE))) as up, engine(up.url) as tier:
        deltas, answer = await collect(tier, ask(stream=True))
    assert [d.text for d in deltas] == ["Hel", "lo", ""]
    assert answer.text == "Hello"
    assert answer.finish == "stop"
    assert answer.usage == Usage(7, 2)
    assert answer.body["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}
    assert up.seen[0].body["stream_options"] == {"include_usage": True}
    assert up.seen[0].body["stream"] is True


@pytest.mark.parametrize("step", [1, 3, 50])
async def test_a_stream_cut_anywhere(step: int) -> None:
    data = b": hello\r\n\r\n" + events(*HELLO, USAGE, end="\r\n\r\n")
    pieces = [data[i : i + step] for i in range(0, len(data), step)]
    async with serving(streamed(*pieces)) as up, engine(up.url) as tier:
        deltas, answer = await collect(tier, ask(stream=True))
    assert [d.text for d in deltas] == ["Hel", "lo", ""]
    assert answer.usage == Usage(7, 2)


@pytest.mark.parametrize(
    "data",
    [
        events(*HELLO, done=False),
        events(*HELLO, done=False) + b"data: [DONE]",
        events(*HELLO) + b'data: {"never": "read"}\n\n',
        events(*HELLO, done=False) + b"data: {half",
        events(chunk("Hello"), done=True),
        b": OPENROUTER PROCESSING\n\n" * 50 + events(*HELLO),
    ],
    ids=["no-done", "done-unfinished", "after-done", "half-after-finish", "no-reason", "keep-alives"],
)
async def test_ways_to_end_a_stream(data: bytes) -> None:
    async with serving(streamed(data)) as up, engine(up.url) as tier:
        _, answer = await collect(tier, ask(stream=True))
    assert answer.text == "Hello"
    assert answer.usage.estimated


async def test_a_stream_that_is_not_ended_after_its_last_event_holds_nobody_up() -> None:
    async with serving(verbatim(SSE_HEAD, chunked(events(*HELLO)), 30.0)) as up, engine(up.url) as tier:
        _, answer = await collect(tier, ask(stream=True))
        await asyncio.wait_for(up.gone.wait(), 5)
    assert answer.text == "Hello"


async def test_a_server_that_does_not_stream() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hi", "tool_calls": [call]}
    body = {**ANSWER, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    async with serving(whole(body)) as up, engine(up.url) as tier:
        (piece,), answer = await collect(tier, ask(stream=True))
    assert piece.body["object"] == "chat.completion.chunk"
    assert piece.body["choices"][0]["delta"]["tool_calls"] == [{"index": 0, **call}]
    assert piece.text == answer.text == "Hi"
    assert answer.body == body


async def test_completions_embeddings_and_rerank() -> None:
    text = {"object": "text_completion", "choices": [{"index": 0, "text": " pass", "finish_reason": "length"}]}
    vectors = {"object": "list", "data": [{"index": 0, "embedding": [0.5, 1.0]}], "usage": {"prompt_tokens": 3}}
    ranked = {"results": [{"index": 1, "relevance_score": 0.9}], "usage": {"total_tokens": 30}}
    every = ("chat", "completions", "embeddings", "rerank")
    asked: list[tuple[Any, dict[str, Any]]] = [
        ("completions", {"prompt": "def f():"}),
        ("embeddings", {"input": ["a"]}),
        ("rerank", {"query": "q", "documents": ["a", "b"]}),
    ]
    settings = {"preset": "vllm", "operations": every}
    async with serving(whole(text), whole(vectors), whole(ranked)) as up, engine(up.url, **settings) as tier:
        answers = [await tier.generate(Generation(operation, body)) for operation, body in asked]
    assert [one.path for one in up.seen] == ["/v1/completions", "/v1/embeddings", "/v1/rerank"]
    assert answers[0].text == " pass"
    assert answers[0].usage == Usage(3, 2, estimated=True)
    assert answers[0].body["usage"]["estimated"] is True
    assert (answers[1].body, answers[1].usage) == (vectors, Usage(3, 0))
    assert (answers[2].body, answers[2].usage) == (ranked, Usage(30, 0))


async def test_an_operation_without_pieces_streams_its_whole() -> None:
    vectors = {"object": "list", "data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 3}}
    async with serving(whole(vectors)) as up, engine(up.url, operations=("embeddings",)) as tier:
        deltas, answer = await collect(tier, Generation("embeddings", {"input": "a"}, stream=True))
    assert (deltas, answer.body) == ([], vectors)
    assert "stream" not in up.seen[0].body


async def test_streamed_completions() -> None:
    pieces = [{"choices": [{"index": 0, "text": t, "finish_reason": f}]} for t, f in ((" pa", None), ("ss", "stop"))]
    async with serving(streamed(events(*pieces))) as up, engine(up.url) as tier:
        deltas, answer = await collect(tier, Generation("completions", {"prompt": "def f():"}, stream=True))
    assert [d.text for d in deltas] == [" pa", "ss"]
    assert answer.body["choices"] == [{"index": 0, "finish_reason": "stop", "logprobs": None, "text": " pass"}]


async def test_an_operation_that_the_tier_does_not_do() -> None:
    async with serving(whole()) as up, engine(up.url, operations=("chat",)) as tier:
        with pytest.raises(UnsupportedError, match="does not do embeddings"):
            await tier.generate(Generation("embeddings", {"input": "a"}))
    assert up.seen == []


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_compressed_though_not_asked_for(pack: Any) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    plain = whole(raw=pack(json.dumps(ANSWER).encode()), headers=f"Content-Encoding: {encoding}\r\n")
    head = SSE_HEAD.replace(b"\r\n\r\n", f"\r\nContent-Encoding: {encoding}\r\n\r\n".encode())
    packed = pack(events(*HELLO))
    pieces = [chunked(packed[i : i + 9]) for i in range(0, len(packed), 9)]
    async with serving(plain, verbatim(head, *pieces, chunked(b""))) as up, engine(up.url) as tier:
        assert (await tier.generate(ask())).text == "On its way."
        assert (await collect(tier, ask(stream=True)))[1].text == "Hello"
    assert up.seen[0].headers["accept-encoding"] == "identity"


async def test_one_connection_serves_many_requests() -> None:
    turn = streamed(events(*HELLO))
    async with serving(whole(), turn, whole(), turn) as up, engine(up.url) as tier:
        for _ in range(2):
            await tier.generate(ask())
            await collect(tier, ask(stream=True))
    assert (len(up.seen), up.connections) == (4, 1)


async def test_a_kept_connection_that_its_server_closes_is_no_failure() -> None:
    """Sent again at once on another one, also where no retry is allowed; the loss of a new one is a failure."""
    async with serving(whole(), reset(), whole(), reset(), reset()) as up, engine(up.url) as tier:
        for _ in range(2):
            assert (await tier.generate(ask())).text == "On its way."
        assert (len(up.seen), up.connections) == (3, 2)
        with pytest.raises(UpstreamError, match="closed the connection"):
            await tier.generate(ask())
        assert len(up.seen) == 5
        assert tier.status().ready


async def test_cookies_are_not_kept() -> None:
    async with serving(whole(headers="Set-Cookie: who=me\r\n")) as up, engine(up.url) as tier:
        await tier.generate(ask())
        await tier.generate(ask())
    assert all("cookie" not in one.headers for one in up.seen)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(whole()) as proxy, serving(whole()) as up:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with engine(up.url) as tier:
            await tier.generate(ask())
    assert (len(proxy.seen), len(up.seen)) == (0, 1)


async def test_cancelling_a_whole_answer_closes_the_connection() -> None:
    async with serving(verbatim(30.0)) as up, engine(up.url) as tier:
        task = asyncio.ensure_future(tier.generate(ask()))
        await up.arrived.wait()
        assert tier.status().in_flight == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(up.gone.wait(), 5)
        assert tier.status().in_flight == 0


async def test_leaving_a_stream_closes_the_connection() -> None:
    async with serving(streamed(events(HELLO[0], done=False), 30.0)) as up, engine(up.url) as tier:
        pieces = tier.stream(ask(stream=True))
        first = await anext(pieces)
        assert isinstance(first, Delta)
        assert first.text == "Hel"
        await pieces.aclose()  # type: ignore[attr-defined]
        await asyncio.wait_for(up.gone.wait(), 5)
        assert tier.status().in_flight == 0


async def test_a_slow_reader_makes_the_server_wait() -> None:
    """Nothing is taken in for a reader that does not read: the server cannot write on."""
    written = 0

    async def flood(upstream: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(SSE_HEAD)
        piece = chunked(events(chunk("x" * 1000), done=False))
        while True:
            writer.write(piece)
            await writer.drain()
            written += len(piece)

    async with serving(flood) as up, engine(up.url) as tier:
        pieces = tier.stream(ask(stream=True))
        await anext(pieces)
        before = -1
        while before != written:  # until it stands still
            before = written
            await asyncio.sleep(0.2)
        assert written < 16 * 2**20  # what the buffers of both ends hold
        await pieces.aclose()  # type: ignore[attr-defined]


async def test_nothing_is_asked_of_a_host_that_no_rule_allows() -> None:
    async with engine("http://models.example:8000/v1") as tier:
        with pytest.raises(EgressDeniedError, match=r"models\.example"):
            await tier.generate(ask())
        assert tier.status().ready


def test_the_connector_asks_by_itself() -> None:
    """uvloop opens sockets past the process's audit hook: an address, and a name, are refused all the same."""
    import uvloop

    async def refused(host: str) -> bool:
        async with engine(f"http://{host}:8000/v1", connect_s=0.2) as tier:
            with pytest.raises(EgressDeniedError):
                await tier.generate(ask())
        return True

    assert all(uvloop.run(refused(host)) for host in ("203.0.113.7", "models.example", "[2001:db8::1]"))


async def test_leave_that_is_taken_back_ends_kept_connections() -> None:
    """The allow-list is asked for each request, not for each connection only."""

    class Revocable(Egress):
        taken_back = False

        def require(self, destination: str, purpose: str) -> None:
            if self.taken_back:
                raise EgressDeniedError("No more.")

    egress = Revocable()
    async with serving(whole()) as up, engine(up.url, egress) as tier:
        await tier.generate(ask())
        egress.taken_back = True
        with pytest.raises(EgressDeniedError):
            await tier.generate(ask())
    assert len(up.seen) == 1


async def test_against_a_server_of_another_make() -> None:
    """aiohttp's own server, with chunked JSON and flushed events."""

    async def chat(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if not body.get("stream"):
            return web.json_response(ANSWER)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in (*HELLO, USAGE):
            await response.write(events(part, done=False))
        await response.write(b"data: [DONE]\n\n")
        return response

    application = web.Application()
    application.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with engine(f"http://localhost:{port}/v1") as tier:
            assert (await tier.generate(ask())).text == "On its way."
            assert (await collect(tier, ask(stream=True)))[1].usage == Usage(7, 2)
    finally:
        await runner.cleanup()
