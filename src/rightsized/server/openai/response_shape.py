"""The response object of the Responses API: items, status and usage, made from an answer of a conversation."""

from __future__ import annotations

import time
import uuid
from typing import Any

from rightsized.server.openai.response_request import ResponsesRequest

Item = dict[str, Any]
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_OURS = ("estimated", "warnings", "tests")  # of the usage, beyond what OpenAI has in it
_ECHOED = ("instructions", "max_output_tokens", "temperature", "top_p", "metadata", "user", "reasoning", "text")


class Outline:
    """What stays the same of a response while it is being made."""

    def __init__(self, given: dict[str, Any], asked: ResponsesRequest) -> None:
        self.id = ""
        self.model = asked.model
        self._fixed = {
            **{name: given.get(name) for name in _ECHOED},
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "tool_choice": asked.tool_choice or "auto",
            "tools": asked.tools or [],
            "previous_response_id": None,
            "store": False,
            "background": False,
            "truncation": "disabled",
        }
        self._created = int(time.time())

    def name(self, decision: str) -> None:
        """Take the decision's id, or one of its own where nothing is recorded."""
        self.id = decision or uuid.uuid4().hex

    def object(self, status: str, output: list[Item], **more: Any) -> dict[str, Any]:
        """The response as it stands."""
        return {
            "id": f"resp_{self.id}", "object": "response", "created_at": self._created, "status": status,
            "model": self.model, "output": output, "error": None, "incomplete_details": None, "usage": None,
            **self._fixed, **more,
        }  # fmt: skip

    def ended(self, output: list[Item], finish: str | None, usage: dict[str, Any]) -> dict[str, Any]:
        """The whole response, complete or cut."""
        reason = INCOMPLETE.get(finish or "")
        details = {"reason": reason} if reason else None
        status = "incomplete" if reason else "completed"
        return self.object(status, output, incomplete_details=details, usage=_usage(usage))


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    read = usage.get("prompt_tokens_details") or {}
    wrote = usage.get("completion_tokens_details") or {}
    known = {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": read.get("cached_tokens") or 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": wrote.get("reasoning_tokens") or 0},
        "total_tokens": usage["total_tokens"],
        "cost_usd": usage["cost_usd"],
    }
    return {**known, **{name: usage[name] for name in _OURS if usage.get(name)}}


def items_of(choice: dict[str, Any], identity: str) -> list[Item]:
    """The output of a whole answer: what was said, then the calls."""
    message = choice.get("message") or {}
    items: list[Item] = []
    if message.get("content"):
        logprobs = (choice.get("logprobs") or {}).get("content") or []
        items.append(said(identity, "completed", text_part(message["content"], logprobs)))
    elif message.get("refusal"):
        items.append(said(identity, "completed", refusal_part(message["refusal"])))
    for number, tool in enumerate(message.get("tool_calls") or ()):
        function = tool.get("function") or {}
        items.append(
            call(f"fc_{identity}_{number}", tool.get("id", ""), function.get("name", ""), function.get("arguments", ""))
        )
    return items


def said(identity: str, status: str, *parts: dict[str, Any]) -> Item:
    """A message of the assistant."""
    return {"type": "message", "id": f"msg_{identity}", "status": status, "role": "assistant", "content": list(parts)}


def text_part(text: str, logprobs: list[Any] | None = None) -> dict[str, Any]:
    """Text of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs or []}


def refusal_part(text: str) -> dict[str, Any]:
    """A refusal in a message."""
    return {"type": "refusal", "refusal": text}


def call(item: str, call_id: str, name: str, arguments: str, status: str = "completed") -> Item:
    """A call of a function."""
    return {"type": "function_call", "id": item, "call_id": call_id, "name": name, "arguments": arguments,
            "status": status}  # fmt: skip
