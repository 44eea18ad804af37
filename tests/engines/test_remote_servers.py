"""Servers as they are: llama.cpp's own HTTP server, and the shapes that vLLM and Ollama write.

The shapes are written from their protocols: vLLM's `vllm/entrypoints/openai` and Ollama's `openai/openai.go`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from upstream import ask, chunk, collect, engine, events, serving, streamed, whole

from rightsized.core.errors import ContextLengthError, UpstreamError
from rightsized.core.generation import Generation, Usage
from rightsized.engines.remote import RemoteGenerator

KEY = "sk-llama"
EVERY = ("chat", "completions", "embeddings", "rerank")


@asynccontextmanager
async def llama(monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> AsyncIterator[RemoteGenerator]:
    """The remote engine before llama.cpp's own server, on a port of loopback, with a tiny model."""
    binding = pytest.importorskip("xllamacpp")
    tiny = pytest.importorskip("tiny_gguf")
    given = binding.CommonParams()
    given.model.path = str(tiny.model())
    given.hostnames, given.port, given.api_keys = ["127.0.0.1"], 0, [KEY]
    given.offline, given.ui, given.verbosity, given.fit_params = True, False, 1, False
    given.n_ctx, given.n_parallel, given.cpuparams.n_threads = 1024, 2, 1
    server = binding.Server(given)
    monkeypatch.setenv("LLAMA_KEY", key)
    settings = {"preset": "llamacpp", "model": "", "key_env": "LLAMA_KEY", "operations": EVERY}
    async with engine(f"{server.listening_address}/v1", **settings) as tier:
        yield tier


