"""What waits in an inbox, and what a person does with it: `rightsized triage queue|show|accept|correct|assign|done`."""

from __future__ import annotations

import asyncio
import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import aligned
from rightsized.cli.triage_opened import InboxOption, opened

if TYPE_CHECKING:
    from rightsized.apps.triage.drafts.writing import Draft
    from rightsized.apps.triage.service import Step, TriageService
    from rightsized.server.triage.bodies import MessageRow

Which = StrEnum("Which", ["waiting", "routed", "done"])
_LATE_SHOWN = 20  # messages of a forecast, listed for people; --json gives all
SHOWN_CHARS = 48  # of a subject, in the list


@dataclass(frozen=True, kw_only=True)
class QueueOptions(Common):
    inbox: InboxOption = "inbox"
    status: Annotated[Which, typer.Option(help="Which messages.")] = Which.waiting
    queue: Annotated[str | None, typer.Option(help="Only this queue.")] = None
    assignee: Annotated[str | None, typer.Option(help="Only of this person.")] = None
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 20


@dataclass(frozen=True, kw_only=True)
class ForecastOptions(Common):
    inbox: InboxOption = "inbox"


@dataclass(frozen=True, kw_only=True)
class MessageOptions(Common):
    number: Annotated[int, typer.Argument(help="Number of the message, as the queue shows it.")]
    inbox: InboxOption = "inbox"
    reviewer: Annotated[str | None, typer.Option(help="Who says so. Default: the user's name.")] = None


@dataclass(frozen=True, kw_only=True)
class CorrectOptions(MessageOptions):
    role: Annotated[str, typer.Argument(help="Whose label is wrong, such as department.")]
    label: Annotated[str, typer.Argument(help="The right label; out_of_scope where none fits.")]


@dataclass(frozen=True, kw_only=True)
class DoneOptions(MessageOptions):
    incident: Annotated[bool, typer.Option("--incident", help="With all of its incident that wait.")] = False


@dataclass(frozen=True, kw_only=True)
class JoinOptions(MessageOptions):
    other: Annotated[int, typer.Argument(help="Number of a message of the incident that it belongs to.")]


@dataclass(frozen=True, kw_only=True)
class AssignOptions(MessageOptions):
    to: Annotated[str, typer.Argument(help="The person who gets it.")]


def queue(options: QueueOptions) -> Result:
    """List what waits in an inbox, first what it costs most to leave waiting."""
    asked = {"status": options.status.value, "queue": options.queue, "assignee": options.assignee}
    given = {name: value for name, value in asked.items() if value is not None}
    query = urlencode({**given, "limit": options.limit})
    found = _ask(options, options.inbox, "GET", f"/messages?{query}", lambda triage: _listed(triage, options))
    rows = [_row(one) for one in found["messages"]]
    text = aligned(["number", "level", "due (UTC)", "queue", "from", "subject"], rows) if rows else "Nothing waits."
    more = found["total"] - len(rows)
    return Result(found, f"{text}\n{more:,} more; --limit shows them." if more > 0 else text)


def forecast(options: ForecastOptions) -> Result:
    """Say which waiting messages are likely to be answered late, by playing the coming hours through many times.

    It rests on the people and hours in desk.toml, and on how often messages came in the last four weeks.
    """
    found = _ask(options, options.inbox, "GET", "/forecast", lambda triage: _forecast(triage, options))
    rows = [[str(o["number"]), o["level"], _when(o["due"]), f"{o['late']:.0%}", _short(o["subject"])]
            for o in found["messages"]]  # fmt: skip
    said = f"{found['expected']:.1f} of {len(rows)} waiting messages are expected to be answered late."
    text = aligned(["number", "level", "due (UTC)", "late", "subject"], rows[:_LATE_SHOWN]) if rows else ""
    return Result(found, f"{said}\n{text}".rstrip())


def show(options: MessageOptions) -> Result:
    """Show a message: its text, what was said of it, its thread and what happened to it."""
    found = _ask(options, options.inbox, "GET", f"/messages/{options.number}", lambda triage: _shown(triage, options))
    return Result(found, _told(found))


def accept(options: MessageOptions) -> Result:
    """Let a message's route stand. Labels that wait are given as suggested: they train and never calibrate."""
    return _step(options, "accept")


def correct(options: CorrectOptions) -> Result:
    """Say what the right label is. It trains, and never calibrates; of an audit it watches the promise instead."""
    return _step(options, "correct", options.role, options.label)


def assign(options: AssignOptions) -> Result:
    """Give a message to a person."""
    return _step(options, "assign", value=options.to)


def draft(options: MessageOptions) -> Result:
    """Have a reply drafted by a tier that writes. It is shown and sent to nobody: check it, and send it yourself."""
    by = options.reviewer or getpass.getuser()

    async def here(triage: TriageService) -> Draft:
        return await triage.draft(options.inbox, options.number, by=by)

    found = _ask(options, options.inbox, "POST", f"/messages/{options.number}/draft", here)
    checks = [f"- {one['text']} ({one['kind']}): {one['why']}" for one in found["checks"]]
    told = ["", "To be checked by you:", *checks] if checks else []
    told += ["", *found["notes"]] if found["notes"] else []
    told += ["", "It was cut off before its end."] if found["cut"] else []
    return Result(found, "\n".join([found["text"], *told, "", f"decision {found['decision']}; not sent to anybody."]))


