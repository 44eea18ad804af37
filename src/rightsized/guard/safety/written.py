"""The texts of an answer, choice by choice, in the shape of either operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import structs

from rightsized.core.generation import Completion


def choices(completion: Completion) -> list[dict[str, Any]]:
    """The choices of an answer."""
    given = completion.body.get("choices")
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def text_of(choice: dict[str, Any]) -> str:
    """What a choice says to its reader."""
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    return text if isinstance(text, str) else ""


def final(completion: Completion) -> list[str]:
    """The texts of the choices that answer; one that only calls tools answers nothing yet."""
    return [text_of(one) for one in choices(completion) if text_of(one) or not list(calls_of(one))]


def calls_of(choice: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and arguments of each tool that a choice calls."""
    message = choice.get("message")
    if not isinstance(message, dict):
        return
    functions = [call.get("function") for call in message.get("tool_calls") or () if isinstance(call, dict)]
    for function in (*functions, message.get("function_call")):
        if isinstance(function, dict):
            yield str(function.get("name") or ""), str(function.get("arguments") or "")


def everything(completion: Completion) -> list[str]:
    """Every text of an answer: what it says, thinks aloud and passes to tools."""
    found = []
    for choice in choices(completion):
        message = choice.get("message")
        thoughts = [message.get(name) for name in ("reasoning_content", "refusal")] if isinstance(message, dict) else []
        found += [text for text in (text_of(choice), *thoughts) if isinstance(text, str) and text]
        found += [arguments for _, arguments in calls_of(choice)]
    return found


def with_texts(completion: Completion, change: Callable[[str], str]) -> Completion:
    """The answer with each text that answers changed."""
    made = [_changed(one, change) for one in choices(completion)]
    first = text_of(made[0]) if made else completion.text
    return structs.replace(completion, text=first, body={**completion.body, "choices": made})


def _changed(choice: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    text = text_of(choice)
    if not text:
        return choice
    if isinstance(choice.get("message"), dict):
        return {**choice, "message": {**choice["message"], "content": change(text)}, "logprobs": None}
    return {**choice, "text": change(text), "logprobs": None}
