"""The events of a streamed response, made from the chunks of a conversation. It knows events and nothing of HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rightsized.server.openai.errors import ErrorDetail
from rightsized.server.openai.response_shape import Item, Outline, call, refusal_part, said, text_part

Event = dict[str, Any]


class _Text:
    """A message being said: text, or a refusal."""

    def __init__(self, place: int, *, refused: bool) -> None:
        self.place, self.refused, self.pieces = place, refused, list[str]()

    @property
    def part(self) -> dict[str, Any]:
        return refusal_part("".join(self.pieces)) if self.refused else text_part("".join(self.pieces))


class _Call:
    """A call being made."""

    def __init__(self, place: int, item: str, tool: dict[str, Any]) -> None:
        self.place, self.item, self.call_id = place, item, tool.get("id") or item
        self.name, self.pieces = (tool.get("function") or {}).get("name") or "", list[str]()

    def shape(self, status: str = "completed") -> Item:
        return call(self.item, self.call_id, self.name, "".join(self.pieces), status)


class ResponseEvents:
    """Turns chunks into events, and remembers the output."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._sequence = 0
        self._output: list[Item] = []
        self._text: _Text | None = None
        self._calls: dict[int, _Call] = {}
        self.began = False
        self.finish: str | None = None

    def begin(self) -> Iterator[Event]:
        """The first two events."""
        self.began = True
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self._outline.object("in_progress", []))

    def chunk(self, body: dict[str, Any]) -> Iterator[Event]:
        """The events of one chunk; only its first choice counts."""
        if not self.began:
            yield from self.begin()
        for choice in body.get("choices") or ():
            if choice.get("index", 0) != 0:
                continue
            delta = choice.get("delta") or {}
            if delta.get("content"):
                yield from self._say(delta["content"], refused=False)
            if delta.get("refusal"):
                yield from self._say(delta["refusal"], refused=True)
            for tool in delta.get("tool_calls") or ():
                yield from self._call(tool)
            self.finish = choice.get("finish_reason") or self.finish

    def _say(self, piece: str, *, refused: bool) -> Iterator[Event]:
        text = self._text
        if text is not None and text.refused != refused:
            yield from self._close_text()
            text = None
        if text is None:
            text = self._text = _Text(len(self._output), refused=refused)
            item = said(self._message_id(text), "in_progress")
            self._output.append(item)
            yield self._event("response.output_item.added", output_index=text.place, item=item)
            yield self._part("response.content_part.added", text, part=text.part)
        text.pieces.append(piece)
        if refused:
            yield self._part("response.refusal.delta", text, delta=piece)
        else:
            yield self._part("response.output_text.delta", text, delta=piece, logprobs=[])

    def _call(self, tool: dict[str, Any]) -> Iterator[Event]:
        number = tool.get("index", 0)
        made = self._calls.get(number)
        if made is None:
            yield from self._close_text()
            made = self._calls[number] = _Call(len(self._output), f"fc_{self._outline.id}_{number}", tool)
            self._output.append(made.shape("in_progress"))
            yield self._event("response.output_item.added", output_index=made.place, item=made.shape("in_progress"))
        piece = (tool.get("function") or {}).get("arguments")
        if piece:
            made.pieces.append(piece)
            kind = "response.function_call_arguments.delta"
            yield self._event(kind, item_id=made.item, output_index=made.place, delta=piece)

    def end(self, usage: dict[str, Any]) -> Iterator[Event]:
        """The last events."""
        if not self.began:
            yield from self.begin()
        yield from self._close_text()
        for made in self._calls.values():
            self._output[made.place] = made.shape()
            arguments = "".join(made.pieces)
            yield self._event("response.function_call_arguments.done", item_id=made.item, output_index=made.place,
                              name=made.name, arguments=arguments)  # fmt: skip
            yield self._event("response.output_item.done", output_index=made.place, item=made.shape())
        response = self._outline.ended(self._output, self.finish, usage)
        yield self._event(f"response.{response['status']}", response=response)

    def failed(self, detail: ErrorDetail) -> Event:
        """The last event where the answer broke off; what was said until then stays in it."""
        code = "rate_limit_exceeded" if detail.type == "rate_limit_error" else "server_error"
        error = {"code": code, "message": detail.message, "type": detail.type, "decision": detail.decision}
        return self._event("response.failed", response=self._outline.object("failed", self._output, error=error))

    def _close_text(self) -> Iterator[Event]:
        text, self._text = self._text, None
        if text is None:
            return
        words = "".join(text.pieces)
        if text.refused:
            yield self._part("response.refusal.done", text, refusal=words)
        else:
            yield self._part("response.output_text.done", text, text=words, logprobs=[])
        yield self._part("response.content_part.done", text, part=text.part)
        item = said(self._message_id(text), "completed", text.part)
        self._output[text.place] = item
        yield self._event("response.output_item.done", output_index=text.place, item=item)

    def _message_id(self, text: _Text) -> str:
        return f"{self._outline.id}_{text.place}" if text.place else self._outline.id

    def _part(self, kind: str, said_in: _Text, /, **more: Any) -> Event:
        item = f"msg_{self._message_id(said_in)}"
        return self._event(kind, item_id=item, output_index=said_in.place, content_index=0, **more)

    def _event(self, kind: str, **more: Any) -> Event:
        self._sequence += 1
        return {"type": kind, "sequence_number": self._sequence - 1, **more}
