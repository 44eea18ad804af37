"""`rightsized search watch`: keeps a collection up to date for as long as it runs."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.search_opened import opened
from rightsized.core.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from rightsized.apps.search.sync.steps import SyncReport

_EVERY_S = 300.0


@dataclass(frozen=True, kw_only=True)
class WatchOptions(Common):
    collection: Annotated[str, typer.Argument(help="Name of the collection.")]
    every: Annotated[
        float,
        typer.Option(min=1.0, help="Seconds after which sources are looked at even if nothing was noticed."),
    ] = _EVERY_S


def watch(options: WatchOptions) -> Result:
    """Keep a collection up to date: sync it whenever something changes at its folders and mailboxes.

    Buckets, and whatever lies on network file systems that give no notice, are looked at every five minutes.
    Ends with Ctrl-C or SIGTERM.
    """
    from rightsized.apps.search.connectors import open_connector
    from rightsized.apps.search.connectors.stirring import Stirring
    from rightsized.core.egress import Egress

    config = options.settings()
    egress = Egress.at(config.home, config.egress.allow)
    rounds = 0
    with opened(config) as collections:
        addresses = collections.addresses(options.collection)
        with Stirring([open_connector(address, egress) for address in addresses]) as stirring:
            before = {one: signal.signal(one, lambda *_: stirring.end()) for one in (signal.SIGTERM, signal.SIGINT)}
            try:
                going = True
                while going:
                    for address in addresses:
                        try:
                            taken = collections.take_in(options.collection, [address], egress, cancelled=stirring.ended)
                            _tell(taken, options.json)
                        except (StoreError, ConfigError) as error:  # a share that is away, another process that writes
                            typer.echo(f"{_now()} {error}", err=True)
                    rounds += 1
                    going = stirring.wait(options.every)
            finally:
                for one, handler in before.items():
                    signal.signal(one, handler)
    return Result({"collection": options.collection, "syncs": rounds}, f"{options.collection}: {rounds:,} syncs.")


def _tell(reports: list[SyncReport], as_json: bool) -> None:
    """A line for each source that had something new."""
    for one in reports:
        counts = {"added": one.added, "changed": one.changed, "moved": one.moved, "deleted": one.deleted}
        counts |= {"relabelled": one.relabelled}
        if not any(counts.values()) and not one.problems:
            continue
        if as_json:
            typer.echo(msgspec.json.encode({"at": _now(), **msgspec.to_builtins(one)}).decode())
        else:
            what = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
            typer.echo(" ".join(part for part in (_now(), one.source, what, *one.problems) if part))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
