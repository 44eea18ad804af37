"""Splits a message (RFC 5322; MIME, RFC 2045 and 2046) into its leaves: one pass over the bytes, whatever the depth.

Nothing is copied but headers: a leaf says where its content stands, and `pieces` decodes it bit by bit. What no
standard allows is read as most mail programs read it: a boundary that never comes leaves text, a part without an end
runs to the end of what holds it. It knows no bodies, attachments or characters.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import collapse_rfc2231_value
from typing import NamedTuple

MOST_HEAD = 1 << 18  # bytes of the headers of one part; what follows is read as its content
MOST_PARTS = 10_000  # leaves and multiparts together
MOST_LINES = 1_000_000  # lines with two dashes in front that are compared with boundaries
LONGEST_FIELD = 10_000  # characters kept of a header
_HEADERS = re.compile(rb"(?:(?:From |[!-9;-~]*:|[ \t])[^\r\n]*(?:\r\n?|\n|\Z))*")
_LINE_END = re.compile(rb"\r\n?|\n|\Z")
_CHUNK = 3 << 18  # bytes decoded at a time; of base64 a whole number of fours
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_UU = frozenset({"x-uuencode", "uuencode", "uue", "x-uue"})


class Leaf(NamedTuple):
    """A part that holds no further ones: its content is `data[start:end]`, encoded as `headers` say.

    Attributes:
        kind: media type, lower case.
        parent: media type of the multipart around it; empty at the top.
        group: number of the innermost multipart/alternative around it, counted from 1; 0 where there is none.
    """

    headers: Message
    start: int
    end: int
    kind: str
    parent: str = ""
    group: int = 0


class Tree(NamedTuple):
    """A message: the headers at its top, its leaves in order, and in words what was left out."""

    headers: Message
    leaves: tuple[Leaf, ...]
    notes: tuple[str, ...]


def split(data: bytes) -> Tree:
    """The leaves of a message. Never raises on account of what it holds; time grows with its length alone."""
    return _Splitter(data).run()


def pieces(data: bytes, leaf: Leaf) -> Iterator[bytes]:
    """The content of a leaf, its transfer encoding undone, a few megabytes at a time."""
    encoding = str(leaf.headers.get("content-transfer-encoding", "")).strip().lower()
    view = memoryview(data)[leaf.start : leaf.end]
    if encoding == "base64":
        yield from _from_base64(view)
    elif encoding == "quoted-printable":
        yield quopri.decodestring(bytes(view))
    elif encoding in _UU:
        yield _from_uu(bytes(view))
    else:
        for at in range(0, len(view), _CHUNK):
            yield bytes(view[at : at + _CHUNK])


def content(data: bytes, leaf: Leaf) -> bytes:
    """The content of a leaf in one piece."""
    return b"".join(pieces(data, leaf))


class _Open(NamedTuple):
    """A multipart whose end has not been seen. `before`: the level that had the same boundary, -1 for none."""

    headers: Message
    boundary: bytes
    kind: str
    group: int
    start: int
    before: int


class _Delimiter(NamedTuple):
    level: int
    last: bool
    start: int
    after: int


class _Splitter:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._stack: list[_Open] = []
        self._levels: dict[bytes, int] = {}
        self._pending: tuple[Message, int, str, str, int] | None = None  # a leaf whose end has not been seen
        self._begun: set[int] = set()  # levels of which a delimiter was seen
        self._leaves: list[Leaf] = []
        self._notes: list[str] = []
        self._groups = self._parts = self._lines = 0

    def run(self) -> Tree:
        begin = 3 if self._data.startswith(b"\xef\xbb\xbf") else 0
        while self._data[begin : begin + 1] in (b"\r", b"\n"):
            begin += 1
        at = self._enter(begin, "", 0)
        headers = self._pending[0] if self._pending else self._stack[0].headers
        while self._stack and (found := self._delimiter(at)) is not None:
            self._close(found.level + 1, _before_line(self._data, found.start))
            self._begun.add(found.level)
            if found.last:
                self._close(found.level, found.start)
                at = found.after
                continue
            if self._parts >= MOST_PARTS:
                self._notes.append(f"Parts beyond the {MOST_PARTS:,}th were left out.")
                break
            around = self._stack[found.level]
            at = self._enter(found.after, around.kind, around.group)
        self._close(0, len(self._data))
        return Tree(headers, tuple(self._leaves), tuple(self._notes))

    def _enter(self, at: int, parent: str, group: int) -> int:
        """Read the headers of a part that begins here; returns where its content begins."""
        self._parts += 1
        headers, start = _head(self._data, at)
        kind = _kind(headers, parent)
        boundary = _boundary(headers) if kind.startswith("multipart/") else b""
        if not boundary:
            self._pending = (headers, start, "text/plain" if kind.startswith("multipart/") else kind, parent, group)
            return start
        if kind == "multipart/alternative":
            self._groups += 1
            group = self._groups
        level = len(self._stack)
        self._stack.append(_Open(headers, boundary, kind, group, start, self._levels.get(boundary, -1)))
        self._levels[boundary] = level
        return start

    def _close(self, level: int, end: int) -> None:
        """End the part that is open, and the multiparts from this level on."""
        if self._pending is not None:
            headers, start, kind, parent, group = self._pending
            self._leaves.append(Leaf(headers, start, max(start, end), kind, parent, group))
            self._pending = None
        while len(self._stack) > level:
            one = self._stack.pop()
            if one.before < 0:
                del self._levels[one.boundary]
            else:
                self._levels[one.boundary] = one.before
            if len(self._stack) not in self._begun:  # no part ever began: what stands there is text
                self._leaves.append(Leaf(one.headers, one.start, max(one.start, end), "text/plain", one.kind))
            self._begun.discard(len(self._stack))

    def _delimiter(self, at: int) -> _Delimiter | None:
        """The next line that is a boundary of a multipart that is open."""
        data, levels = self._data, self._levels
        while (start := data.find(b"--", at)) >= 0:
            found = _LINE_END.search(data, start + 2)
            end, after = found.span() if found else (len(data), len(data))
            at = max(after, start + 2)
            if start and data[start - 1] not in b"\r\n":
                continue
            self._lines += 1
            if self._lines > MOST_LINES:
                self._notes.append("It holds too many lines that could part it; the rest was not parted.")
                return None
            line = data[start + 2 : min(end, start + 2 + 1000)].rstrip(b" \t")
            if line in levels:
                return _Delimiter(levels[line], False, start, after)
            if line.endswith(b"--") and line[:-2] in levels:
                return _Delimiter(levels[line[:-2]], True, start, after)
        return None


def _head(data: bytes, at: int) -> tuple[Message, int]:
    """The headers of a part that begins at `at`, and where its content begins: behind an empty line, or at the first
    line that is no header."""
    written = _HEADERS.match(data, at, min(len(data), at + MOST_HEAD))
    last = written.end() if written else at
    end = last + (2 if data[last : last + 2] == b"\r\n" else data[last : last + 1] in (b"\r", b"\n"))
    headers = BytesHeaderParser(policy=compat32).parsebytes(data[at:last])
    kept = Message(policy=compat32)
    for name, value in headers.raw_items():
        kept[name] = value[:LONGEST_FIELD]
    return kept, end


def _kind(headers: Message, parent: str) -> str:
    if "content-type" not in headers:
        return "message/rfc822" if parent == "multipart/digest" else "text/plain"
    return headers.get_content_type()


def parameter(headers: Message, name: str, field: str = "content-type") -> str:
    """A parameter of a structured field; empty where there is none."""
    try:
        return collapse_rfc2231_value(headers.get_param(name, "", field))
    except (UnicodeError, LookupError, ValueError, TypeError):  # the library fails on some broken continuations
        found = re.search(
            rf"{name}\s{{0,9}}=\s{{0,9}}\"?([^\";\r\n]{{1,255}})", str(headers.get(field, "")), re.IGNORECASE
        )
        return found[1] if found else ""


def _boundary(headers: Message) -> bytes:
    boundary = parameter(headers, "boundary").rstrip()
    try:
        return boundary.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return boundary.encode("utf-8", "replace")


def _before_line(data: bytes, start: int) -> int:
    """Where the line before ends: the line break belongs to the delimiter (RFC 2046, section 5.1.1)."""
    if data[max(0, start - 2) : start] == b"\r\n":
        return start - 2
    return start - 1 if start and data[start - 1] in b"\r\n" else start


def _from_base64(view: memoryview) -> Iterator[bytes]:
    """Leaves out what is not of the alphabet, and a last character that stands alone."""
    rest = b""
    for at in range(0, len(view), _CHUNK):
        letters = rest + bytes(view[at : at + _CHUNK]).translate(None, _NOT_BASE64)
        whole = len(letters) - len(letters) % 4
        rest = letters[whole:]
        yield binascii.a2b_base64(letters[:whole])
    if len(rest) > 1:
        yield binascii.a2b_base64(rest + b"==")


def _from_uu(data: bytes) -> bytes:
    found, lines = bytearray(), iter(data.splitlines())
    for line in lines:
        if line.startswith(b"begin "):
            break
    for line in lines:
        if line.strip() in (b"end", b"`", b""):
            break
        try:
            found += binascii.a2b_uu(line)
        except binascii.Error:  # some writers pad lines with too much
            size = ((line[0] - 32) & 63) * 4 // 3 + 2
            try:
                found += binascii.a2b_uu(line[:size])
            except binascii.Error:
                continue
    return bytes(found)
