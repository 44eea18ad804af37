"""The sentences of a message that its sender wrote for it, each with its place in the message's one text."""

from __future__ import annotations

from typing import NamedTuple

from rightsized.apps.triage.records import Mail
from rightsized.parsers.sentences import sentences

MOST = 200  # sentences of a message that are looked at; of longer ones the first
LONGEST = 600  # characters; longer stretches are data or tables


class Said(NamedTuple):
    """`mail.body[start:end]`, number `at` of the message's sentences."""

    mail: Mail
    start: int
    end: int
    at: int
    total: int

    @property
    def text(self) -> str:
        return self.mail.body[self.start : self.end]

    @property
    def line(self) -> str:
        """The words on one line, as they are read."""
        return " ".join(self.text.split())


def said(mail: Mail) -> list[Said]:
    """The sentences of what was written, in order; quotes and signatures are left out."""
    spans = [
        (fresh.start + start, fresh.start + end)
        for fresh in mail.fresh
        for start, end in sentences(mail.body[fresh.start : fresh.end])
        if end - start <= LONGEST
    ][:MOST]
    return [Said(mail, start, end, at, len(spans)) for at, (start, end) in enumerate(spans)]
