"""A whole answer of a server, checked for the shape its operation has, and the tokens it used."""

from __future__ import annotations

from typing import Any

from rightsized.core.generation import Completion, Generation, Operation, Usage, words_of

BYTES_A_TOKEN = 4  # of UTF-8: about right for English (OpenAI's rule of thumb: four characters), high for Chinese


class AnswerError(ValueError):
    """The answer does not have the shape of its operation."""


def completion(generation: Generation, body: Any) -> Completion:
    """The answer as a record. Raises AnswerError that says what is wrong with it."""
    if not isinstance(body, dict):
        raise AnswerError("answered JSON that is no object")
    text, finish = _READERS[generation.operation](body)
    return counted(generation, body, text, finish)


def counted(generation: Generation, body: dict[str, Any], text: str, finish: str) -> Completion:
    """The record, with the server's own count of tokens, or one estimated from the length and marked so."""
    usage = _usage(body.get("usage"))
    if usage is None:
        usage = Usage(estimate(words_of(generation)), estimate(_written(body)), estimated=True)
        counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
        body = {**body, "usage": {**counts, "total_tokens": sum(counts.values()), "estimated": True}}
    return Completion(text=text, finish=finish, usage=usage, body=body)


def estimate(text: str) -> int:
    """Tokens of a text, from its length in bytes."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)


def _usage(given: Any) -> Usage | None:
    if not isinstance(given, dict):
        return None
    counts = [given.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")]
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        return None
    if "prompt_tokens" not in given and isinstance(given.get("total_tokens"), int):
        counts[0] = given["total_tokens"]  # rerank answers of vLLM name the total alone
    return Usage(counts[0], counts[1]) if any(counts) else None


def _written(body: dict[str, Any]) -> str:
    """All that was written, of all choices."""
    parts: list[str] = []
    for choice in body.get("choices") or ():
        message = choice.get("message") or {}
        texts = [choice.get("text"), *(message.get(name) for name in ("content", "reasoning_content", "refusal"))]
        calls = [call.get("function") or {} for call in message.get("tool_calls") or () if isinstance(call, dict)]
        texts += [call.get(name) for call in calls for name in ("name", "arguments")]
        parts += [text for text in texts if isinstance(text, str)]
    return "".join(parts)


def _choices(body: dict[str, Any]) -> list[dict[str, Any]]:
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
        raise AnswerError("answered JSON without choices")
    return choices


def _first(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return min(choices, key=lambda choice: choice["index"] if isinstance(choice.get("index"), int) else 0)


def _chat(body: dict[str, Any]) -> tuple[str, str]:
    choices = _choices(body)
    if not all(isinstance(choice.get("message"), dict) for choice in choices):
        raise AnswerError("answered a choice without a message")
    first = _first(choices)
    content = first["message"].get("content")
    if content is not None and not isinstance(content, str):
        raise AnswerError("answered a message whose content is no text")
    return content or "", str(first.get("finish_reason") or "")


def _completions(body: dict[str, Any]) -> tuple[str, str]:
    choices = _choices(body)
    if not all(isinstance(choice.get("text"), str) for choice in choices):
        raise AnswerError("answered a choice without text")
    first = _first(choices)
    return first["text"], str(first.get("finish_reason") or "")


def _embeddings(body: dict[str, Any]) -> tuple[str, str]:
    data = body.get("data")
    if not isinstance(data, list) or not data or not all(isinstance(d, dict) and d.get("embedding") for d in data):
        raise AnswerError("answered JSON without embeddings")
    return "", ""


def _rerank(body: dict[str, Any]) -> tuple[str, str]:
    results = body.get("results")
    if not isinstance(results, list) or not all(
        isinstance(r, dict) and isinstance(r.get("index"), int) and isinstance(r.get("relevance_score"), int | float)
        for r in results
    ):
        raise AnswerError("answered JSON without ranked results")
    return "", ""


_READERS: dict[Operation, Any] = {
    "chat": _chat,
    "completions": _completions,
    "embeddings": _embeddings,
    "rerank": _rerank,
}


def as_chunk(body: dict[str, Any]) -> dict[str, Any]:
    """A whole answer as the one piece of a stream: some servers do not stream what they were asked to."""
    choices = []
    for choice in body["choices"]:
        piece = {name: value for name, value in choice.items() if name != "message"}
        if "message" in choice:
            piece["delta"] = {**choice["message"]}
            calls = piece["delta"].get("tool_calls") or ()
            piece["delta"]["tool_calls"] = [{"index": i, **call} for i, call in enumerate(calls)]
        choices.append(piece)
    kind = "text_completion" if body.get("object") == "text_completion" else "chat.completion.chunk"
    return {**{k: v for k, v in body.items() if k != "usage"}, "object": kind, "choices": choices}
