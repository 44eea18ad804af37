"""`rightsized triage forget`: a person is erased from the inboxes of a home and from its record."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rightsized.cli.commands import Common, Result

if TYPE_CHECKING:
    from rightsized.apps.triage.erasing import Taught


@dataclass(frozen=True, kw_only=True)
class ForgetOptions(Common):
    address: Annotated[str, typer.Argument(help="The mail address of the person.")]
    inbox: Annotated[str, typer.Option("--inbox", "-i", help="Only in this inbox. Default: in every one.")] = ""
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False


def forget(options: ForgetOptions) -> Result:
    """Erase a person: every conversation that they take part in, and the key of what is on record of their messages.

    Of the messages stay their numbers, labels and times, and digests by which they are known if their source hands
    them over again; what the source still has stays there. Says which tasks were taught with their texts. There is no
    way back. Works beside a running server.
    """
    from rightsized.apps.triage.erasing import conversations_of, taught
    from rightsized.apps.triage.erasing import forget as forget_these
    from rightsized.cli.ledger_data import destroy_key
    from rightsized.ledger.subjects import PERSON
    from rightsized.store.home import Home

    home, person = Home(options.settings().home), options.address.strip().lower()
    found = conversations_of(home, person, options.inbox)
    count = sum(len(one.keys) for one in found)
    said = f"Delete {count:,} messages and the key of {person} for good?"
    if not options.yes and not typer.confirm(said):
        raise typer.Exit(1)
    held = taught(home, found)
    forget_these(home, found, getpass.getuser())
    erased = destroy_key(home, PERSON + person)
    data: dict[str, Any] = {
        "address": person,
        "messages": count,
        "inboxes": {one.inbox: len(one.keys) for one in found},
        "reference": erased.reference if erased else None,
        "event": erased.noted if erased else None,
        "taught": held,
    }
    where = ", ".join(one.inbox for one in found) or "no inbox"
    lines = [f"{count:,} messages were deleted, in {where}."]
    lines += [erased.told if erased else f"Nothing is on record under a key of {person}."]
    return Result(data, "\n".join([*lines, *map(_taught, held)]))


def _taught(one: Taught) -> str:
    force = " (in force)" if one.current else ""
    return (
        f"{one.examples:,} examples of {one.task}, version {one.version}{force}, are texts of these conversations: fit "
        "it again without them, then delete the folder of that version."
    )
