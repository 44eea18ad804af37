"""Values put back into a stream, whatever way it was cut: each growing text has a restorer of its own.

A choice's texts, and the arguments of each of its tool calls, grow apart from one another. What a restorer holds back
comes out with the chunk that ends its choice, or at the end of the stream. Log probabilities of a chat are held back as
the text is: the tokens of a placeholder become one. Those of completions are left out.
"""

from __future__ import annotations

from typing import Any

from rightsized.core.generation import Burst, Delta, Piece
from rightsized.guard.pseudonym.answers import Answers
from rightsized.guard.pseudonym.matching import Restorer
from rightsized.guard.pseudonym.tokens import TokenRestorer, is_chat

_SAID_ONCE = frozenset(("role", "id", "type", "name", "index"))
Place = tuple[Any, ...]  # of a growing text: choice, field; for a tool call choice, field, number of the call


class PieceRestorer:
    """The growing texts of one stream.

    Args:
        chat: whether the chunks are of a chat (`delta`), or of a completion (`text`).
    """

    def __init__(self, answers: Answers, *, chat: bool) -> None:
        self._answers, self._chat = answers, chat
        self._growing: dict[Place, Restorer] = {}
        self._tokens: dict[tuple[int, str], TokenRestorer] = {}
        self._head: dict[str, Any] = {}
        self._kin = False  # whether the piece given out last has the shape of the one that came last

    def feed(self, piece: Piece) -> Piece | None:
        """What can be given out now; None where all of it is held back. Raises IntegrityError."""
        deltas = piece if isinstance(piece, Burst) else (piece,)
        given = [one for one in map(self._delta, deltas) if one is not None]
        if len(given) > 1:
            return Burst(given)
        return given[0] if given else None

    def end(self) -> Delta | None:
        """What is still held back, for a stream that ended without saying so."""
        choices = [choice for index in self._open() if (choice := self._ending({"index": index}))]
        if not choices:
            return None
        first = next((choice for choice in choices if choice["index"] == 0), {})
        return Delta({**self._head, "choices": choices}, self._text(first))

    def _open(self) -> list[int]:
        return sorted({place[0] for place in (*self._growing, *self._tokens)})

    def _delta(self, delta: Delta) -> Delta | None:
        kin = delta.alike and self._kin
        self._head = {name: value for name, value in delta.body.items() if name not in ("choices", "usage")}
        choices = [self._choice(choice) for choice in delta.body.get("choices") or ()]
        kept = [choice for choice in choices if choice is not None]
        if choices and not kept:
            self._kin = kin
            return None
        self._kin = True
        first = next((choice for choice in kept if choice.get("index", 0) == 0), {})
        return Delta({**delta.body, "choices": kept}, self._text(first), kin)

    def _text(self, choice: dict[str, Any]) -> str:
        text = (choice.get("delta") or {}).get("content") if self._chat else choice.get("text")
        return text if isinstance(text, str) else ""

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        """A choice with what can be told of it; None where that is nothing."""
        index = choice.get("index", 0)
        found = {**choice}
        if choice.get("logprobs") is not None:
            found["logprobs"] = self._logprobs(index, choice["logprobs"])
        said = bool(choice.get("finish_reason"))
        if self._chat:
            found["delta"] = self._fields(index, choice.get("delta") or {})
            held = not found["delta"] and bool(choice.get("delta"))
        else:
            found["text"] = self._grow((index, "text"), "text", choice.get("text") or "")
            held = not found["text"] and bool(choice.get("text"))
        if said:
            return self._ending(found) or found
        told = found.get("logprobs") or any(choice.get(name) for name in choice if name not in _SHAPE)
        return None if held and not told else found

    def _fields(self, index: int, delta: dict[str, Any]) -> dict[str, Any]:
        """The fields of a delta; one whose text is held back altogether is left out."""
        found: dict[str, Any] = {}
        for name, value in delta.items():
            if name == "tool_calls" and isinstance(value, list):
                calls = [self._call(index, number, call) for number, call in enumerate(value)]
                if any(calls) or not value:
                    found[name] = [call for call in calls if call is not None]
            elif name == "function_call" and isinstance(value, dict):
                if (call := self._function((index, name), value)) or not value:
                    found[name] = call
            elif isinstance(value, str) and name not in _SAID_ONCE:
                text = self._grow((index, name), name, value)
                if text or not value:
                    found[name] = text
            else:
                found[name] = self._answers.value(value, name)
        return found

    def _call(self, index: int, number: int, call: Any) -> dict[str, Any] | None:
        if not isinstance(call, dict):
            return None
        number = call["index"] if isinstance(call.get("index"), int) else number
        found = {name: self._answers.value(value, name) for name, value in call.items() if name != "function"}
        if isinstance(call.get("function"), dict):
            function = self._function((index, "tool_calls", number), call["function"])
            if function or not call["function"]:
                found["function"] = function
        return found if found.keys() - {"index"} else None

    def _function(self, place: Place, function: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for name, value in function.items():
            if name == "arguments" and isinstance(value, str):
                text = self._grow(place, name, value)
                if text or not value:
                    found[name] = text
            else:
                found[name] = self._answers.value(value, name)
        return found

    def _grow(self, place: Place, name: str, text: str) -> str:
        restorer = self._growing.get(place)
        if restorer is None:
            restorer = self._growing[place] = self._answers.restorer(escape=self._answers.escapes(name))
        return restorer.feed(text)

    def _logprobs(self, index: int, given: Any) -> dict[str, Any] | None:
        """The log probabilities that can be given out now; None where there are none."""
        if not self._chat or not is_chat(given):
            return None
        found = {}
        for kind, tokens in given.items():
            if isinstance(tokens, list):
                if (index, kind) not in self._tokens:
                    self._tokens[index, kind] = self._answers.tokens(kind)
                found[kind] = self._tokens[index, kind].feed(tokens)
        return found if any(found.values()) else None

    def _ending(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        """The choice with all that was held back for it; None where that was nothing."""
        index = choice.get("index", 0)
        rest = [(place, text) for place in list(self._growing) if place[0] == index if (text := self._flush(place))]
        late = {kind: tokens for kind in ("content", "refusal") if (tokens := self._last_tokens(index, kind))}
        if not rest and not late:
            return None
        if late:
            there = choice.get("logprobs") or {}
            more = {kind: [*(there.get(kind) or ()), *tokens] for kind, tokens in late.items()}
            choice = {**choice, "logprobs": {**there, **more}}
        if not self._chat:
            return {**choice, "text": choice.get("text", "") + "".join(text for _, text in rest)}
        delta = {**(choice.get("delta") or {})}
        for place, text in rest:
            _add(delta, place, text)
        return {**choice, "delta": delta}

    def _last_tokens(self, index: int, kind: str) -> list[dict[str, Any]]:
        tokens = self._tokens.pop((index, kind), None)
        return tokens.flush() if tokens is not None else []

    def _flush(self, place: Place) -> str:
        return self._growing.pop(place).flush()


_SHAPE = frozenset(("index", "delta", "text", "logprobs", "finish_reason"))


def _add(delta: dict[str, Any], place: Place, text: str) -> None:
    """Put text at its place in a delta, behind what is there."""
    if len(place) == 2 and place[1] != "function_call":
        delta[place[1]] = (delta.get(place[1]) or "") + text
        return
    if len(place) == 2:
        function = {**(delta.get("function_call") or {})}
        delta["function_call"] = {**function, "arguments": function.get("arguments", "") + text}
        return
    calls = list(delta.get("tool_calls") or ())
    at = next((i for i, call in enumerate(calls) if call.get("index", i) == place[2]), len(calls))
    call = calls[at] if at < len(calls) else {"index": place[2]}
    function = {**(call.get("function") or {})}
    function["arguments"] = function.get("arguments", "") + text
    calls[at : at + 1] = [{**call, "function": function}]
    delta["tool_calls"] = calls
