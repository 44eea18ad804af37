"""EML (RFC 5322 and MIME): headers as metadata, text or else HTML as the body, attachments and inner mails as parts."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from datetime import UTC
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from inspect import signature
from pathlib import Path

from rightsized.core.errors import DocumentError
from rightsized.parsers.draft import Draft, single_line
from rightsized.parsers.encodings import decode
from rightsized.parsers.html import decode_html, html_parsed
from rightsized.parsers.limits import LIMITS
from rightsized.parsers.text import text_blocks
from rightsized.parsers.types import Block, Parsed, Part

_FIELDS = {
    "from": "from",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "reply-to": "reply-to",
    "message-id": "message-id",
    "in-reply-to": "in-reply-to",
    "references": "references",
    "list-id": "list-id",
}
# Since Python 3.11.10 a list with one bad address is refused whole unless this is given.
_LENIENT = {"strict": False} if "strict" in signature(getaddresses).parameters else {}
_ADDRESSES = frozenset({"from", "to", "cc", "bcc", "reply-to"})
LONGEST_FIELD = 10_000  # characters kept of a header
DEEPEST = 50  # multiparts inside each other
_ENDINGS = {"text/plain": ".txt", "text/html": ".html", "message/rfc822": ".eml", "application/pdf": ".pdf"}


def parse_mail(path: Path, name: str) -> Parsed:
    """Read a mail. Raises DocumentError (`too-large`)."""
    data = path.read_bytes()
    if data.startswith(b"From "):  # a mailbox's line before the headers
        data = data.partition(b"\n")[2]
    return mail_parsed(data, name)


def mail_parsed(data: bytes, name: str) -> Parsed:
    """What a mail holds. Raises DocumentError (`too-large`)."""
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    return _Reader(name).read(message)


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._bodies: list[tuple[str, bytes, str]] = []  # media type, content, charset
        self._parts: list[Part] = []
        self._bytes = 0
        self.notes: list[str] = []

    def read(self, message: Message) -> Parsed:
        self._walk(message)
        subject = single_line(header(message, "subject"))
        metadata = {key: _field(message, field) for field, key in _FIELDS.items()} | {"subject": subject}
        body = self._body()
        draft = Draft(self._name)
        if subject:
            draft.add("heading", subject, level=1, number="")
        blocks = list(draft.blocks)
        offset = draft.length + 2 if subject else 0
        text = f"{subject}\n\n{body.text}" if subject and body.text else subject or body.text
        blocks.extend(_moved(block, offset) for block in body.blocks)
        if len(text) > LIMITS.get().characters:
            raise DocumentError(f"{self._name} holds too much text.", reason="too-large", fix="Split it.")
        return Parsed(
            text=text,
            title=subject,
            blocks=tuple(blocks),
            date=_date(message),
            metadata={key: value for key, value in metadata.items() if value},
            parts=tuple(self._parts),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _walk(self, message: Message) -> None:
        """Sort the leaves of the tree into bodies and parts; without recursion."""
        stack: list[tuple[Message, int]] = [(message, 0)]
        while stack:
            one, depth = stack.pop()
            if depth > DEEPEST:
                self.notes.append(f"Parts more than {DEEPEST} deep were left out.")
                continue
            if one.get_content_type() == "message/rfc822" or (one.is_multipart() and not _is_multi(one)):
                self._inner(one)
            elif one.is_multipart():
                inner = one.get_payload()
                assert isinstance(inner, list)
                stack.extend((part, depth + 1) for part in reversed(inner) if isinstance(part, Message))
            else:
                self._leaf(one)

    def _leaf(self, part: Message) -> None:
        kind = part.get_content_type()
        named = filename(part)
        content = part.get_payload(decode=True)
        data = content if isinstance(content, bytes) else b""
        attached = part.get_content_disposition() == "attachment" or bool(named)
        if kind in ("text/plain", "text/html") and not attached:
            self._bodies.append((kind, data, part.get_content_charset() or ""))
        elif data:
            self._add(named or f"part-{len(self._parts) + 1}{_ENDINGS.get(kind, '')}", kind, data)

    def _inner(self, part: Message) -> None:
        """A mail inside: a part of its own."""
        inner = part.get_payload()
        first = inner[0] if isinstance(inner, list) and inner else None
        if not isinstance(first, Message):
            return
        try:
            data = first.as_bytes()
        except (UnicodeError, ValueError, KeyError, LookupError, RecursionError):
            self.notes.append("A mail inside cannot be read.")
            return
        subject = single_line(header(first, "subject"))[:80] or f"message-{len(self._parts) + 1}"
        self._add(filename(part) or f"{subject}.eml", "message/rfc822", data)

    def _add(self, name: str, kind: str, data: bytes) -> None:
        limits = LIMITS.get()
        if len(self._parts) >= limits.parts:
            self.notes.append(f"Attachments beyond the {limits.parts:,}th were left out.")
            return
        self._bytes += len(data)
        if self._bytes > limits.part_bytes:
            raise DocumentError(f"The attachments of {self._name} hold too much.", reason="too-large")
        self._parts.append(Part(name, kind, data))

    def _body(self) -> Parsed:
        """Plain text where there is any, else HTML."""
        plain = [decode(data, charset).text for kind, data, charset in self._bodies if kind == "text/plain"]
        text = "\n\n".join(one.strip("\n") for one in plain if one.strip())
        if text.strip():
            text = text.replace("\r\n", "\n")
            return Parsed(text=text, blocks=tuple(_mail_blocks(text)))
        found = [
            html_parsed(decode_html(data, charset), self._name)
            for kind, data, charset in self._bodies
            if kind == "text/html"
        ]
        return next((one for one in found if one.text.strip()), Parsed(text=""))


def _mail_blocks(text: str) -> Iterator[Block]:
    """Those of a plain text, quoted lines as quotes; a mail's short lines are no headings."""
    for block in text_blocks(text):
        kind = "quote" if text.startswith(">", block.start) else block.kind
        yield Block(
            "paragraph" if kind == "heading" else kind, block.start, block.end, block.level, number=block.number
        )


