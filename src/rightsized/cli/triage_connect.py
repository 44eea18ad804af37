"""`rightsized triage connect`: give an inbox a source, and see whether it can be reached."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.triage_opened import InboxOption

if TYPE_CHECKING:
    from rightsized.apps.triage.protocols import Source
    from rightsized.core.egress import Egress


@dataclass(frozen=True, kw_only=True)
class ConnectOptions(Common):
    address: Annotated[
        str, typer.Argument(help="maildir:PATH, mbox:PATH, eml:FOLDER, csv:FILE, imaps://USER@HOST/FOLDER, ...")
    ]
    inbox: InboxOption = "inbox"
    option: Annotated[
        list[str] | None, typer.Option(help="A setting of this source, NAME=VALUE; may be given several times.")
    ] = None


def connect(options: ConnectOptions) -> Result:
    """Add a source to an inbox, once it is seen that it can be read. Nothing is taken in by this.

    The source stands in inbox.toml in the inbox's folder, beside rules.toml and desk.toml.
    """
    from rightsized.apps.triage.inboxes import FOLDER, source_of
    from rightsized.apps.triage.settings import FILE_NAME, check_name, load, with_source
    from rightsized.apps.triage.store import MessageStore
    from rightsized.core.egress import Egress
    from rightsized.store import atomic
    from rightsized.store.home import Home

    config = options.settings()
    home = Home(config.home)
    home.ensure()
    folder = home.path / FOLDER / check_name(options.inbox)
    given = _given(options.option or [])
    egress = Egress.at(config.home, config.egress.allow)
    store = MessageStore(folder)
    try:
        source = source_of(store, load(folder), options.address, given, egress, dry_run=True)
        first = asyncio.run(_first(source))
    finally:
        store.close()
    path = folder / FILE_NAME
    before = path.read_text("utf-8") if path.exists() else ""
    atomic.write(
        path, with_source(before, source.name, given, str(path)).encode()
    )  # a path from here says nothing there
    undone = _not_taken(folder, egress)
    data = {"inbox": options.inbox, "source": source.name, "file": str(path), "first": first, "not_taken": undone}
    found = f"Its first message not taken yet: {first}." if first else "It holds no message that was not taken yet."
    said = f"{source.name} is a source of {options.inbox} now ({path}).\n{found}\n{_next(options)}"
    return Result(data, said + _warned(undone))


def _not_taken(folder: Path, egress: Egress) -> list[str]:
    """Actions of the inbox's rules that no system takes, its new source's included."""
    from rightsized.apps.triage import rules
    from rightsized.apps.triage.actions.opening import not_taken, open_desks
    from rightsized.apps.triage.settings import load
    from rightsized.core.errors import RightsizedError

    try:
        return not_taken(rules.load(folder), open_desks(load(folder), egress))
    except RightsizedError as error:  # the source is kept all the same
        return [error.message]


def _warned(undone: list[str]) -> str:
    from rightsized.apps.triage.actions.opening import TAKEN_FIX

    return f"\n{' '.join(undone)} {TAKEN_FIX}" if undone else ""


def _next(options: ConnectOptions) -> str:
    named = "" if options.inbox == "inbox" else f" --inbox {options.inbox}"
    return f"Look at what would be done: rightsized triage run --dry-run{named}"


def _given(pairs: list[str]) -> dict[str, Any]:
    """Settings as NAME=VALUE: numbers and true or false as such, all else as words."""
    import tomllib

    from rightsized.core.errors import InputError

    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{pair!r} is no setting.", fix="Write NAME=VALUE.")
        try:
            found[name.strip()] = tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            found[name.strip()] = value
    return found


async def _first(source: Source) -> str:
    """Where the first message stands, read for a look and handed back. Raises what reaching the source raises."""
    try:
        arrival = await anext(source.arrivals(wait=False), None)
        return arrival.place if arrival else ""
    finally:
        await source.close()