def done(options: DoneOptions) -> Result:
    """Mark a message as finished."""
    return _step(options, "done-all" if options.incident else "done")


def detach(options: MessageOptions) -> Result:
    """Take a message out of its incident: it is about something else, and waits for itself."""
    return _step(options, "detach")


def join(options: JoinOptions) -> Result:
    """Put a message, with all of its incident, into the incident of another: they are about the same thing."""
    return _step(options, "join", value=str(options.other))


def reopen(options: MessageOptions) -> Result:
    """Let a message wait again."""
    return _step(options, "reopen")


def _step(options: MessageOptions, step: Step, role: str = "", value: str = "") -> Result:
    by = options.reviewer or getpass.getuser()
    body = {"step": step, "role": role, "value": value, "reviewer": by}

    async def here(triage: TriageService) -> MessageRow:
        from rightsized.server.triage.handlers import row_of

        return row_of(await triage.step(options.inbox, options.number, step, by, role=role, value=value))

    found = _ask(options, options.inbox, "POST", f"/messages/{options.number}", here, body)
    return Result(found, f"Message {options.number}: {found['status']}, in {found['queue']} ({step} by {by}).")


def _ask(options: Common, inbox: str, method: str, path: str, here: Any, body: Any = None) -> Any:
    """What the running server answers, or what this process finds out."""
    from rightsized.store.home import Home
    from rightsized.tasks.remote import find_server

    config = options.settings()
    server = find_server(Home(config.home))
    if server is not None:
        return server.triage(method, f"/{quote(inbox)}{path}", body)

    async def ask() -> Any:
        async with opened(config) as triage:
            return msgspec.to_builtins(await here(triage))

    return asyncio.run(ask())


async def _listed(triage: TriageService, options: QueueOptions) -> Any:
    from rightsized.apps.triage.store.records import Status, Waits
    from rightsized.server.triage.bodies import MessageList
    from rightsized.server.triage.handlers import row_of

    status = msgspec.convert(options.status.value, Status)
    wanted = Waits(status, options.queue, options.assignee, limit=options.limit)
    found = triage.waiting(options.inbox, wanted)
    return MessageList(tuple(map(row_of, found)), triage.count(options.inbox, wanted))


async def _forecast(triage: TriageService, options: ForecastOptions) -> Any:
    from rightsized.server.triage.handlers import forecast_of

    with progress_bars(options.json) as progress:
        return forecast_of(triage.forecast(options.inbox, progress))


async def _shown(triage: TriageService, options: MessageOptions) -> Any:
    from rightsized.server.triage.handlers import view_of

    return view_of(triage.show(options.inbox, options.number))


def _row(one: dict[str, Any]) -> list[str]:
    due = _when(one["due"])
    return [str(one["number"]), one["level"], due, one["queue"], one["sender"][:32], _short(one["subject"])]


def _told(found: dict[str, Any]) -> str:
    one, handled = found["message"], found["message"]["handled"]
    where = f"{one['status']} in {one['queue']}" if one["status"] != "none" else "not taken in"
    sender = one["sender"] or "nobody named"
    lines = [one["subject"] or "(no subject)", f"from {sender}, {_when(one['received'])} UTC; {where}"]
    if handled:
        rows = [
            [role, " + ".join(label["labels"]) or _best(label), f"{label['confidence']:.3f}", _stands(label)]
            for role, label in handled["labels"].items()
        ]
        lines += ["", aligned(["task", "label", "confidence", "state"], rows)] if rows else []
        lines += [f"why: {handled['route']['reason']}", f"priority {one['level']}: {handled['priority']['reason']}"]
        lines += [f"{field['name']}: {field['value']}" for field in handled["fields"]]
        lines += ["", *(f"- {sentence['text']}" for sentence in handled["summary"]["sentences"])]
    together = found.get("together")
    if together:
        lines += ["", f"one of {together['messages']} messages of an incident, {together['waiting']} of them waiting; "
                  f"the first is {together['first']}"]  # fmt: skip
    lines += ["", "(The text was deleted.)" if found["text"] is None else found["text"]]
    lines += [
        "",
        *(f"{_when(event['at'])}  {event['by']}: {event['what']} {event['detail']}" for event in found["events"]),
    ]
    if together and together["answer"]:
        lines += [
            "",
            f"Answer to message {together['answered']} of the incident, sent to nobody else:",
            together["answer"],
        ]
    return "\n".join(lines)


def _stands(label: dict[str, Any]) -> str:
    """Whether a label may be relied upon, and who gave it where that was not the task."""
    if not label["labels"] and label["status"] == "abstained":
        return "a person decides"
    if label["next_tier"] is not None:
        return f"by {label['next_tier']['name']}, uncertified"
    return "uncertified" if label["state"] == "certified" and not label["certified"] else str(label["state"])


def _best(label: dict[str, Any]) -> str:
    return f"? ({label['suggested'][0]['label']})" if label["suggested"] else "?"


def _short(text: str) -> str:
    return " ".join(text.split())[:SHOWN_CHARS]


def _when(moment: float | None) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M") if moment else "–"
