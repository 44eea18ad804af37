"""Answers put together from the pieces of a stream."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.engines.remote.assemble import Assembler, ChunkError


def chunk(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": list(choices), **more}


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"index": index, "delta": fields, "finish_reason": finish}


def call(index: int | None, identity: str = "", name: str = "", arguments: str = "") -> dict[str, Any]:
    function = {**({"name": name} if name else {}), "arguments": arguments}
    return {
        **({} if index is None else {"index": index}),
        **({"id": identity} if identity else {}),
        "function": function,
    }


def assemble(chunks: list[dict[str, Any]], *, chat: bool = True) -> tuple[dict[str, Any], Assembler]:
    whole = Assembler(chat=chat)
    for one in chunks:
        whole.add(one)
    return whole.body(), whole


def test_text_of_several_choices() -> None:
    chunks = [
        chunk(delta(role="assistant", content="")),
        chunk(delta(content="Par"), delta(1, content="Deux")),
        chunk(delta(1, "length")),
        chunk(delta(content="is")),
        chunk(delta(finish="stop")),
        chunk(usage={"prompt_tokens": 3, "completion_tokens": 4}),
    ]
    added = [Assembler(chat=True).add(copy.deepcopy(one)) for one in chunks]
    assert added == ["", "Par", "", "is", "", ""]
    body, whole = assemble(chunks)
    assert body == {
        "id": "c1",
        "object": "chat.completion",
        "created": 5,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {"role": "assistant", "content": "Paris"},
            },
            {
                "index": 1,
                "finish_reason": "length",
                "logprobs": None,
                "message": {"role": "assistant", "content": "Deux"},
            },
        ],
    }
    assert whole.usage == {"prompt_tokens": 3, "completion_tokens": 4}
    assert whole.finished


def calls_of(chunks: list[dict[str, Any]]) -> list[tuple[Any, Any, Any]]:
    body, _ = assemble(chunks)
    made = body["choices"][0]["message"]["tool_calls"]
    return [(one.get("id"), one["function"].get("name"), one["function"].get("arguments")) for one in made]


BERLIN, ROME = '{"city": "Berlin"}', '{"city": "Rome"}'
BOTH = [("a", "weather", BERLIN), ("b", "weather", ROME)]


def test_parallel_calls_with_arguments_in_parts() -> None:
    """OpenAI's way: the position says which call goes on, and calls may interleave."""
    chunks = [
        chunk(delta(role="assistant", content=None, tool_calls=[call(0, "a", "weather")])),
        chunk(delta(tool_calls=[call(0, arguments=BERLIN[:5])])),
        chunk(delta(tool_calls=[call(1, "b", "weather", ROME[:3]), call(0, arguments=BERLIN[5:])])),
        chunk(delta(tool_calls=[call(1, arguments=ROME[3:])])),
        chunk(delta(finish="tool_calls")),
    ]
    assert calls_of(chunks) == BOTH
    message = assemble(chunks)[0]["choices"][0]["message"]
    assert message["content"] is None


@pytest.mark.parametrize("index", [0, None])
def test_ollama_gives_all_calls_one_position_or_none(index: int | None) -> None:
    chunks = [
        chunk(delta(tool_calls=[call(index, "a", "weather", BERLIN)])),
        chunk(delta(tool_calls=[call(index, "b", "weather", ROME)])),
    ]
    assert calls_of(chunks) == BOTH
    assert [one["choices"][0]["delta"]["tool_calls"][0]["index"] for one in chunks] == [0, 1]


def test_one_position_for_all_with_arguments_in_parts() -> None:
    chunks = [
        chunk(delta(tool_calls=[call(0, "a", "weather", BERLIN[:4])])),
        chunk(delta(tool_calls=[call(0, arguments=BERLIN[4:])])),
        chunk(delta(tool_calls=[call(0, "b", "weather", ROME[:4])])),
        chunk(delta(tool_calls=[call(0, arguments=ROME[4:])])),
    ]
    assert calls_of(chunks) == BOTH


