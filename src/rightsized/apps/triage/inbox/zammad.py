"""`zammad:https://HOST`: what customers write in tickets, and what we answer by mail, as it comes.

Tickets that changed are asked for again and again; an article is handed over once. Internal notes and what the system
writes are left out. Nothing is changed in the helpdesk here: actions do that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from rightsized.apps.triage.inbox.opening import Context, read_options
from rightsized.apps.triage.inbox.rows import Columns, mail_of, seconds
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.records import Attachment
from rightsized.apps.triage.zammad.client import PAGE, Article, Ticket, Zammad, ZammadAccess
from rightsized.apps.triage.zammad.desk import thread_of
from rightsized.core.errors import ConfigError, RightsizedError, UpstreamError

OVERLAP = timedelta(minutes=5)  # a helpdesk's search may learn of a change that late
MOST_PAGES = 100  # of one look: Zammad's search shows 10,000 tickets
LONGEST_PAUSE = 300.0
_COLUMNS: Columns = {name: at for at, name in enumerate(("id", "subject", "text", "sender", "to", "date", "thread"))}


class ZammadSourceOptions(ZammadAccess, frozen=True):
    """What a source of this kind takes beside how it is reached."""

    query: str = ""  # only tickets that fit it, such as group.name:"Service Desk"
    since: str = ""  # take only what changed on this day or later, such as 2026-11-01; default: from now on
    poll_s: float = 10.0  # between two looks


class ZammadSource:
    """Implements `Source`."""

    def __init__(self, zammad: Zammad, options: ZammadSourceOptions, context: Context) -> None:
        self.name = zammad.name
        self._zammad, self._options, self._context = zammad, options, context
        self._looked: dict[int, str] = {}  # ticket -> when it had changed as it was last looked at
        self._open: dict[str, str] = {}  # place -> when its ticket had changed, of what is not recorded yet
        self._reached = context.cursor(self.name) or _begin(options.since)

    async def arrivals(self, *, wait: bool) -> AsyncIterator[Arrival]:
        """See `Source`. Raises ConfigError, EgressDeniedError; without `wait` UpstreamError."""
        failed = 0
        while True:
            try:
                async for arrival in self._look():
                    yield arrival
                failed = 0
                self._context.told(self.name, "")
            except UpstreamError as error:
                if not wait:
                    raise
                failed += 1
                self._context.told(self.name, error.own_words)
            if not wait:
                return
            await asyncio.sleep(min(self._options.poll_s * 2.0 ** min(failed, 8), LONGEST_PAUSE))

    async def recorded(self, arrival: Arrival) -> None:
        """See `Source`."""
        self._open.pop(arrival.place, None)
        self._keep()

    async def close(self) -> None:
        """See `Source`."""

    async def _look(self) -> AsyncIterator[Arrival]:
        for page in range(1, MOST_PAGES + 1):
            tickets = await asyncio.to_thread(self._zammad.search, self._query(), page)
            for ticket in tickets:
                if self._looked.get(ticket.id) == ticket.updated_at:
                    continue
                for arrival in await asyncio.to_thread(self._of, ticket):
                    self._open[arrival.place] = ticket.updated_at
                    yield arrival
                self._looked[ticket.id] = ticket.updated_at
                self._reached = max(self._reached, ticket.updated_at)
            if len(tickets) < PAGE:
                break
        since = self._since()
        self._looked = {
            number: at for number, at in self._looked.items() if at >= since
        }  # older ones are not asked for
        self._keep()

    def _since(self) -> str:
        return (_instant(self._first_open()) - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _query(self) -> str:
        narrow = f" AND ({self._options.query})" if self._options.query else ""
        return f"updated_at:[{self._since()} TO *]{narrow}"

    def _of(self, ticket: Ticket) -> list[Arrival]:
        """What of a ticket was not handed over yet."""
        found = []
        for one in self._zammad.articles(ticket.id):
            place = f"{ticket.id}/{one.id}"
            wanted = not one.internal and (one.sender == "Customer" or (one.sender == "Agent" and one.type == "email"))
            if wanted and place not in self._open and not self._context.seen(self.name, place):
                found.append(self._arrival(ticket, one, place))
        return found

    def _arrival(self, ticket: Ticket, one: Article, place: str) -> Arrival:
        thread = thread_of(ticket.id, self._zammad.host)
        received = seconds(one.created_at) or time.time()
        if len(one.body or "") > self._context.max_bytes:
            return Arrival(place, received=received, error="The article is larger than what is read.")
        key = one.message_id or f"zammad:{self._zammad.host}/{one.id}"
        sender = one.from_ if "@" in (one.from_ or "") else ticket.customer
        text = one.body or ""
        text = f"<div>{text}</div>" if (one.content_type or "").startswith("text/html") else text  # read as markup
        row = [key, one.subject or ticket.title, text, sender or "", one.to or "", one.created_at, ""]
        try:
            mail = mail_of(row, _COLUMNS, place, "")
        except RightsizedError as error:
            return Arrival(place, received=received, error=str(error))
        files = tuple(_file(each) for each in one.attachments)
        named = mail.message_id if one.message_id else ""
        mail = replace(mail, message_id=named, thread=thread, received=received, attachments=files)
        return Arrival(place, mail=mail, received=received, metadata={"ticket": ticket.number})

    def _first_open(self) -> str:
        """Since when something may not be recorded yet."""
        return min(self._open.values(), default=self._reached)

    def _keep(self) -> None:
        self._context.keep_cursor(self.name, self._first_open())


def _file(one: Any) -> Attachment:
    kind = str(one.preferences.get("Mime-Type") or one.preferences.get("Content-Type") or "application/octet-stream")
    size = int(one.size) if str(one.size).isdigit() else 0
    return Attachment(one.filename, kind, size, "", note="It is in the helpdesk, and was not read.")


def _begin(since: str) -> str:
    try:
        when = datetime.fromisoformat(since) if since else datetime.now(UTC)
    except ValueError:
        raise ConfigError(f"since = {since!r} is no day.", fix="Write 2026-11-01.") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _instant(stamp: str) -> datetime:
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        raise UpstreamError(f"A helpdesk's time {stamp[:40]!r} is none.", retryable=False) from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def open_zammad(address: str, options: Mapping[str, Any], context: Context) -> ZammadSource:
    """The source at an address, not connected yet. Raises ConfigError, EgressDeniedError."""
    given = read_options(ZammadSourceOptions, options, address)
    if given.poll_s <= 0:
        raise ConfigError(f"poll_s = {given.poll_s} of {address} is not above 0.")
    return ZammadSource(Zammad(address, given, context.egress), given, context)
