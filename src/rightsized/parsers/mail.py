"""EML (RFC 5322 and MIME): headers as metadata, text or else HTML as the body, attachments and inner mails as parts."""

from __future__ import annotations

from email.message import Message
from pathlib import Path

from rightsized.core.errors import DocumentError
from rightsized.parsers import mail_bodies, mail_headers, mime
from rightsized.parsers.draft import Draft, single_line
from rightsized.parsers.limits import LIMITS
from rightsized.parsers.mail_bodies import Body
from rightsized.parsers.types import Parsed, Part

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
_ADDRESSES = frozenset({"from", "to", "cc", "bcc", "reply-to"})
_ENDINGS = {
    "text/plain": ".txt",
    "text/html": ".html",
    "text/calendar": ".ics",
    "message/rfc822": ".eml",
    "application/pdf": ".pdf",
}


def parse_mail(path: Path, name: str) -> Parsed:
    """Read a mail. Raises DocumentError (`too-large`)."""
    return mail_parsed(path.read_bytes(), name)


def mail_parsed(data: bytes, name: str) -> Parsed:
    """What a mail holds. Raises DocumentError (`too-large`)."""
    return _Reader(without_mailbox_line(data), name).read()


def without_mailbox_line(data: bytes) -> bytes:
    """Without the line that a mailbox puts before the headers (`From anna@...`)."""
    return data.partition(b"\n")[2] if data.startswith(b"From ") else data


def part_name(leaf: mime.Leaf, data: bytes, number: int) -> str:
    """What an attached leaf is called: its own name, a mail inside by its subject, else by its number."""
    named = mail_headers.filename(leaf.headers)
    if named:
        return named
    if leaf.kind == "message/rfc822":
        inner = mime.split(data[: mime.MOST_HEAD]).headers
        subject = single_line(mail_headers.header(inner, "subject"))[:80] or f"message-{number}"
        return f"{subject}.eml".replace("/", "_").replace("\\", "_")
    return f"part-{number}{_ENDINGS.get(leaf.kind, '')}"


class _Reader:
    def __init__(self, data: bytes, name: str) -> None:
        self._data, self._name = data, name
        self._bodies: list[Body] = []
        self._parts: list[Part] = []
        self._bytes = 0
        self._notes: list[str] = []

    def read(self) -> Parsed:
        tree = mime.split(self._data)
        self._notes.extend(tree.notes)
        for leaf in tree.leaves:
            self._leaf(leaf)
        message = tree.headers
        subject = single_line(mail_headers.header(message, "subject"))
        metadata = {key: _field(message, field) for field, key in _FIELDS.items()} | {"subject": subject}
        body = mail_bodies.read_bodies(self._bodies, self._name, self._notes.append)
        draft = Draft(self._name)
        if subject:
            draft.add("heading", subject, level=1, number="")
        blocks = list(draft.blocks)
        offset = draft.length + 2 if subject else 0
        text = f"{subject}\n\n{body.text}" if subject and body.text else subject or body.text
        blocks.extend(mail_bodies.moved(block, offset) for block in body.blocks)
        if len(text) > LIMITS.get().characters:
            raise DocumentError(f"{self._name} holds too much text.", reason="too-large", fix="Split it.")
        return Parsed(
            text=text,
            title=subject,
            blocks=tuple(blocks),
            date=mail_headers.date(message),
            metadata={key: value for key, value in metadata.items() if value},
            parts=tuple(self._parts),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def _leaf(self, leaf: mime.Leaf) -> None:
        data = mime.content(self._data, leaf)
        if mail_bodies.is_text(leaf):
            self._bodies.append(Body(leaf, data))
        elif data:
            self._add(part_name(leaf, data, len(self._parts) + 1), leaf.kind, data)

    def _add(self, name: str, kind: str, data: bytes) -> None:
        limits = LIMITS.get()
        if len(self._parts) >= limits.parts:
            self._notes.append(f"Attachments beyond the {limits.parts:,}th were left out.")
            return
        self._bytes += len(data)
        if self._bytes > limits.part_bytes:
            raise DocumentError(f"The attachments of {self._name} hold too much.", reason="too-large")
        self._parts.append(Part(name, kind, data))


def _field(message: Message, name: str) -> str:
    if name not in _ADDRESSES:
        return single_line(mail_headers.header(message, name))
    found = []
    for words, address in mail_headers.addresses(message, name):
        found.append(f"{words} <{address}>" if words and address else words or address)
    return ", ".join(found)
