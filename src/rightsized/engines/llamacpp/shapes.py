"""Whether the fields that this engine reads itself have the shape they must have. All others llama.cpp checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rightsized.core.errors import InputError

MOST_CHOICES = 128  # OpenAI's limit of `n`
MOST_LOGPROBS = 20  # OpenAI's limit of `top_logprobs`


def check_shapes(body: Mapping[str, Any], *, chat: bool) -> None:
    """Raise InputError that names the first field of a wrong shape and what it must be."""
    for name, (fits, must) in (_CHAT if chat else _COMPLETIONS).items():
        value = body.get(name)
        if value is not None and not fits(value):
            raise InputError(f"`{name}` must be {must}, not {_shown(value)}.")
    if chat and not body.get("messages"):
        raise InputError("A chat needs `messages`, a list of at least one.")


def is_tokens(value: Any) -> bool:
    """Whether it is a list of token ids."""
    return isinstance(value, list) and bool(value) and all(type(token) is int for token in value)


def is_number(value: Any) -> bool:
    """Whether it is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _is_tool_list(value: Any) -> bool:
    return _objects(value) and all(isinstance(tool.get("function"), dict) for tool in value)


def _is_tool_choice(value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(value.get("function"), dict)
    return value in ("none", "auto", "required")


def _is_form(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("type") not in ("text", "json_object", "json_schema"):
        return False
    named = value.get("json_schema")
    return value["type"] != "json_schema" or (isinstance(named, dict) and isinstance(named.get("schema", {}), dict))


def _between(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _is_adapter(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and all(map(is_number, value.values())))


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 80 else f"{words[:77]}..."


_Rule = tuple[Callable[[Any], bool], str]
_BOTH: dict[str, _Rule] = {
    "n": (_between(1, MOST_CHOICES), f"a number from 1 to {MOST_CHOICES}"),
    "stream_options": (_is_object, "an object"),
    "adapter": (_is_adapter, "a name, or an object of names and scales"),
    "response_format": (_is_form, "an object whose type is text, json_object or json_schema (with a json_schema)"),
}
_CHAT: dict[str, _Rule] = _BOTH | {
    "messages": (_objects, "a list of messages"),
    "tools": (_is_tool_list, "a list of tools with a function each"),
    "tool_choice": (_is_tool_choice, "none, auto, required, or an object that names a function"),
    "logprobs": (_is_flag, "true or false"),
    "top_logprobs": (_between(0, MOST_LOGPROBS), f"a number from 0 to {MOST_LOGPROBS}"),
}
_COMPLETIONS: dict[str, _Rule] = _BOTH | {
    "logprobs": (lambda value: value is False or _between(0, MOST_LOGPROBS)(value), f"0 to {MOST_LOGPROBS}"),
}