def _moved(block: Block, offset: int) -> Block:
    start, end = block.header
    header = (start + offset, end + offset) if end else (0, 0)
    return Block(block.kind, block.start + offset, block.end + offset, block.level, block.page, header, block.number)


def _is_multi(message: Message) -> bool:
    return message.get_content_maintype() == "multipart"


def header(message: Message, name: str) -> str:
    """A header's value with its encoded words decoded (RFC 2047)."""
    value = message.get(name)
    if value is None:
        return ""
    words = []
    for part, charset in decode_header(str(value)[:LONGEST_FIELD]):
        words.append(decode(part, charset or "").text if isinstance(part, bytes) else part)
    return "".join(words).strip()


def _field(message: Message, name: str) -> str:
    if name not in _ADDRESSES:
        return single_line(header(message, name))
    values = [str(value)[:LONGEST_FIELD] for value in message.get_all(name, [])]
    found = []
    for shown, address in getaddresses(values, **_LENIENT)[:500]:
        words = single_line(_decoded(shown))
        found.append(f"{words} <{address}>" if words and address else words or address)
    return ", ".join(one for one in found if one)


def _decoded(words: str) -> str:
    message = Message()
    message["x"] = words.replace("\n", " ").replace("\r", " ")
    return header(message, "x")


def _date(message: Message) -> float | None:
    try:
        when = parsedate_to_datetime(str(message.get("date", "")))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def filename(part: Message) -> str:
    """The name of an attachment, without folders; empty where it has none."""
    try:
        name = part.get_filename() or ""
    except (UnicodeError, LookupError, ValueError):
        return ""
    holder = Message()
    holder["x"] = name.replace("\n", " ").replace("\r", " ")
    return single_line(header(holder, "x")).replace("\\", "/").rpartition("/")[2][:255]
