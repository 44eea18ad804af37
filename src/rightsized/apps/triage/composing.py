"""Puts an inbox's parts together from its folder: fields, rules, deadlines and summaries behind one set of functions.

The only place of triage that knows them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from rightsized import data
from rightsized.apps.triage import rules
from rightsized.apps.triage.desk import settings as desk_settings
from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.delay import deadlines
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.fields import Extractor
from rightsized.apps.triage.fields.model import open_model
from rightsized.apps.triage.fields.promises import Promises
from rightsized.apps.triage.fields.settings import read_settings
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.reading.message import Known, Parts
from rightsized.apps.triage.records import Address, Level, Mail, Summary
from rightsized.apps.triage.rules.evaluate import Facts
from rightsized.apps.triage.settings import InboxSettings
from rightsized.apps.triage.summary.extract import extract
from rightsized.engines.sentence_kinds import SentenceModel

MIB = 1 << 20
EARLIEST, LATEST = 631_152_000.0, 4_102_444_800.0  # 1990 to 2100
DEPARTMENT = "department"  # the role that people ask about first


def mail_of(arrival: Arrival, settings: InboxSettings) -> Mail:
    """The message that a source handed over as bytes. Raises DocumentError."""
    from rightsized.apps.triage.mail import MailOptions, read_mail

    read = settings.read
    options = MailOptions(int(read.max_mb * MIB), read.attachments, settings.domains, authserv=read.authserv)
    return read_mail(arrival.data, options, received=arrival.received)


def compose(folder: Path, settings: InboxSettings, since: Callable[[float], int]) -> Parts:
    """The parts of the inbox in `folder`. `since`: how many messages were read since a moment. Raises ConfigError."""
    desk = desk_settings.load(folder)
    calendar = Calendar(desk.hours)
    book = rules.load(folder)
    wanted = read_settings(settings.fields)
    extractor, promises = Extractor(wanted, open_model(folder)), Promises(folder, wanted, since)
    return Parts(
        extract=lambda mail: promises.on(extractor(mail)),
        priority=lambda known: rules.prioritise(book, _facts(known, calendar)),
        route=lambda known, priority: rules.route(book, _facts(known, calendar), priority),
        summarise=_summaries(settings),
        due=_due(desk, calendar),
    )


def _facts(known: Known, calendar: Calendar) -> Facts:
    return Facts(known.mail, known.labels, known.fields, known.now, calendar.is_open)


def _summaries(settings: InboxSettings) -> Callable[[Mail, Sequence[Mail]], Summary]:
    model = sentence_model()
    bar = settings.read.action_from
    return lambda mail, earlier: extract(mail, earlier, model, partial(is_ours, settings), bar)


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