def test_an_id_of_its_own_for_every_piece() -> None:
    chunks = [
        chunk(delta(tool_calls=[call(0, "a", "weather")])),
        chunk(delta(tool_calls=[call(0, "x7", arguments=BERLIN[:4])])),
        chunk(delta(tool_calls=[call(0, "x8", arguments=BERLIN[4:])])),
    ]
    ((_, name, arguments),) = calls_of(chunks)
    assert (name, arguments) == ("weather", BERLIN)


def test_the_name_said_again_in_every_piece() -> None:
    chunks = [
        chunk(delta(tool_calls=[call(0, "a", "weather", BERLIN[:4])])),
        chunk(delta(tool_calls=[call(0, "a", "weather", BERLIN[4:])])),
    ]
    assert calls_of(chunks) == BOTH[:1]


def test_reasoning_refusal_and_unknown_fields_grow() -> None:
    chunks = [
        chunk(delta(reasoning_content="First ", annotations=[1]), system_fingerprint="fp"),
        chunk(delta(reasoning_content="this.", annotations=[2], audio={"data": "QQ"})),
        chunk(delta(refusal="No.", audio={"data": "==", "expires_at": 9})),
    ]
    body, _ = assemble(chunks)
    message = body["choices"][0]["message"]
    assert message["reasoning_content"] == "First this."
    assert message["annotations"] == [1, 2]
    assert message["refusal"] == "No."
    assert message["audio"] == {"data": "QQ==", "expires_at": 9}
    assert body["system_fingerprint"] == "fp"
    json.dumps(body)


def test_log_probabilities_are_joined_and_chunks_left_alone() -> None:
    tokens = [{"token": t, "logprob": -0.5, "top_logprobs": []} for t in ("a", "b", "c")]
    chunks = [chunk({**delta(content=t["token"]), "logprobs": {"content": [t], "refusal": None}}) for t in tokens]
    body, _ = assemble(chunks)
    assert body["choices"][0]["logprobs"] == {"content": tokens, "refusal": None}
    assert [len(one["choices"][0]["logprobs"]["content"]) for one in chunks] == [1, 1, 1]


def test_completions() -> None:
    chunks = [
        chunk(
            {"index": 0, "text": "def ", "finish_reason": None, "logprobs": {"tokens": ["def "], "text_offset": [0]}}
        ),
        chunk({"index": 0, "text": "f", "finish_reason": "length", "logprobs": {"tokens": ["f"], "text_offset": [4]}}),
    ]
    body, _ = assemble(chunks, chat=False)
    assert body["object"] == "text_completion"
    assert body["choices"] == [
        {
            "index": 0,
            "text": "def f",
            "finish_reason": "length",
            "logprobs": {"tokens": ["def ", "f"], "text_offset": [0, 4]},
        }
    ]


@given(st.text(max_size=60), st.lists(st.integers(0, 60), max_size=10))
def test_any_split_of_a_text(text: str, places: list[int]) -> None:
    edges = [0, *sorted(min(p, len(text)) for p in places), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    arguments = [
        chunk(delta(tool_calls=[call(0, "a" if not i else "", "f" if not i else "", p)])) for i, p in enumerate(pieces)
    ]
    body, _ = assemble([*(chunk(delta(content=piece)) for piece in pieces), *arguments])
    message = body["choices"][0]["message"]
    assert message["content"] == text
    assert message["tool_calls"][0]["function"]["arguments"] == text


@pytest.mark.parametrize(
    "wrong",
    [
        {"choices": "none"},
        {"choices": [1]},
        {"choices": [{"index": "0", "delta": {}}]},
        {"choices": [{"index": 0, "delta": "text"}]},
        {"choices": [{"index": 0, "delta": {"content": 5}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": ["x"]}}]},
    ],
)
def test_what_is_no_chunk(wrong: dict[str, Any]) -> None:
    with pytest.raises(ChunkError):
        Assembler(chat=True).add(wrong)