async def test_llama_cpp(monkeypatch: pytest.MonkeyPatch) -> None:
    short = {"messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 6, "temperature": 0}
    async with llama(monkeypatch) as tier:
        answer = await tier.generate(ask({**short, "logprobs": True, "top_logprobs": 2}))
        assert answer.usage.completion_tokens == 6, "max_completion_tokens reached it as max_tokens"
        assert not answer.usage.estimated
        assert answer.finish == "length"
        assert len(answer.body["choices"][0]["logprobs"]["content"]) == 6
        for _ in range(3):  # it closes some connections after a stream without saying so
            deltas, same = await collect(tier, ask({**short, "logprobs": True}, stream=True))
            assert same.text == "".join(d.text for d in deltas) == answer.text
            assert same.usage.completion_tokens == 6
            assert len(same.body["choices"][0]["logprobs"]["content"]) == 6
            written = await tier.generate(Generation("completions", {"prompt": "the ", "max_tokens": 3}))
            assert written.usage.completion_tokens == 3
        schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
        formed = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
        shaped = await tier.generate(ask({**short, "max_completion_tokens": 30, "response_format": formed}))
        assert shaped.text.startswith("{")


async def test_llama_cpp_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with llama(monkeypatch) as tier:
        long = {"messages": [{"role": "user", "content": "word " * 2000}]}
        with pytest.raises(ContextLengthError, match="too long"):
            await tier.generate(ask(long))
        with pytest.raises(ContextLengthError, match="too long"):
            await collect(tier, ask(long, stream=True))
        with pytest.raises(UpstreamError) as caught:
            await tier.generate(ask({"messages": "none"}))
        assert (caught.value.upstream_status, caught.value.status, caught.value.retryable) == (400, 400, False)
    async with llama(monkeypatch, key="sk-wrong") as stranger:
        with pytest.raises(UpstreamError, match="does not accept our key"):
            await stranger.generate(ask())


def vllm(**delta: Any) -> dict[str, Any]:
    """A chunk as vLLM writes it."""
    choice = {"index": 0, "logprobs": None, "finish_reason": None, "stop_reason": None, "token_ids": None, **delta}
    return {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


async def test_the_stream_of_vllm() -> None:
    """Reasoning, an empty first piece, a usage event with empty choices, and unknown fields."""
    data = events(
        {**vllm(delta={"role": "assistant", "content": ""}), "prompt_token_ids": None, "usage": None},
        vllm(delta={"reasoning_content": "Two and "}),
        vllm(delta={"reasoning_content": "two."}),
        vllm(delta={"content": "4"}),
        vllm(delta={"content": ""}, finish_reason="stop", stop_reason=2),
        {**vllm(), "choices": [], "usage": {"prompt_tokens": 9, "total_tokens": 14, "completion_tokens": 5}},
    )
    async with serving(streamed(data)) as up, engine(up.url, preset="vllm") as tier:
        deltas, answer = await collect(tier, ask(stream=True))
    assert [d.text for d in deltas] == ["", "", "", "4", ""]
    (choice,) = answer.body["choices"]
    assert choice["message"] == {"role": "assistant", "content": "4", "reasoning_content": "Two and two."}
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", 2)
    assert answer.usage == Usage(9, 5)


async def test_errors_of_vllm() -> None:
    """Its newer shape and its older one; and one in the middle of a stream."""
    words = "This model's maximum context length is 2048 tokens. However, you requested 4000 tokens."
    newer = {"error": {"message": words, "type": "BadRequestError", "param": None, "code": 400}}
    older = {"object": "error", "message": words, "type": "BadRequestError", "param": None, "code": 400}
    validation = {"detail": [{"loc": ["body", "messages"], "msg": "Field required", "input": {"secret": "prompt"}}]}
    midway = events(vllm(delta={"content": "a"}), {"error": {"message": "EngineCore died", "code": 500}})
    turns = (
        *(whole(body, status="400 Bad Request") for body in (newer, older)),
        whole(validation, status="422 Unprocessable Entity"),
        streamed(midway),
    )
    async with serving(*turns) as up, engine(up.url, preset="vllm") as tier:
        for _ in range(2):
            with pytest.raises(ContextLengthError, match="2048"):
                await tier.generate(ask())
        with pytest.raises(UpstreamError, match=r"body\.messages: Field required") as caught:
            await tier.generate(ask())
        assert "secret" not in str(caught.value)
        assert caught.value.status == 422
        with pytest.raises(UpstreamError, match="EngineCore died"):
            await collect(tier, ask(stream=True))


async def test_the_stream_of_ollama() -> None:
    """Two tool calls at one position, each in one piece, and a finish reason in a piece of its own."""

    def call(name: str, city: str) -> dict[str, Any]:
        function = {"name": "weather", "arguments": f'{{"city":"{city}"}}'}
        return {"id": f"call_{name}", "index": 0, "type": "function", "function": function}

    usage = {**chunk(), "choices": [], "usage": {"prompt_tokens": 26, "completion_tokens": 8, "total_tokens": 34}}
    data = events(
        {**chunk("", role="assistant", tool_calls=[call("a", "Oslo")]), "system_fingerprint": "fp_ollama"},
        {**chunk("", role="assistant", tool_calls=[call("b", "Rome")]), "system_fingerprint": "fp_ollama"},
        chunk("", "tool_calls", role="assistant"),
        usage,
    )
    async with serving(streamed(data)) as up, engine(up.url, preset="ollama") as tier:
        deltas, answer = await collect(tier, ask(stream=True))
    calls = answer.body["choices"][0]["message"]["tool_calls"]
    assert [(c["id"], c["function"]["arguments"]) for c in calls] == [
        ("call_a", '{"city":"Oslo"}'),
        ("call_b", '{"city":"Rome"}'),
    ]
    assert [d.body["choices"][0]["delta"]["tool_calls"][0]["index"] for d in deltas[:2]] == [0, 1]
    assert (answer.finish, answer.usage) == ("tool_calls", Usage(26, 8))


async def test_errors_of_ollama() -> None:
    missing = {"error": {"message": 'model "qwen3" not found, try pulling it first', "type": "not_found_error"}}
    turns = (
        whole(missing, status="404 Not Found"),
        whole({"error": "llama runner process has terminated"}, status="500 X"),
    )
    async with serving(*turns) as up, engine(up.url, preset="ollama") as tier:
        with pytest.raises(UpstreamError, match="try pulling it first"):
            await tier.generate(ask())
        with pytest.raises(UpstreamError, match="runner process has terminated"):
            await tier.generate(ask())


async def test_filter_results_of_azure_come_first_and_have_no_choice() -> None:
    first = {"id": "", "object": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    data = events(first, chunk("Hi"), chunk(finish="stop"))
    async with serving(streamed(data)) as up, engine(up.url, preset="openai") as tier:
        deltas, answer = await collect(tier, ask(stream=True))
    assert [d.text for d in deltas] == ["Hi", ""]
    assert answer.body["prompt_filter_results"] == [{"prompt_index": 0}]
    assert answer.body["id"] == "c"
