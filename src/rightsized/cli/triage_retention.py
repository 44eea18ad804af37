"""`rightsized triage retention`: how long the texts of messages are kept, and deleting those whose time is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.tables import aligned


@dataclass(frozen=True, kw_only=True)
class RetentionOptions(Common):
    inbox: Annotated[str, typer.Option("--inbox", "-i", help="Only this inbox. Default: every one.")] = ""
    apply: Annotated[bool, typer.Option("--apply", help="Delete now what is due; else it is only counted.")] = False


def retention(options: RetentionOptions) -> Result:
    """Show how long texts of messages are kept and how many are due; --apply deletes those. A server does so hourly.

    A message that waits for a person is never deleted by its age. Works beside a running server.
    """
    from rightsized.apps.triage.erasing import retention as looked
    from rightsized.store.home import Home

    found = looked(Home(options.settings().home), options.inbox, apply=options.apply)
    rows = [
        [one.inbox, f"{one.history_days:g}", f"{one.texts:,}", f"{one.due:,}", f"{one.deleted:,}", f"{one.waiting:,}"]
        for one in found
    ]
    heads = ["inbox", "days", "texts", "due", "deleted", "waiting longer"]
    return Result(found, aligned(heads, rows) if rows else "There is no inbox here.")
