"""Answers in OpenAI's shapes: ids that lead back to the decision, usage with its cost, and chunks of a stream."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

from rightsized.core.generation import Completion, Operation
from rightsized.core.types import Reply

PREFIXES: dict[Operation, str] = {"chat": "chatcmpl-", "completions": "cmpl-"}
OBJECTS: dict[Operation, str] = {"chat": "chat.completion", "completions": "text_completion"}
CHUNKS: dict[Operation, str] = {"chat": "chat.completion.chunk", "completions": "text_completion"}


def identity(operation: Operation, decision: str) -> str:
    """The id of an answer: its decision's, behind OpenAI's prefix. Where nothing is recorded, one of its own."""
    return PREFIXES[operation] + (decision or uuid.uuid4().hex)


def usage_of(reply: Reply, completion: Completion) -> dict[str, Any]:
    """Tokens as the model server counted them, and the cost in US dollars. `estimated` where it did not count.

    `warnings`: what to mind about the answer, in words. `tests`: what the request's tests came to.
    """
    given = completion.body.get("usage")
    usage = dict(given) if isinstance(given, dict) else {}
    counted = completion.usage
    usage.setdefault("prompt_tokens", counted.prompt_tokens)
    usage.setdefault("completion_tokens", counted.completion_tokens)
    usage.setdefault("total_tokens", counted.prompt_tokens + counted.completion_tokens)
    usage["cost_usd"] = reply.cost
    if counted.estimated:
        usage["estimated"] = True
    if completion.warnings:
        usage["warnings"] = list(completion.warnings)
    if found := completion.tested:
        usage["tests"] = {"outcome": found.outcome, "reason": found.reason, "ran": found.ran, "line": found.line}
    return usage


def whole(operation: Operation, reply: Reply, completion: Completion) -> dict[str, Any]:
    """The response of a request that was not streamed."""
    body = completion.body
    return {
        **body,
        "id": identity(operation, reply.id),
        "object": OBJECTS[operation],
        "created": body.get("created") or int(time.time()),
        "model": body.get("model") or reply.rung,
        "usage": usage_of(reply, completion),
    }


def chunks_of(operation: Operation, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An answer that came whole, as chunks of a stream: one with what all choices say, one with their ends."""
    choices = [choice for choice in body.get("choices") or () if isinstance(choice, dict)]
    base = {"object": CHUNKS[operation], "model": body.get("model", "")}
    said, ends = [], []
    for choice in choices:
        rest = {key: value for key, value in choice.items() if key not in ("message", "text", "finish_reason")}
        end: dict[str, Any] = {"index": choice.get("index", 0), "finish_reason": choice.get("finish_reason") or "stop"}
        if operation == "chat":
            said.append({**rest, "delta": _delta(choice.get("message") or {}), "finish_reason": None})
            ends.append({**end, "delta": {}})
        else:
            said.append({**rest, "text": choice.get("text", ""), "finish_reason": None})
            ends.append({**end, "text": ""})
    yield {**base, "choices": said}
    yield {**base, "choices": ends}


def _delta(message: dict[str, Any]) -> dict[str, Any]:
    """A message as the delta that adds all of it; tool calls carry their index there."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    return {**message, "tool_calls": [{"index": number, **call} for number, call in enumerate(calls)]}


def finished(chunk: dict[str, Any]) -> bool:
    """Whether a chunk ends a choice."""
    return any(choice.get("finish_reason") for choice in chunk["choices"])
