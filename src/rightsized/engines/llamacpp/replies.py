"""From what llama.cpp answers to OpenAI's shape: choices put in order, logprobs as each operation has them, usage.

A stream is put together again by `Assembly`, so that its Completion says the same as an answer in one piece.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import msgspec

from rightsized.core.generation import Completion, Delta, Generation, Usage
from rightsized.engines.llamacpp.requests import constrained, must_call

Body = dict[str, Any]
CUT = "The answer was cut by max_tokens before it was complete: it does not fulfil the schema or grammar."
NO_CALL = "A tool had to be called and none was."


class Assembly:
    """The pieces of a stream, as Deltas and as the Completion they add up to."""

    def __init__(self, generation: Generation, name: str, count: int) -> None:
        self._generation = generation
        self._name = name
        self._head: Body = {}
        self._choices: list[Body] = [{"index": i, "finish_reason": None, "logprobs": None} for i in range(count)]
        self._usages = [Usage() for _ in range(count)]

    def delta(self, piece: Body, index: int) -> Delta | None:
        """The piece as the client gets it; None for what only carries counts."""
        self._head = self._head or _head(self._generation, self._name, str(piece.get("id", "")))
        if piece.get("usage"):
            self._usages[index] = _usage(piece)
        given = piece.get("choices")
        if not given:
            return None
        choice = _choice(self._generation, given[0], index, len(self._choices[index].get("text", "")))
        if self._generation.body.get("parallel_tool_calls") is False and not _first_call_only(choice):
            return None
        text = self._add(self._choices[index], choice)
        kind = "chat.completion.chunk" if self._generation.operation == "chat" else "text_completion"
        return Delta(self._head | {"object": kind, "choices": [choice]}, text if index == 0 else "")

    def usage_delta(self) -> Delta:
        """The last piece, for clients that asked for counts."""
        kind = "chat.completion.chunk" if self._generation.operation == "chat" else "text_completion"
        body = self._head | {"object": kind, "choices": [], "usage": _counts(_total(self._generation, self._usages))}
        return Delta(body)

    def completion(self) -> Completion:
        """What the pieces add up to."""
        head = self._head or _head(self._generation, self._name, "")
        return _complete(self._generation, head, self._choices, self._usages)

    def _add(self, whole: Body, choice: Body) -> str:
        if choice.get("finish_reason"):
            whole["finish_reason"] = choice["finish_reason"]
        if choice.get("logprobs"):
            whole["logprobs"] = _joined(whole["logprobs"], choice["logprobs"])
        if self._generation.operation != "chat":
            whole["text"] = whole.get("text", "") + (choice.get("text") or "")
            return str(choice.get("text") or "")
        message = whole.setdefault("message", {"role": "assistant", "content": None})
        piece = choice.get("delta") or {}
        for key in ("content", "reasoning_content"):
            if piece.get(key):
                message[key] = (message.get(key) or "") + piece[key]
        for call in piece.get("tool_calls") or ():
            _add_call(message.setdefault("tool_calls", []), call)
        return str(piece.get("content") or "")


def _complete(generation: Generation, head: Body, chosen: list[Body], usages: list[Usage]) -> Completion:
    usage = _total(generation, usages)
    if generation.operation == "chat":
        for choice in chosen:
            choice.setdefault("message", {"role": "assistant", "content": None})
    kind = "chat.completion" if generation.operation == "chat" else "text_completion"
    body = head | {"object": kind, "choices": chosen, "usage": _counts(usage)}
    warnings = _warnings(generation, chosen)
    if warnings:
        body["warnings"] = warnings
    first = chosen[0]
    return Completion(text=_text(first), finish=str(first.get("finish_reason") or ""), usage=usage, body=body)


def _warnings(generation: Generation, chosen: list[Body]) -> list[str]:
    found = []
    cut = [choice for choice in chosen if choice.get("finish_reason") == "length"]
    if constrained(generation.body) and any(not _is_json(_text(choice)) for choice in cut):
        found.append(CUT)
    if must_call(generation.body) and not all((choice.get("message") or {}).get("tool_calls") for choice in chosen):
        found.append(NO_CALL)
    return found


def _text(choice: Body) -> str:
    return str((choice["message"].get("content") if "message" in choice else choice.get("text")) or "")


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _head(generation: Generation, name: str, identity: str) -> Body:
    prefix = "chatcmpl-" if generation.operation == "chat" else "cmpl-"
    return {"id": prefix + identity.removeprefix("chatcmpl-"), "created": int(time.time()), "model": name}


def _choice(generation: Generation, given: Mapping[str, Any], index: int, start: int = 0) -> Body:
    choice: Body = {**given, "index": index}
    asked = generation.body.get("logprobs")
    rows = (given.get("logprobs") or {}).get("content")
    if generation.operation == "chat":
        top = generation.body.get("top_logprobs") or 0
        choice["logprobs"] = {"content": [_row(row, top) for row in rows], "refusal": None} if rows else None
    else:
        choice["logprobs"] = _legacy(rows, int(asked or 0), start) if rows else None
    return choice


def _first_call_only(choice: Body) -> bool:
    """Take out all calls but the first; llama.cpp may write more all the same. False where nothing is left."""
    delta = choice.get("delta") or {}
    calls = delta.get("tool_calls")
    if not calls:
        return True
    first = [call for call in calls if call.get("index", 0) == 0]
    choice["delta"] = {k: v for k, v in delta.items() if k != "tool_calls"} | ({"tool_calls": first} if first else {})
    return bool(choice["delta"] or choice.get("finish_reason"))


def _row(row: Mapping[str, Any], top: int) -> Body:
    return _token(row) | {"top_logprobs": [_token(other) for other in row.get("top_logprobs", ())[:top]]}


def _token(row: Mapping[str, Any]) -> Body:
    return {key: row[key] for key in ("token", "logprob", "bytes")}


def _legacy(rows: list[Mapping[str, Any]], top: int, start: int) -> Body:
    """The logprobs of the completions operation: parallel lists. Offsets are characters from the answer's start."""
    tokens = [str(row["token"]) for row in rows]
    return {
        "tokens": tokens,
        "token_logprobs": [row["logprob"] for row in rows],
        "top_logprobs": [{o["token"]: o["logprob"] for o in row["top_logprobs"][:top]} for row in rows]
        if top
        else None,
        "text_offset": [start + at for at in accumulate(map(len, tokens[:-1]), initial=0)],
    }


def _joined(whole: Body | None, more: Body) -> Body:
    if whole is None:
        return {key: list(value) if isinstance(value, list) else value for key, value in more.items()}
    for key, value in more.items():
        if isinstance(value, list):
            whole[key] = (whole.get(key) or []) + value
    return whole


def _add_call(calls: list[Body], piece: Mapping[str, Any]) -> None:
    place = int(piece.get("index", len(calls)))
    while len(calls) <= place:
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call, function = calls[place], piece.get("function") or {}
    call["id"] = piece.get("id") or call["id"]
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


def _usage(answer: Mapping[str, Any]) -> Usage:
    counts = answer.get("usage") or {}
    return Usage(int(counts.get("prompt_tokens", 0)), int(counts.get("completion_tokens", 0)))


def _total(generation: Generation, usages: list[Usage]) -> Usage:
    choices = generation.body.get("n") or 1
    return Usage(sum(u.prompt_tokens for u in usages[::choices]), sum(u.completion_tokens for u in usages))


def _counts(usage: Usage) -> Body:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
