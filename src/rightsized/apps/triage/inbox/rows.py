"""A row of a table as a message: which column is which, and what stands in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from msgspec.structs import replace

from rightsized.apps.triage.mail.identity import normalised
from rightsized.apps.triage.mail.message import MailOptions, finished, with_regions
from rightsized.apps.triage.mail.visible import visible
from rightsized.apps.triage.records import Address, Mail
from rightsized.core.errors import ConfigError
from rightsized.parsers.draft import single_line
from rightsized.parsers.encodings import clean
from rightsized.parsers.types import Parsed

_NAMES = {
    "id": "id message_id messageid key ticket ticket_id ticket_number ticketid issue_key number case case_id",
    "subject": "subject title summary betreff asunto objet oggetto onderwerp headline topic",
    "text": "text body message description content comment details nachricht beschreibung mensaje message_body "
    "ticket_description question",
    "sender": "sender from email customer customer_email requester requester_email from_address author absender user",
    "to": "to recipient recipients mailbox an",
    "date": "date created created_at created_on received received_at timestamp datum opened fecha sent sent_at time",
    "thread": "thread thread_id conversation conversation_id parent",
}
_OPTIONS = MailOptions()
_MARKUP = re.compile(r"\s*<(?:!doctype|html|body|head|div|p|table|span|br)\b", re.IGNORECASE)
_FORMATS = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d")
_EPOCH = re.compile(r"\d{9,13}(?:\.\d+)?")

Columns = dict[str, int]  # what -> the column's number


def columns_of(header: Sequence[str], named: Any, where: str) -> Columns:
    """Which column holds what: as `named` (fields of those names, empty where not said), else by usual names.

    Raises ConfigError: a named column is missing, or no column holds a text.
    """
    plain = [re.sub(r"[^a-z0-9]+", "_", cell.strip().lower()).strip("_") for cell in header]
    found: Columns = {}
    for what, names in _NAMES.items():
        said = getattr(named, what, "")
        if said:
            if said not in header:
                raise ConfigError(f"{where} has no column {said!r}.", fix=f"It has: {', '.join(header)}.")
            found[what] = list(header).index(said)
        else:
            match = next((plain.index(name) for name in names.split() if name in plain), None)
            if match is not None:
                found[what] = match
    if "text" not in found and "subject" not in found:
        raise ConfigError(
            f"No column of {where} is known to hold a text. It has: {', '.join(header) or 'none'}.",
            fix='Name it in the options: text = "COLUMN".',
        )
    return found


def mail_of(row: Sequence[str], columns: Columns, place: str, date_format: str) -> Mail:
    """The message in a row. `place` names it where it has no id. Raises DocumentError (HTML that is too large)."""

    def cell(what: str) -> str:
        at = columns.get(what, -1)
        return clean(row[at]).strip() if 0 <= at < len(row) else ""

    def line(what: str) -> str:
        return visible(single_line(cell(what)))

    identifier, notes = normalised(cell("id")), list[str]()
    when = seconds(cell("date"), date_format)
    if when is None and cell("date"):
        notes.append(f"The date {cell('date')[:40]!r} was not understood; date_format says how dates are written.")
    sender = _addresses(line("sender"))
    mail = Mail(
        key=identifier or f"row:{place}",
        subject=line("subject"),
        body="",
        sender=sender[0] if sender else Address(""),
        message_id=identifier,
        to=tuple(_addresses(line("to"))),
        date=when,
        received=when or 0.0,
        thread=normalised(cell("thread")),
    )
    mail = with_regions(mail, _text(cell("text")), notes.append)
    return finished(replace(mail, notes=tuple(notes)), _OPTIONS)


def seconds(said: str, date_format: str = "") -> float | None:
    """A date in an export as seconds since the epoch (UTC where it names no zone); None where it is not understood.

    ISO 8601, RFC 5322, days first with dots, and seconds or milliseconds since the epoch; else as `date_format` says.
    """
    if date_format:
        return _strptime(said, date_format)
    if _EPOCH.fullmatch(said):
        return float(said) / (1000 if len(said.partition(".")[0]) > 10 else 1)
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            when = read(said)
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return next((found for one in _FORMATS if (found := _strptime(said, one)) is not None), None)


def _strptime(said: str, date_format: str) -> float | None:
    try:
        when = datetime.strptime(said, date_format)  # noqa: DTZ007 - the zone is set below
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _text(said: str) -> Parsed:
    if _MARKUP.match(said):
        from rightsized.parsers.html import html_parsed

        return html_parsed(said, "the row")
    return Parsed(text=said.replace("\r\n", "\n").replace("\r", "\n"))


def _addresses(said: str) -> list[Address]:
    if "@" not in said:
        return [Address("", single_line(said))] if said else []
    try:
        return [Address(address.lower(), name) for name, address in getaddresses([said[:10_000]]) if address]
    except (RecursionError, ValueError):
        return []
