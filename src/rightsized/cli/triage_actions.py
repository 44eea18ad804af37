"""`rightsized triage actions|undo|retry`: what was done outside for an inbox's messages, and taking it back."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.tables import aligned
from rightsized.cli.triage_opened import InboxOption, known_inboxes

if TYPE_CHECKING:
    from rightsized.apps.triage.actions import Journal, Planned
    from rightsized.apps.triage.actions.carrying import Note
    from rightsized.apps.triage.store import MessageStore

WhichActions = StrEnum("WhichActions", ["off", "planned", "doing", "done", "failed", "undo", "undoing", "undone"])


ASKED = "(asked for an audit)"


@dataclass(frozen=True, kw_only=True)
class ActionsOptions(Common):
    inbox: InboxOption = "inbox"
    state: Annotated[WhichActions | None, typer.Option(help="Only those of this state.")] = None
    message: Annotated[int | None, typer.Option(help="Only those of this message, by its number.")] = None
    limit: Annotated[int, typer.Option(help="At most so many, the latest.", min=1, max=10_000)] = 50


@dataclass(frozen=True, kw_only=True)
class ActionOptions(Common):
    number: Annotated[int, typer.Argument(help="Number of the action, as `triage actions` shows it.")]
    inbox: InboxOption = "inbox"
    reviewer: Annotated[str | None, typer.Option(help="Who says so. Default: the user's name.")] = None


def actions(options: ActionsOptions) -> Result:
    """List what was done outside, what is still to be done, and what would have been: off, where actions are."""
    from rightsized.apps.triage.store.audited import audited
    from rightsized.core.errors import NotFoundError

    with _journal(options, options.inbox) as (store, journal):
        key = ""
        if options.message is not None:
            found = store.numbered(options.message)
            if found is None:
                raise NotFoundError(f"There is no message {options.message} in {options.inbox}.")
            key = found.key
        state = options.state.value if options.state else None
        shown, counts = journal.all(state, key=key, limit=options.limit), journal.counts()  # type: ignore[arg-type]  # the enum's words
        asked = audited(store)
    shown = [_veiled(one) if one.key in asked else one for one in shown]
    rows = [
        [str(one.number), one.state, _said(one), one.desk, _when(one.updated), one.detail[:60], _back(one)]
        for one in shown
    ]
    text = aligned(["number", "state", "action", "system", "at", "said", "undo"], rows) if rows else "No actions."
    return Result({"actions": shown, "counts": counts}, text)


def undo(options: ActionOptions) -> Result:
    """Take an action back, where the system can: a label, an owner, a folder, a state. What was sent stays sent.

    Done by the server where one runs, else at once. What somebody has changed since is left as it is.
    """
    return _step(options, "undo")


def retry(options: ActionOptions) -> Result:
    """Try an action again that failed for good."""
    return _step(options, "retry")


def _step(options: ActionOptions, step: str) -> Result:
    by = options.reviewer or getpass.getuser()
    with _journal(options, options.inbox) as (store, journal):
        asked = (journal.undo if step == "undo" else journal.retry)(str(options.number), by)
        carried = _carry_out(options, store, journal)
        one = journal.get(asked.token)
    waits = "" if carried else " The process that works on this home carries it out."
    return Result(
        one, f"Action {one.number} ({_said(one)}): {one.state}. {one.detail + '.' if one.detail else ''}{waits}".strip()
    )


def _carry_out(options: ActionOptions, store: MessageStore, journal: Journal) -> bool:
    """Carry out what is due here, unless another process holds the home and does so. Raises ConfigError."""
    import asyncio

    from rightsized.apps.triage.actions import Carrier
    from rightsized.apps.triage.actions.opening import open_desks
    from rightsized.apps.triage.settings import load
    from rightsized.core.egress import Egress
    from rightsized.core.errors import HomeLockedError
    from rightsized.store.home import Home, WriterLock
    from rightsized.tasks.home_accesses import acts_of_home

    config = options.settings()
    settings = load(store.path.parent)

    async def work(note: Note | None) -> None:
        desks = open_desks(settings, Egress.at(config.home, config.egress.allow))
        carrier = Carrier(journal, store, desks, note=note, undo_only=not settings.actions.enabled)
        try:
            await carrier.round()
        finally:
            await carrier.close()

    try:
        with WriterLock(Home(config.home), "triage"), acts_of_home(config) as note:
            asyncio.run(work(note))
    except HomeLockedError:
        return False
    return True


@contextlib.contextmanager
def _journal(options: Common, inbox: str) -> Iterator[tuple[MessageStore, Journal]]:
    """The store and journal of an inbox. Raises NotFoundError."""
    from rightsized.apps.triage.actions import Journal
    from rightsized.apps.triage.inboxes import FOLDER, no_inbox
    from rightsized.apps.triage.settings import check_name
    from rightsized.apps.triage.store import MessageStore
    from rightsized.store.home import Home

    folder = Home(options.settings().home).path / FOLDER / check_name(inbox)
    if not folder.is_dir():
        raise no_inbox(inbox, known_inboxes(folder.parent.parent))
    with contextlib.closing(MessageStore(folder)) as store:
        yield store, Journal(store, inbox)


def _veiled(one: Planned) -> Planned:
    """An action about a message that an audit asks about, without what follows from the answer."""
    from msgspec.structs import replace

    return replace(one, action=replace(one.action, value=ASKED, text=""), detail="")


def _said(one: Planned) -> str:
    return f"{one.action.kind} {one.action.value}".strip()


def _back(one: Planned) -> str:
    return "can be" if one.state == "done" and one.undo is not None else ""


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")
