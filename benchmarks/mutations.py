"""Requests that nobody should send: valid ones, changed at random in their bytes, their JSON or their header fields."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my refund?"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
SHAPE = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
# Valid requests by address. `support` is the sample task, `minilm` the encoder, `small` a tier that writes.
SEEDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/chat/completions", {"model": "auto", "messages": MESSAGES, "temperature": 0.5, "n": 1, "stop": ["x"]}),
    ("/v1/chat/completions", {"model": "small", "messages": MESSAGES, "stream": True,
                              "stream_options": {"include_usage": True}, "logprobs": True, "top_logprobs": 2}),
    ("/v1/chat/completions", {"model": "task:support", "messages": MESSAGES}),
    ("/v1/chat/completions", {"model": "small", "tools": [TOOL], "tool_choice": "auto", "response_format": SHAPE,
                              "messages": [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": [CALL]},
                                           {"role": "tool", "tool_call_id": "c1", "content": "rain"}]}),
    ("/v1/chat/completions", {"model": "small", "seed": 7, "logit_bias": {"50": 1},
                              "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}]}),
    ("/v1/completions", {"model": "small", "prompt": "def f(", "suffix": "return x", "max_tokens": 5, "echo": False}),
    ("/v1/completions", {"model": "task:support", "prompt": ["Where is my refund?"], "best_of": 1}),
    ("/v1/responses", {"model": "small", "input": "Where is it?", "instructions": "Be brief.", "stream": True}),
    ("/v1/responses", {"model": "small", "text": {"format": {"type": "json_object"}}, "max_output_tokens": 9,
                       "input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]},
                                 {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
                                 {"type": "function_call_output", "call_id": "c1", "output": "rain"}]}),
    ("/v1/embeddings", {"model": "minilm", "input": ["one text", "another"], "encoding_format": "base64"}),
    ("/v1/embeddings", {"model": "minilm", "input": "one text", "dimensions": 384}),
    ("/v1/rerank", {"model": "minilm", "query": "refund", "documents": ["a refund", {"text": "a parcel"}], "top_n": 1}),
    ("/v1/classify", {"task": "support", "text": "Where is my refund?", "conversation": "c-1"}),
    ("/v1/classify", {"task": "support", "texts": ["Where is my refund?", "The app crashes."]}),
    ("/v1/feedback", {"decision": "0", "label": "billing", "reviewer": "fuzz"}),
    ("/v1/queue/0", {"label": "billing", "reviewer": "fuzz"}),
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, 2**31, 2**63, 2**64, 2**70, "", " ", "a", "auto", "small", "minilm",
    "task:", "task:support", "../x", "\x00", "\u202e", "\U0001f600" * 50, "x" * 5000, [], {}, [[]], [None], {"": None},
    {"type": "text"}, {"type": "function"}, {"role": "user", "content": []}, ["a", 1, None], [[1, 2], [3]], "NaN",
)  # fmt: skip
RAW = (b"\x00", b"\xff\xfe", b"\\ud800", b"NaN", b"1e999", b"9" * 400, b"[" * 200, b'"', b"}", b",", b"\r\n\r\n", b"-")
HEADERS: tuple[tuple[str, str], ...] = (
    ("X-Rightsized-Data-Class", "PUBLIC"), ("X-Rightsized-Data-Class", "x"), ("X-Rightsized-Region", "eu"),
    ("X-Rightsized-Region", "\xff"), ("X-Rightsized-Conversation", "c" * 500), ("X-Rightsized-Conversation", "c"),
    ("X-Rightsized-Timeout", "1e-9"), ("X-Rightsized-Timeout", "-1"), ("X-Rightsized-Timeout", "1e309"),
    ("Content-Type", "text/plain"), ("Content-Type", "application/json; charset=latin-1"), ("Content-Type", ""),
    ("Content-Encoding", "gzip"), ("Authorization", "Bearer rs-nothing"), ("Authorization", "Basic !!"),
    ("Accept", "text/html"), ("Origin", "null"), ("Host", "elsewhere"), ("Expect", "100-continue"),
)  # fmt: skip


class Mutant(NamedTuple):
    """A request: where it goes, its body, and the header fields that it has beside the usual ones."""

    path: str
    body: bytes
    headers: dict[str, str]


def mutants(count: int, seed: int) -> Iterator[Mutant]:
    """So many requests, always the same for the same seed."""
    draw = random.Random(seed)
    for _ in range(count):
        path, valid = draw.choice(SEEDS)
        document: Any = json.loads(json.dumps(valid))
        headers: dict[str, str] = {}
        if draw.random() < 0.85:
            for _ in range(draw.choice((1, 1, 1, 2, 4))):
                document = _changed(document, draw)
        body = json.dumps(document, ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")
        if draw.random() < 0.35:
            body = _torn(body, draw)
        if draw.random() < 0.15:
            headers = dict([draw.choice(HEADERS)])
        yield Mutant(path, body, headers)


def _changed(document: Any, draw: random.Random) -> Any:
    """The document with one place replaced, removed, added to or copied elsewhere."""
    places = list(_places(document))
    if not places or draw.random() < 0.02:
        return _value(draw)
    holder, key = draw.choice(places)
    action = draw.random()
    if action < 0.55:
        holder[key] = _value(draw)
    elif action < 0.7:
        del holder[key]
    elif action < 0.85:
        other, there = draw.choice(places)
        copied = json.loads(json.dumps(other[there])) if _there(other, there) else None
        holder[key] = copied
    elif isinstance(holder, dict):
        holder[draw.choice(("stream", "n", "tools", "model", "x", "\x00", "logprobs"))] = _value(draw)
    else:
        holder.extend(_value(draw) for _ in range(draw.choice((1, 3, 200))))
    return document


def _value(draw: random.Random) -> Any:
    """One of VALUES, as a copy: a document may be changed again."""
    return copy.deepcopy(draw.choice(VALUES))


def _there(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document: what holds it, and its key there."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _places(node[key])


def _torn(body: bytes, draw: random.Random) -> bytes:
    """Bytes cut, doubled, flipped, or replaced by some that hurt."""
    start = draw.randrange(len(body) + 1)
    end = min(len(body), start + draw.choice((0, 1, 1, 8, 60)))
    action = draw.random()
    if action < 0.25:
        return body[:start]
    if action < 0.45:
        return body[:start] + body[end:]
    if action < 0.75:
        return body[:start] + draw.choice(RAW) + body[end:]
    if action < 0.9:
        return body[:start] + bytes(b ^ (1 << draw.randrange(8)) for b in body[start:end]) + body[end:]
    return body[:end] + body[start:]
