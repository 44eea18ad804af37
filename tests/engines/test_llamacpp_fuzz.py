"""Nonsense in any field: an error of the request or an answer, never another exception, and never the worker's end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rightsized.core.errors import InputError
from rightsized.core.generation import Completion, Generation, Operation
from rightsized.engines.llamacpp import requests
from tests.engines.tiny_gguf import model, running

JUNK: tuple[Any, ...] = (
    *(True, False, 0, -1, 1, 7, 2**31, -(2**31), 2**40, 0.5, -0.5, 1e308, float("inf")),
    *("", "text", "\0", "\ud7ff" * 3, "{" * 300),
    *([], [None], [[]], [{}], ["a", 1], [[1, 2.5]], [-1], [2**40]),
    *({}, {"a": 1}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": 3}, {"1": 2}, {"function": "x"}),
)
BODIES: dict[Operation, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3},
    "completions": {"prompt": "Hi", "max_tokens": 3},
    "embeddings": {"input": "Hi"},
}
FIELDS: dict[Operation, list[str]] = {
    "chat": sorted(requests.CHAT | requests.HANDLED - {"prompt", "suffix"}),
    "completions": sorted(requests.SAMPLING | requests.HANDLED),
    "embeddings": ["input", "encoding_format", "dimensions", "user"],
}
MESSAGES: tuple[Any, ...] = (
    *(
        {},
        {"role": "user"},
        {"role": 5, "content": "x"},
        {"role": "user", "content": 5},
        {"content": "x"},
        None,
        "x",
        3,
    ),
    *({"role": "user", "content": [{}]}, {"role": "user", "content": [{"type": "text"}]}, {"role": "tool"}),
    *({"role": "assistant", "tool_calls": 3}, {"role": "assistant", "tool_calls": [{"function": 1}]}, []),
    *({"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},),
)


@pytest.mark.parametrize("operation", list(BODIES))
def test_nonsense_in_a_field_is_the_requests_own_error(operation: Operation) -> None:
    bodies = [BODIES[operation] | {field: junk} for field in FIELDS[operation] for junk in JUNK]
    if operation == "chat":
        bodies += [{"messages": [message], "max_tokens": 3} for message in MESSAGES]
    asyncio.run(_all_survived(operation, bodies))


async def _all_survived(operation: Operation, bodies: list[dict[str, Any]]) -> None:
    every: tuple[Operation, ...] = ("chat", "completions", "embeddings")
    settings = {"operations": every, "options": {"pooling": "mean", "slots": 4}, "queue": 100}
    async with running(model(fim=True, context=256), **settings) as engine:
        life = engine.process_id
        wrong = []
        for body in bodies:
            try:
                async with asyncio.timeout(20):
                    assert isinstance(await engine.generate(Generation(operation, body)), Completion)
            except InputError:
                pass
            except Exception as error:  # noqa: BLE001 - listed with the body that caused it
                wrong.append((body, repr(error)))
        assert not wrong, "\n".join(map(str, wrong))
        assert engine.process_id == life
        assert engine.status().in_flight == 0
