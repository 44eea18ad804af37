"""`rightsized egress`: what may leave this machine, and what has left it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned
from rightsized.core.errors import InputError
from rightsized.tasks.moments import moment

if TYPE_CHECKING:
    from rightsized.tasks.leaving import Leaving

app = typer.Typer(name="egress", help="What may leave this machine, and what has.", no_args_is_help=True)
DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class ShowOptions(Common):
    days: Annotated[float, typer.Option(help="What left in the last so many days; 0 is all that is on record.")] = 0.0
    since: Annotated[str | None, typer.Option(help="From this time on (2026-11-01, UTC), in place of --days.")] = None


def show(options: ShowOptions) -> Result:
    """List what may go where, by which setting and rule, and what has gone.

    Reads the settings, the policy, the log of decisions and the egress journal of this home. Nothing is reached.
    """
    from rightsized.tasks.leaving import leaving

    if options.days < 0:
        raise InputError(f"--days {options.days:g} must not be below 0.")
    since = moment(options.since, "--since") or (time.time() - options.days * DAY if options.days else 0.0)
    found = leaving(options.settings(), since)
    return Result(found, _text(found))


def _text(found: Leaving) -> str:
    parts = ["May leave:"]
    tiers = [one for one in found.may if one.tier]
    rows = [[one.destination, one.tier, ", ".join(one.data_classes) or "nothing", one.shut] for one in tiers]
    parts.append(aligned(["destination", "tier", "classes of data", ""], rows) if rows else "nothing by any tier.")
    others = [one for one in found.may if not one.tier]
    parts += [f"{one.destination}: {'; '.join(one.by)}{': ' + one.shut if one.shut else ''}." for one in others]
    parts += ["", "Has left, by the log of decisions:"]
    sent = [
        [one.destination, one.tier, one.data_class or "-", f"{one.decisions:,}", _when(one.last), one.last_decision]
        for one in found.sent
    ]
    heads = ["destination", "tier", "class", "decisions", "last (UTC)", "last decision"]
    parts.append(aligned(heads, sent) if sent else "nothing.")
    parts += ["", f"Was opened, by {found.journal}:"]
    opened = [
        [one.destination, one.purpose, f"{one.opened:,}", _bytes(one.received), _when(one.last)] for one in found.opened
    ]
    heads = ["destination", "purpose", "times", "bytes received", "last (UTC)"]
    parts.append(aligned(heads, opened) if opened else "nothing.")
    return "\n".join(parts)


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _bytes(count: int | None) -> str:
    return "not counted" if count is None else f"{count:,}"


add(app, "show", ShowOptions, show)
