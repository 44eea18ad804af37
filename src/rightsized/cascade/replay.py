"""A whole answer given out as a stream: one chunk for each choice's content, then its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rightsized.core.generation import Completion, Delta, Operation

_PASSED_ON = ("id", "created", "model", "system_fingerprint", "service_tier")


def pieces_of(completion: Completion, operation: Operation) -> Iterator[Delta]:
    """Chunks in OpenAI shape that add up to `completion.body`; usage is not among them."""
    head = {name: completion.body[name] for name in _PASSED_ON if name in completion.body}
    kind = "chat.completion.chunk" if operation == "chat" else "text_completion"
    choices = completion.body.get("choices") or []
    for choice in choices:
        first = choice is choices[0]
        chunk = _chat(choice) if operation == "chat" else _text(choice)
        yield Delta({**head, "object": kind, "choices": [chunk]}, completion.text if first else "")
    for choice in choices:
        index, reason = choice.get("index", 0), choice.get("finish_reason") or "stop"
        end: dict[str, Any] = {"index": index, "finish_reason": reason}
        end["delta" if operation == "chat" else "text"] = {} if operation == "chat" else ""
        yield Delta({**head, "object": kind, "choices": [end]})


def _chat(choice: dict[str, Any]) -> dict[str, Any]:
    message = {name: value for name, value in (choice.get("message") or {}).items() if value is not None}
    if calls := message.get("tool_calls"):
        message["tool_calls"] = [{"index": k, **call} for k, call in enumerate(calls)]
    return {
        "index": choice.get("index", 0),
        "delta": message,
        "logprobs": choice.get("logprobs"),
        "finish_reason": None,
    }


def _text(choice: dict[str, Any]) -> dict[str, Any]:
    return {
        "index": choice.get("index", 0),
        "text": choice.get("text", ""),
        "logprobs": choice.get("logprobs"),
        "finish_reason": None,
    }
