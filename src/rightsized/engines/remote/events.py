"""Server-sent events out of bytes, however they were cut up on the way. Knows nothing of what the events say.

Lines end in LF, CRLF or CR; a field may or may not have a space after its colon; several `data` lines make one event;
comments keep a connection alive and are no events (WHATWG HTML, section 9.2, "Server-sent events").
"""

from __future__ import annotations

from typing import NamedTuple

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its name, empty where none was given, and its data."""

    name: str
    data: bytes


class EventTooLongError(ValueError):
    """A line, or the data of one event, is longer than allowed."""


class EventParser:
    """Takes bytes as they come and gives the events that are complete.

    Args:
        limit: longest line and longest event, bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []  # the unfinished line
        self._held = 0  # its length
        self._data: list[bytes] = []
        self._size = 0
        self._name = ""
        self._first = True  # a byte order mark may still come

    def feed(self, data: bytes) -> list[Event]:
        """Events that `data` completes. Raises EventTooLongError."""
        found, data = self._usual(data)
        return [*found, *self._unusual(data)] if data else found

    def _usual(self, data: bytes) -> tuple[list[Event], bytes]:
        """Events of one `data` line each that stand whole in `data`, as nearly all do; and what is left of it."""
        self._first = self._first and data[:1] in (b"", BYTE_ORDER_MARK[:1])
        midway = self._held or self._data or self._name or self._first
        if midway or b"\r" in data or len(data) > self._limit:
            return [], data
        *blocks, rest = data.split(b"\n\n")
        if data.count(b"\n") == 2 * len(blocks) and all(block[:6] == b"data: " for block in blocks):
            return [Event("", block[6:]) for block in blocks], rest
        found: list[Event] = []
        for number, block in enumerate(blocks):
            if not block.startswith(b"data:") or b"\n" in block:
                return found, b"\n\n".join([*blocks[number:], rest])
            found.append(Event("", block[6:] if block.startswith(b"data: ") else block[5:]))
        return found, rest

    def _unusual(self, data: bytes) -> list[Event]:
        """As `feed`, line by line."""
        self._hold(data)
        if b"\n" not in data and b"\r" not in data and not self._after_return():
            return []
        lines = b"".join(self._pieces).splitlines(keepends=True)
        self._pieces, self._held = [], 0
        if lines and not lines[-1].endswith(b"\n"):  # unfinished, or a CR whose LF may still come
            self._pieces, self._held = [lines[-1]], len(lines.pop())
        return [event for line in lines if (event := self._line(line.rstrip(b"\r\n"))) is not None]

    def end(self) -> Event | None:
        """What was begun and not finished when the bytes ended; None where nothing was."""
        line = b"".join(self._pieces)
        self._pieces = []
        if line.endswith(b"\r"):
            finished = self._line(line[:-1])
            if finished is not None:
                return finished
        elif line:
            self._line(line)
        return Event(self._name, b"\n".join(self._data)) if self._data else None

    def _after_return(self) -> bool:
        return len(self._pieces) > 1 and self._pieces[-2].endswith(b"\r")

    def _hold(self, data: bytes) -> None:
        if data:
            self._pieces.append(data)
        self._held += len(data)
        if self._held > self._limit:
            longest = max((len(line) for line in b"".join(self._pieces).splitlines()), default=0)
            if longest > self._limit:
                raise EventTooLongError(f"A line of an event stream is longer than {self._limit} bytes.")

    def _line(self, line: bytes) -> Event | None:
        if self._first:
            self._first = False
            line = line.removeprefix(BYTE_ORDER_MARK)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._size += len(value) + 1
            if self._size > self._limit:
                raise EventTooLongError(f"An event is longer than {self._limit} bytes.")
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        return None

    def _dispatch(self) -> Event | None:
        event = Event(self._name, b"\n".join(self._data)) if self._data else None
        self._data, self._size, self._name = [], 0, ""
        return event
