"""A whole answer put together from the pieces of a stream, in OpenAI shape.

Text, refusals, reasoning, tool calls (parallel, with arguments in parts), log probabilities, finish reasons and any
number of choices. Fields this version does not know are kept: text grows, lists grow, anything else is replaced.
"""

from __future__ import annotations

from typing import Any

_ENVELOPE = ("object", "choices", "usage")
_REPLACED = frozenset(("role", "id", "type", "name", "finish_reason"))  # said once; some servers repeat them


class ChunkError(ValueError):
    """A piece does not have the shape of a completion chunk."""


class Assembler:
    """Adds up chunks of one operation.

    Args:
        chat: whether the chunks are of a chat (`delta`), or of a completion (`text`).
    """

    def __init__(self, *, chat: bool) -> None:
        self._chat = chat
        self._envelope: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._calls: dict[int, ToolCalls] = {}
        self._parts: dict[int, _Parts] = {}  # the text of each chat choice
        self.usage: dict[str, Any] | None = None
        self.plain = False  # whether the last chunk held nothing but text for the first choice

    @property
    def begun(self) -> bool:
        return bool(self._choices)

    @property
    def count(self) -> int:
        """How many choices have begun."""
        return len(self._choices)

    @property
    def finished(self) -> bool:
        """Whether every choice seen so far has given its finish reason."""
        return self.begun and all(choice.get("finish_reason") for choice in self._choices.values())

    def add(self, chunk: dict[str, Any]) -> str:
        """Take a chunk in and return the text it adds to the first choice. Raises ChunkError.

        Positions of tool calls are put right in the chunk itself, so that clients can join them too.
        """
        choices = chunk.get("choices") or []
        if not isinstance(choices, list):
            raise ChunkError("its choices are no list of objects")
        if "usage" in chunk:
            if isinstance(chunk["usage"], dict):
                self.usage = chunk["usage"]
            else:
                del chunk["usage"]
        for name, value in chunk.items():
            if name not in _ENVELOPE and not self._envelope.get(name):  # the same in every chunk, or empty at first
                self._envelope[name] = value
        self.plain = len(choices) == 1 and bool(text := self._plain(choices[0]))
        if self.plain:
            return text
        return "".join([self._plain(choice) or self._add_choice(choice) for choice in choices])

    def add_text(self, text: str) -> None:
        """Take in a chunk that is, but for its text, the one before, which was plain."""
        self._parts[0].append(text)

    def body(self) -> dict[str, Any]:
        """The whole answer so far."""
        return {
            **self._envelope,
            "object": "chat.completion" if self._chat else "text_completion",
            "choices": [self._whole(index) for index in sorted(self._choices)],
        }

    def _plain(self, given: Any) -> str:
        """Take in a choice that holds nothing but more text, as nearly all do; empty where there is more to it."""
        if type(given) is not dict or type(delta := given.get("delta")) is not dict or len(delta) != 1:
            return ""
        text, index = delta.get("content"), given.get("index")
        parts = self._parts.get(index) if type(index) is int else None
        if parts is None or type(text) is not str or index != 0:
            return ""
        for name, value in given.items():
            if value is not None and name != "delta" and name != "index":
                return ""
        if text:
            parts.append(text)
        return text

    def _add_choice(self, given: Any) -> str:
        if not isinstance(given, dict):
            raise ChunkError("its choices are no list of objects")
        index = given.get("index", 0)
        if not isinstance(index, int):
            raise ChunkError("a choice has no number")
        choice = self._choices.setdefault(index, {"index": index, "finish_reason": None, "logprobs": None})
        delta = (given.get("delta") or {}) if self._chat else given
        text = delta.get("content" if self._chat else "text") if isinstance(delta, dict) else 0
        if text is not None and not isinstance(text, str):
            raise ChunkError("it holds no text where text is due")
        _merge(choice, {k: v for k, v in given.items() if k not in ("index", "delta")})
        if self._chat:
            for call in delta.get("tool_calls") or ():
                self._calls.setdefault(index, ToolCalls()).add(call)
            message = choice.setdefault("message", {"role": "assistant", "content": None})
            _merge(message, {k: v for k, v in delta.items() if k != "tool_calls"})
            if isinstance(message["content"], _Parts):
                self._parts[index] = message["content"]
        return text or "" if index == 0 else ""

    def _whole(self, index: int) -> dict[str, Any]:
        whole: dict[str, Any] = _joined(self._choices[index])
        if not self._chat:
            whole.setdefault("text", "")
        elif index in self._calls:
            whole["message"]["tool_calls"] = self._calls[index].whole()
        return whole


class ToolCalls:
    """The tool calls of one choice.

    Ollama has sent every call with position 0 (its issue 15457), and before that without one (7881); LMDeploy gives
    each piece an id of its own. So a new id, or no position, starts a call only where a function is named with it.
    """

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._sent: list[object] = []  # the position that the server gave to each

    def add(self, piece: Any) -> None:
        """Add a piece to the call it belongs to, and write that call's position into the piece. Raises ChunkError."""
        if not isinstance(piece, dict):
            raise ChunkError("a tool call is no object")
        position = self._position(piece)
        if position == len(self._calls):
            self._calls.append({})
            self._sent.append(piece.get("index"))
        _merge(self._calls[position], {k: v for k, v in piece.items() if k != "index"})
        piece["index"] = position

    def whole(self) -> list[dict[str, Any]]:
        return [{"type": "function", **_joined(call)} for call in self._calls]

    def _position(self, piece: dict[str, Any]) -> int:
        sent, function = piece.get("index"), piece.get("function")
        named = isinstance(function, dict) and bool(function.get("name"))
        known = [i for i, position in enumerate(self._sent) if position == sent]
        if not known:
            return len(self._calls)
        same = piece.get("id") in (None, "", self._calls[known[-1]].get("id")) and sent is not None
        return len(self._calls) if named and not same else known[-1]


class _Parts(list[str]):
    """Text that is still growing; joined once at the end, since adding to a long text copies it each time."""


def _merge(whole: dict[str, Any], piece: dict[str, Any]) -> None:
    """Add a piece to what there is: text and lists grow, objects are merged, anything else is replaced."""
    for name, value in piece.items():
        there = whole.get(name)
        if value is None:
            whole.setdefault(name, None)
        elif isinstance(value, str) and name not in _REPLACED:
            if not isinstance(there, _Parts):
                whole[name] = there = _Parts()
            there.append(value)
        elif isinstance(value, list):
            whole[name] = _grown(there, value)
        elif isinstance(value, dict):
            if not isinstance(there, dict):
                whole[name] = there = {}
            _merge(there, value)
        else:
            whole[name] = value


def _grown(there: Any, value: list[Any]) -> list[Any]:
    if not isinstance(there, list) or isinstance(there, _Parts):
        return list(value)
    there.extend(value)
    return there


def _joined(value: Any) -> Any:
    if isinstance(value, _Parts):
        return "".join(value)
    if isinstance(value, dict):
        return {name: _joined(inner) for name, inner in value.items()}
    return value
