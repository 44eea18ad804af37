"""The one long text of a chat: found, cut into pieces, and put back as notes. Nothing is asked here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from rightsized.core.generation import Generation

EDGE = 800  # characters of the beginning and the end that stay: where requests say what is to be done
PIECE = 2_000  # characters of a piece at most; steps hold as many as fit
LEAST_SHARE = 0.5  # of a chat's text that its longest message must hold
CHARS_A_TOKEN = 3.0  # low, so that what is thought to fit does
NOTED = "[The text in between was too long to be read at once. These are notes on it, part by part:]"
LEFT_OUT = "[...]"
_BREAKS = re.compile(r"\n\s*\n|\n|(?<=[.!?;])\s|\s")


class LongText(NamedTuple):
    """A chat in which one message holds most of the text, at place `at` of its messages."""

    messages: list[dict[str, Any]]
    at: int
    text: str

    @property
    def head(self) -> str:
        return self.text[:EDGE]

    @property
    def tail(self) -> str:
        return self.text[-EDGE:]

    def pieces(self) -> list[str]:
        """The whole text, cut where paragraphs, lines, sentences or words end."""
        found, start = list[str](), 0
        while start < len(self.text):
            end = _cut(self.text, start)
            found.append(self.text[start:end])
            start = end
        return found

    def edges(self) -> str:
        """What the message begins and ends with."""
        return f"{self.head}\n{LEFT_OUT}\n{self.tail}"

    def noted(self, notes: Sequence[str]) -> list[dict[str, Any]]:
        """The conversation with notes in place of what is long."""
        text = "\n\n".join([self.head, NOTED, *notes, self.tail])
        message = {**self.messages[self.at], "content": text}
        return [*self.messages[: self.at], message, *self.messages[self.at + 1 :]]


def long_text(generation: Generation) -> LongText | None:
    """The long text of a chat; None where there is none, or where the request is more than text."""
    body = generation.body
    messages = body.get("messages")
    if generation.operation != "chat" or not isinstance(messages, list) or (body.get("n") or 1) != 1:
        return None
    texts = [_text(one) for one in messages]
    if not texts or any(one is None for one in texts):
        return None
    sizes = [len(one or "") for one in texts]
    at = max(range(len(sizes)), key=sizes.__getitem__)
    text = texts[at] or ""
    if messages[at].get("role") != "user" or sizes[at] < LEAST_SHARE * sum(sizes) or len(text) <= 4 * EDGE:
        return None
    return LongText(messages, at, text)


def _text(message: Any) -> str | None:
    """All of a message's text; None where it holds anything else, or calls tools."""
    if not isinstance(message, dict) or message.get("tool_calls") or message.get("role") in ("tool", "function"):
        return None
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [str(part.get("text", "")) for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    return "\n".join(texts) if len(texts) == len(parts) else None


def _cut(text: str, start: int) -> int:
    """Where a piece that begins at `start` ends: behind the last break of the best kind in its second half."""
    end = start + PIECE
    if end >= len(text):
        return len(text)
    best, rank = end, 9
    for found in _BREAKS.finditer(text, start + PIECE // 2, end):
        kind = (
            0 if found[0].count("\n") > 1 else 1 if "\n" in found[0] else 2 if text[found.start() - 1] in ".!?;" else 3
        )
        if kind <= rank:
            best, rank = found.end(), kind
    return best


def size(text: str) -> int:
    """Tokens of a text, rather too many than too few."""
    return int(len(text) / CHARS_A_TOKEN) + 1
