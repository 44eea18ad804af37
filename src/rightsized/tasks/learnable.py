"""Messages on record that a person may be asked about, or that another model may read: with their texts, in order.

What the audit coin chose is never among those to ask about: its labels must not depend on any model's wishes.
"""

from __future__ import annotations

import msgspec

from rightsized.core.types import Decision, Frozen, Reply
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import End

_NOT_LABELLED = """NOT EXISTS (SELECT 1 FROM reviews r WHERE r.decision = s.id AND r.retracts IS NULL
    AND NOT EXISTS (SELECT 1 FROM reviews u WHERE u.retracts = r.seq))"""
_OPEN = f"""SELECT s.seq, opened_start(s.record), opened(t.sha256, t.text), e.record FROM starts s
    JOIN ends e ON e.id = s.id JOIN texts t ON t.sha256 = s.text_sha256
    WHERE s.task = ? AND s.audit = 0 AND e.status IN ('answered', 'abstained') AND {_NOT_LABELLED}
    ORDER BY s.seq DESC LIMIT ?"""  # noqa: S608 - constants only
_AFTER = """SELECT e.seq, opened_start(s.record), opened(t.sha256, t.text), e.record FROM ends e
    JOIN starts s ON s.id = e.id LEFT JOIN texts t ON t.sha256 = s.text_sha256
    WHERE e.task = ? AND e.seq > ? AND e.status IN ('answered', 'abstained') ORDER BY e.seq LIMIT ?"""

_decode_start = msgspec.json.Decoder(Decision).decode
_decode_end = msgspec.json.Decoder(End).decode


class Message(Frozen, frozen=True):
    """One decision of a task: `seq` orders them, `text` is None once retention deleted it."""

    seq: int
    decision: str
    conversation: str
    started: float
    audit: bool
    version: str
    text: str | None
    reply: Reply


def unlabelled(reader: LedgerReader, task: str, limit: int) -> list[Message]:
    """The newest messages that nobody has labelled and the coin has not chosen, whose texts are still there."""
    return [found for row in reader.query(_OPEN, (task, limit)) if (found := _message(*row)) and found.text is not None]


def ended_after(reader: LedgerReader, task: str, seq: int, limit: int) -> list[Message]:
    """Messages whose end was recorded after a sequence number, oldest first."""
    return [found for row in reader.query(_AFTER, (task, seq, limit)) if (found := _message(*row))]


def _message(seq: int, start: bytes, text: str | None, end: bytes) -> Message | None:
    begun, reply = _decode_start(start), _decode_end(end).reply
    if reply is None or reply.completion is not None:
        return None
    return Message(seq, begun.id, begun.conversation, begun.started, begun.audit, begun.version, text, reply)
