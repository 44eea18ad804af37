"""The handlers of triage. Each asks the service once; who is shown texts goes on record before they are shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from rightsized.apps.triage.drafts.writing import Draft
from rightsized.apps.triage.mail.visible import visible
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.records import Address, Handled, Mail, Span
from rightsized.apps.triage.service import Outlooked, Shown, TriageService
from rightsized.apps.triage.store.records import Kept, Waits
from rightsized.core.errors import ForbiddenError, InputError
from rightsized.ledger.ids import new_id
from rightsized.parsers.draft import single_line
from rightsized.server.api import Call
from rightsized.server.triage import bodies

API = "api"  # the source of what programs send


async def list_inboxes(triage: TriageService, call: Call) -> bodies.InboxList:
    return bodies.InboxList(tuple(await asyncio.to_thread(triage.standings)))


async def handle_message(triage: TriageService, call: Call) -> bodies.MessageResponse:
    asked: bodies.MessageRequest = call.body
    arrival = asked.arrival
    if arrival is not None and not call.identity.may("administer"):
        raise ForbiddenError(
            "Only this machine's own commands hand over `arrival`.", fix="Send `message`, or `subject` and `text`."
        )
    arrival = arrival or arrival_of(asked)
    source = asked.source if asked.arrival is not None else source_of(asked)
    handled = await triage.process(asked.inbox, arrival, source, dry_run=asked.dry_run, identity=call.identity)
    if handled is not None and not call.identity.may("review"):
        handled = of_itself(handled)
    return bodies.MessageResponse(handled)


async def list_messages(triage: TriageService, call: Call) -> bodies.MessageList:
    name, query = call.path["inbox"], call.query
    wanted = Waits(
        status=query.get("status", "waiting"),
        queue=query.get("queue"),
        assignee=query.get("assignee"),
        limit=query["limit"],
    )
    found = await asyncio.to_thread(triage.waiting, name, wanted)
    await triage.seen(call.identity, "queue", found)
    return bodies.MessageList(tuple(map(row_of, found)), await asyncio.to_thread(triage.count, name, wanted))


async def show_forecast(triage: TriageService, call: Call) -> bodies.Forecast:
    found = await asyncio.to_thread(triage.forecast, call.path["inbox"])
    await triage.seen(call.identity, "queue", [one.kept for one in found])
    return forecast_of(found)


async def show_message(triage: TriageService, call: Call) -> bodies.MessageView:
    shown = await asyncio.to_thread(triage.show, call.path["inbox"], number_of(call.path["number"]))
    beside = [one for one in shown.thread if one.key != shown.kept.key]
    await triage.seen(call.identity, "decision", [shown.kept, *beside])
    return view_of(shown)


async def do_step(triage: TriageService, call: Call) -> bodies.MessageRow:
    asked: bodies.StepRequest = call.body
    by = call.identity.signs_as(asked.reviewer) or call.identity.name
    number = number_of(call.path["number"])
    return row_of(await triage.step(call.path["inbox"], number, asked.step, by, role=asked.role, value=asked.value))


async def draft_reply(triage: TriageService, call: Call) -> Draft:
    return await triage.draft(call.path["inbox"], number_of(call.path["number"]), call.identity)


def of_itself(handled: Handled) -> Handled:
    """What became of a message, without the words of others in its conversation: anybody can name one."""
    told = handled.summary
    sentences = tuple(one for one in told.sentences if one.key == handled.key)
    action = tuple(one for one in told.action if one.key == handled.key)
    text = told.text if len(sentences) == len(told.sentences) else " ".join(one.text for one in sentences)
    summary = replace(told, sentences=sentences, action=action, text=text if told.text else "")
    return replace(handled, summary=summary)


def source_of(asked: bodies.MessageRequest) -> str:
    """The name of a program's own source; never that of a mailbox, whose messages would count as taken."""
    return API if asked.source == API else f"{API}:{asked.source}"


def arrival_of(asked: bodies.MessageRequest) -> Arrival:
    """A message as the request gives it. Raises InputError where it gives none."""
    if asked.message:
        return Arrival(asked.id or new_id(asked.received or None), asked.message, received=asked.received)
    if not asked.subject.strip() and not asked.text.strip():
        raise InputError("There is no message.", fix="Send `message` (a mail, base64), or `subject` and `text`.")
    key, text = asked.id or new_id(asked.received or None), visible(asked.text)
    mail = Mail(
        key=f"{asked.source}:{key}",
        subject=single_line(visible(asked.subject)),
        body=text,
        sender=Address(single_line(visible(asked.sender)).lower()),
        received=asked.received,
        fresh=(Span(0, len(text)),),
    )
    return Arrival(key, mail=mail, received=asked.received)


def view_of(shown: Shown) -> bodies.MessageView:
    """A message with all that belongs to it."""
    text = shown.kept.mail.body if shown.kept.mail else None
    thread = tuple(row_of(one) for one in shown.thread if one.key != shown.kept.key)
    return bodies.MessageView(row_of(shown.kept), text, thread, shown.events, shown.blind, shown.together)


def forecast_of(found: Sequence[Outlooked]) -> bodies.Forecast:
    """A forecast as the API gives it."""
    rows = []
    for one in found:
        row = row_of(one.kept)
        rows.append(bodies.LateRow(row.number, row.subject, row.queue, row.level, row.due, one.late, one.low, one.high))
    return bodies.Forecast(tuple(rows), sum(one.late for one in found))


def row_of(kept: Kept) -> bodies.MessageRow:
    """A message in a list."""
    mail, handled = kept.mail, kept.handled
    return bodies.MessageRow(
        number=kept.number,
        subject=mail.subject if mail else "",
        sender=mail.sender.address if mail else "",
        received=kept.received,
        status=kept.status,
        queue=kept.queue,
        level=kept.level,
        assignee=kept.assignee,
        due=kept.due,
        incident=kept.incident,
        handled=handled,
    )


def number_of(text: str) -> int:
    """A message's number. Raises InputError."""
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InputError(f"{text!r} is no number of a message.", fix="GET /v1/triage/{inbox}/messages lists them.")
    return int(text)
