"""`rightsized triage forget`: the text of a person's conversations is deleted from an inbox."""

from __future__ import annotations

import contextlib
import getpass
from dataclasses import dataclass
from typing import Annotated

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.triage_opened import InboxOption


@dataclass(frozen=True, kw_only=True)
class ForgetOptions(Common):
    address: Annotated[str, typer.Argument(help="The mail address of the person.")]
    inbox: InboxOption = "inbox"
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False


def forget(options: ForgetOptions) -> Result:
    """Delete the text of every conversation that a person takes part in, finished or not. There is no way back.

    What became of the messages stays, without their words; what the source still has stays there. Works beside a
    running server.
    """
    from rightsized.apps.triage.inboxes import FOLDER
    from rightsized.apps.triage.settings import check_name
    from rightsized.apps.triage.store import MessageStore
    from rightsized.apps.triage.store.database import FILE
    from rightsized.core.errors import NotFoundError
    from rightsized.store.home import Home

    folder = Home(options.settings().home).path / FOLDER / check_name(options.inbox)
    if not (folder / FILE).is_file():
        raise NotFoundError(f"There is no inbox {options.inbox!r}.", fix="Name another: --inbox NAME")
    with contextlib.closing(MessageStore(folder)) as store:
        keys = store.conversations_of(options.address)
        if keys and not options.yes and not typer.confirm(f"Delete the text of {len(keys):,} messages for good?"):
            raise typer.Exit(1)
        if keys:
            store.forget(keys, getpass.getuser())
    said = f"The text of {len(keys):,} messages was deleted from {options.inbox}."
    return Result({"inbox": options.inbox, "address": options.address, "messages": len(keys)}, said)
