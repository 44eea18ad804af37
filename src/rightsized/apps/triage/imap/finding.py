"""Finds a message again in a mailbox: by its Message-ID, and by what it says where that is not enough.

A search of IMAP matches parts of a header, and two messages may come under one Message-ID; whoever knows an address may
send one. So what is found is looked at before anything is done to it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from rightsized.apps.triage.imap.session import RefusedError, Session
from rightsized.apps.triage.mail import read_mail
from rightsized.apps.triage.mail.identity import content_digest, normalised
from rightsized.apps.triage.records import Mail
from rightsized.core.errors import DocumentError, InputError

MOST_LOOKED_AT = 64  # messages that may be meant
MOST_BYTES = 50 << 20  # of one of them
SEARCHED_CHARS = 100  # of a Message-ID


def find(session: Session, folder: str, mail: Mail, *, readonly: bool = False) -> list[int]:
    """Numbers of a message in a folder, which is open then; of what is marked as deleted none.

    Several where the same message was delivered several times. Raises InputError: it has nothing to be found by.
    """
    session.select(folder, readonly=readonly)
    if mail.message_id and mail.message_id.isascii():
        found = session.search("UNDELETED", "HEADER", "Message-ID", mail.message_id.partition("~")[0][:SEARCHED_CHARS])
        ids = session.message_ids(found[:MOST_LOOKED_AT]) if found else {}
        exact = [uid for uid, said in sorted(ids.items()) if normalised(said) == mail.message_id]
        if len(exact) <= 1 and mail.key == mail.message_id:
            return exact
    else:
        exact = session.search("UNDELETED", *_about(mail))[:MOST_LOOKED_AT]
    meant = content_digest(mail)
    return [uid for uid in exact if _says(session, uid) == meant]


def _about(mail: Mail) -> list[Any]:
    """What a message without a Message-ID is looked for by: its sender and the days around its arrival."""
    if not mail.sender.address.isascii() or not mail.sender.address or not mail.received:
        raise InputError("This message has neither a Message-ID nor a sender and a time that it could be found by.")
    day = datetime.fromtimestamp(mail.received, UTC).date()
    return ["FROM", mail.sender.address, "SINCE", day - timedelta(days=1), "BEFORE", day + timedelta(days=2)]


def _says(session: Session, uid: int) -> str:
    """The digest of what a message says; empty where it cannot be read."""
    try:
        data = session.parts([uid], 0, MOST_BYTES).get(uid, b"")
        return content_digest(read_mail(data)) if data else ""
    except (DocumentError, RefusedError):
        return ""
