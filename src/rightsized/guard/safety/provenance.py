"""Which parts of a request are untrusted: marked so by whoever sent it, or what a tool brought back.

A message, or a part of one, is marked with `"provenance": "untrusted"`; a whole request by the header field
`X-Rightsized-Provenance: untrusted`, but for its instructions. The marks never go on to a model server.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from rightsized.core.generation import Generation, words_of

FIELD, UNTRUSTED = "provenance", "untrusted"
TOOL_ROLES = ("tool", "function")
INSTRUCTING = ("system", "developer")
SPEAKING = (*INSTRUCTING, "assistant")


def untrusted(generation: Generation, *, tool_results: bool = False) -> list[str]:
    """The untrusted texts of a request.

    Args:
        tool_results: whether what tools returned is untrusted, marked or not.
    """
    if generation.operation != "chat":
        return [words_of(generation)] if generation.untrusted else []
    found = []
    for message in generation.body.get("messages") or ():
        if not isinstance(message, dict):
            continue
        role = message.get("role")
        if _marked(message) or (tool_results and role in TOOL_ROLES) or (generation.untrusted and role not in SPEAKING):
            found.append(_words(message))
        else:
            content = message.get("content")
            parts = content if isinstance(content, list) else ()
            found += [str(part.get("text", "")) for part in parts if isinstance(part, dict) and _marked(part)]
    return found


def marked(generation: Generation) -> bool:
    """Whether any message, or a part of one, bears a mark of where it comes from."""
    for message in generation.body.get("messages") or ():
        if isinstance(message, dict):
            content = message.get("content")
            if FIELD in message or (isinstance(content, list) and any(FIELD in part for part in content)):
                return True
    return False


def others(generation: Generation) -> list[str]:
    """The texts of a request that are no instructions: what users wrote and tools brought."""
    if generation.operation != "chat":
        return [words_of(generation)]
    messages = [one for one in generation.body.get("messages") or () if isinstance(one, dict)]
    return [_words(one) for one in messages if one.get("role") not in SPEAKING]


def without_marks(generation: Generation) -> Generation:
    """The request as a model server may see it."""
    if not marked(generation):
        return generation
    bare = [_bare(message) for message in generation.body["messages"]]
    return structs.replace(generation, body={**generation.body, "messages": bare})


def _marked(value: dict[str, Any]) -> bool:
    """Whether it bears the mark. A mark that cannot be read counts."""
    return FIELD in value and value[FIELD] != "trusted"


def _words(message: dict[str, Any]) -> str:
    return words_of(Generation("chat", {"messages": [message]}))


def _bare(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    if any(isinstance(part, dict) and FIELD in part for part in parts):
        stripped = [{k: v for k, v in part.items() if k != FIELD} if isinstance(part, dict) else part for part in parts]
        message = {**message, "content": stripped}
    return {k: v for k, v in message.items() if k != FIELD} if FIELD in message else message
