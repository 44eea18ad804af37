"""Words of our own for the model, put into the instructions of a conversation."""

from __future__ import annotations

from typing import Any

INSTRUCTING = ("system", "developer")


def instructed(messages: list[Any], words: str) -> list[Any]:
    """The conversation with these words at the end of its first instruction, or before it where it begins with none."""
    first: Any = messages[0] if messages else None
    if isinstance(first, dict) and first.get("role") in INSTRUCTING:
        content = first.get("content")
        if isinstance(content, str):
            return [{**first, "content": f"{content}\n\n{words}"}, *messages[1:]]
        if isinstance(content, list):
            return [{**first, "content": [*content, {"type": "text", "text": words}]}, *messages[1:]]
    return [{"role": "system", "content": words}, *messages]
