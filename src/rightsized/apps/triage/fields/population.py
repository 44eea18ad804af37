"""The messages that a promise about fields is about: those that an inbox took in, as far as their text is kept."""

from __future__ import annotations

import msgspec

from rightsized.apps.triage.records import Mail
from rightsized.apps.triage.store import MessageStore

_mail = msgspec.json.Decoder(Mail).decode


def taken_since(store: MessageStore, moment: float) -> int:
    """How many messages were taken in since a moment, seconds since the epoch."""
    return int(store.rows("SELECT count(*) FROM messages WHERE taken >= ?", (moment,))[0][0])


def received(store: MessageStore, since: float, until: float) -> list[Mail]:
    """Messages that were read and whose text is kept, received between two moments."""
    sql = """SELECT mail FROM messages WHERE mail IS NOT NULL AND state = 'handled'
             AND received >= ? AND received < ? ORDER BY number"""
    return [_mail(mail) for (mail,) in store.rows(sql, (since, until))]
