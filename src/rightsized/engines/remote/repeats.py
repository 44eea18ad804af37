"""Chunks that say again what the chunk before said, but for their text, as nearly all chunks of a stream do.

They are told by their bytes. Where a chunk's bytes are A, a JSON string, B, and parsing shows that the string is the
text of its only choice, then whatever else begins with A, ends with B and has one JSON string between is the same
chunk with that text: there is nothing left to parse. A server whose chunks differ otherwise (a random field, the time
of each) is let be after a few.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

MAX_BYTES = 4096  # of a chunk that is worth remembering; the usual has 200
TRIES = 8  # chunks in a row that were remembered in vain, after which a stream is let be
_STRING = re.compile(rb'"content":\s*("(?:[^"\\]|\\.)*")')
_MARK = "\0"  # in no chunk that was sent without meaning it


class Repeats:
    """What the last plain chunk of one stream looked like."""

    def __init__(self) -> None:
        self._before = self._after = b""
        self._least = 0  # bytes that both have
        self._chunk: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._vain = 0
        self._text = msgspec.json.Decoder(str)

    def text(self, data: bytes) -> str | None:
        """The text of a chunk that is otherwise the one remembered; None where it is not."""
        before, after = self._before, self._after
        if not before or not (data.startswith(before) and data.endswith(after)) or len(data) < self._least:
            return None
        try:
            text: str = self._text.decode(data[len(before) : len(data) - len(after)])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        self._vain = 0
        return text

    def body(self, text: str) -> dict[str, Any]:
        """The remembered chunk with another text."""
        return {**self._chunk, "choices": [{**self._choice, "delta": {"content": text}}]}

    def remember(self, data: bytes, chunk: dict[str, Any]) -> None:
        """Look out for more like this chunk of one choice and a delta of text alone, read from `data`."""
        self._before = b""
        if self._vain >= TRIES or len(data) > MAX_BYTES or (found := _STRING.search(data)) is None:
            return
        self._vain += 1
        before, after = data[: found.start(1)], data[found.end(1) :]
        self._chunk, self._choice = chunk, chunk["choices"][0]
        marked = msgspec.json.decode(before + msgspec.json.encode(_MARK) + after)
        marked.pop("usage", None)  # counts are kept apart
        if marked == self.body(_MARK):
            self._before, self._after, self._least = before, after, len(before) + len(after)

    def forget(self) -> None:
        """The last chunk was of another kind."""
        self._before = b""
