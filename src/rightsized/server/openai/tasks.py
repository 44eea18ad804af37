"""A task as a model: `model: task:NAME` classifies the last message of the user and answers with JSON.

    {"task": "support", "status": "answered", "label": "billing", "labels": ["billing"], "confidence": 0.97,
     "state": "certified", "certified": true, "suggestion": "billing", "decision": "..."}

Where the task abstains, `status` is `abstained`, `label` is null and the message waits in the queue for a person;
`suggestion` is what the task would have said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from rightsized.core.generation import Caller, Completion, Generation, Piece
from rightsized.core.types import Begun, Reply
from rightsized.server.openai.errors import InvalidError
from rightsized.server.openai.shapes import OBJECTS
from rightsized.tasks.service_protocol import Service

PREFIX = "task:"
_NOT_HERE = ("tools", "logprobs", "suffix", "best_of", "echo")


class TaskModel:
    """Answers as the gateway does, from a task."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def generate(self, generation: Generation, caller: Caller, conversation: str = "") -> Reply:
        """The whole answer. Raises InvalidError, NotFoundError, InputError, BusyError."""
        name = generation.model.removeprefix(PREFIX)
        self._service.task(name)
        text = _text(generation)
        held = generation.data_class
        reply = await self._service.classify(name, text, conversation=conversation, caller=caller, data_class=held)
        return msgspec.structs.replace(reply, completion=_completion(generation, reply))

    async def stream(
        self, generation: Generation, caller: Caller, conversation: str = ""
    ) -> AsyncIterator[Begun | Piece | Reply]:
        """The beginning and the end; there are no pieces between."""
        reply = await self.generate(generation, caller, conversation)
        yield Begun(reply.id, reply.rung, reply.tier, reply.model, reply.state, reply.certified)
        yield reply


def _text(generation: Generation) -> str:
    """What to classify. Raises InvalidError for what a task cannot do."""
    body = generation.body
    for name in _NOT_HERE:
        if body.get(name):
            raise InvalidError(f"A task answers with its label; it has no use for {name}.", name)
    if (body.get("n") or 1) > 1:
        raise InvalidError("A task has one answer; n must be 1.", "n")
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        raise InvalidError("A task answers in a JSON shape of its own.", "response_format.type")
    return _last_of_user(body["messages"]) if generation.operation == "chat" else _only(body["prompt"])


def _last_of_user(messages: list[dict[str, Any]]) -> str:
    for number in range(len(messages) - 1, -1, -1):
        if messages[number]["role"] == "user":
            return _words(messages[number]["content"], f"messages[{number}].content")
    raise InvalidError("There is no message of the user to classify.", "messages")


def _words(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    if any(part["type"] != "text" for part in content):
        raise InvalidError("A task reads text only.", where)
    return "\n".join(part["text"] for part in content)


def _only(prompt: Any) -> str:
    texts = [prompt] if isinstance(prompt, str) else prompt
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise InvalidError("A task takes one prompt, as text.", "prompt")
    return str(texts[0])


def _completion(generation: Generation, reply: Reply) -> Completion:
    said = {
        "task": reply.task,
        "status": reply.status,
        "label": reply.label,
        "labels": reply.output.labels if reply.output else [],
        "confidence": reply.confidence,
        "state": reply.state,
        "certified": reply.certified,
        "suggestion": reply.suggestion.label if reply.suggestion else None,
        "decision": reply.id,
    }
    text = msgspec.json.encode(said).decode()
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "logprobs": None}
    if generation.operation == "chat":
        choice["message"] = {"role": "assistant", "content": text, "refusal": None}
    else:
        choice["text"] = text
    body = {"object": OBJECTS[generation.operation], "model": generation.model, "choices": [choice]}
    return Completion(text=text, finish="stop", body=body)
