"""What names a message for good: its Message-ID, or a digest of what it says where it has none.

Two messages may come under one Message-ID: a copy that a list has added a line to, a program that counts from one
again. The first keeps the name; `distinct` gives the next one whose content differs a name of its own, so that none is
taken for a repeat and lost. A repeat with the same content keeps the name, whatever servers it passed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from msgspec.structs import replace

from rightsized.apps.triage.records import Mail

LONGEST_ID = 250  # characters of a Message-ID that is used as it is
_WHITE = re.compile(r"\s+")


def normalised(identifier: str) -> str:
    """A Message-ID without brackets and blanks, its domain in lower case; a very long one by its digest."""
    plain = _WHITE.sub("", identifier).strip("<>")
    local, at, domain = plain.rpartition("@")
    plain = f"{local}{at}{domain.lower()}" if at else plain
    if len(plain) > LONGEST_ID:
        return f"{plain[:100]}~{hashlib.sha256(plain.encode('utf-8', 'replace')).hexdigest()[:32]}"
    return plain


def content_digest(mail: Mail) -> str:
    """sha256 over what a message says: sender, date, subject, text and attachments; not over the way it came."""
    total = hashlib.sha256()
    said = (mail.sender.address, str(mail.date), mail.subject, _WHITE.sub(" ", mail.body))
    for one in (*said, *(part.sha256 for part in mail.attachments)):
        part = one.encode("utf-8", "replace")
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def key_of(mail: Mail) -> str:
    """The key of a message that has none yet."""
    return mail.message_id or f"sha256:{content_digest(mail)}"


def distinct(
    mail: Mail,
    known: Callable[[str], Mail | None],
    has: Callable[[str], bool],
    was: Callable[[Mail], bool] = lambda mail: False,
) -> Mail:
    """The message under a key that no other message has.

    Args:
        known: the message that was taken under a key; None where there is none, or its text was deleted.
        has: whether a message was taken under a key.
        was: whether the one under this key said the same, where its text is gone. Where nobody can tell it counts as
            another: rather twice than lost.
    """
    if not has(mail.key):
        return mail
    before = known(mail.key)
    if content_digest(before) == content_digest(mail) if before is not None else was(mail):
        return mail
    key = f"{mail.key}#{content_digest(mail)[:16]}"
    return replace(mail, key=key, thread=key if mail.thread == mail.key else mail.thread)
