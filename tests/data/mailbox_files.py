"""Reads the sample mailbox with the standard library alone, for the tests beside it."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cache
from typing import Any

from rightsized.data import folder

ROOT = folder("mailbox")


@cache
def labels() -> list[dict[str, Any]]:
    return _lines("labels.jsonl")


@cache
def threads() -> list[dict[str, Any]]:
    return _lines("threads.jsonl")


def incoming() -> list[dict[str, Any]]:
    return [row for row in labels() if not row["outgoing"]]


@cache
def mails() -> dict[str, EmailMessage]:
    """Every message by its path within the mailbox."""
    return {row["file"]: parsed((ROOT / row["file"]).read_bytes()) for row in labels()}


def parsed(data: bytes) -> EmailMessage:
    mail = message_from_bytes(data, policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


def attachments(mail: EmailMessage) -> list[tuple[str, bytes]]:
    """(name, content) of the files that came with a message."""
    return [(part.get_filename() or "", part.get_payload(decode=True)) for part in mail.walk() if part.get_filename()]


def shown(mail: EmailMessage) -> str:
    """All text of a message: headers that people see, bodies, reports; not the attachments."""
    told = [str(mail[name]) for name in ("From", "To", "Cc", "Subject") if mail[name]]
    leaves = (part for part in mail.walk() if part.get_content_maintype() == "text" and not part.get_filename())
    return "\n".join(
        [*told, *(part.get_payload(decode=True).decode(part.get_content_charset("utf-8")) for part in leaves)]
    )


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / name).read_text("utf-8").splitlines()]
