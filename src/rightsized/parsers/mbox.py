"""MBOX (RFC 4155): each mail a part. Its own text is empty; the mails hold it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rightsized.core.errors import DocumentError
from rightsized.parsers.limits import LIMITS
from rightsized.parsers.types import Parsed, Part

_FROM = re.compile(rb"^From [^\r\n]*\d\d:\d\d[^\r\n]*\r?\n", re.MULTILINE)
_SUBJECT = re.compile(rb"^subject:[ \t]*([^\r\n]{1,80})", re.IGNORECASE | re.MULTILINE)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def parse_mbox(path: Path, name: str) -> Parsed:
    """Read a mailbox. Raises DocumentError (`too-large`, `malformed`)."""
    limits = LIMITS.get()
    size = path.stat().st_size
    if size > limits.part_bytes:
        raise DocumentError(
            f"{name} has {size:,} bytes; the limit of a mailbox in one piece is {limits.part_bytes:,}.",
            reason="too-large",
            fix="Add it as a mailbox of its own, which is read mail by mail.",
        )
    parts = []
    notes: tuple[str, ...] = ()
    for number, message in enumerate(_messages(path.read_bytes()), start=1):
        if number > limits.parts:
            notes = (f"Mails beyond the {limits.parts:,}th were left out.",)
            break
        parts.append(Part(_name(message, number), "message/rfc822", message))
    if not parts:
        raise DocumentError(f"{name} holds no mail.")
    return Parsed(text="", title=Path(name).stem, parts=tuple(parts), notes=notes)


def _messages(data: bytes) -> Iterator[bytes]:
    """The mails, with the lines that the mailbox had to quote as they were (`>From `)."""
    starts = list(_FROM.finditer(data))
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        end = following.start() if following else len(data)
        yield _QUOTED_FROM.sub(rb"\1", data[start.end() : end].rstrip(b"\r\n") + b"\n")


def _name(message: bytes, number: int) -> str:
    found = _SUBJECT.search(message[:20_000])
    words = re.sub(r"[^\w .,()-]+", " ", found[1].decode("utf-8", "replace")).strip() if found else ""
    return f"{number:05d} {words}".strip() + ".eml"
