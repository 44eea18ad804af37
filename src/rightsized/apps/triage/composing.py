"""Puts an inbox's parts together from its folder: fields, rules, deadlines and summaries behind one set of functions.

The only place of triage that knows them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from rightsized import data
from rightsized.apps.triage.desk import settings as desk_settings
from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.delay import deadlines
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.reading.message import Known, Parts
from rightsized.apps.triage.records import Address, Extracted, Level, Mail, Priority, Route, Summary
from rightsized.apps.triage.settings import InboxSettings
from rightsized.apps.triage.summary.extract import extract
from rightsized.engines.sentence_kinds import SentenceModel

MIB = 1 << 20
EARLIEST, LATEST = 631_152_000.0, 4_102_444_800.0  # 1990 to 2100
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
    desk = desk_settings.load(folder)
    calendar = Calendar(desk.hours)
    return Parts(
        extract=_nothing, priority=_normal, route=_to_people, summarise=_summaries(settings), due=_due(desk, calendar)
    )


def _nothing(mail: Mail) -> tuple[Extracted, ...]:
    return ()


def _normal(known: Known) -> Priority:
    return Priority("normal", "no rule says otherwise")


def _to_people(known: Known, priority: Priority) -> Route:
    return Route(PEOPLE, False, "no rule takes it")


def _summaries(settings: InboxSettings) -> Callable[[Mail, Sequence[Mail]], Summary]:
    model = sentence_model()
    return lambda mail, earlier: extract(mail, earlier, model, partial(is_ours, settings))


def is_ours(settings: InboxSettings, address: Address) -> bool:
    """Whether somebody of our own side has this address."""
    domain = address.address.rpartition("@")[2].lower()
    return any(domain == own.lower() for own in settings.domains)


@cache
def sentence_model() -> SentenceModel:
    """The reader of sentences that comes with the package. Raises IntegrityError."""
    return SentenceModel.open(data.folder("sentences"))


def _due(desk: DeskSettings, calendar: Calendar) -> Callable[[Level, float], float | None]:
    """When an answer is owed. A message that says it comes from another century is owed one from now on."""

    def due(level: Level, received: float) -> float | None:
        since = received if EARLIEST < received < LATEST else time.time()
        return deadlines(level, since, desk, calendar).answer

    return due
