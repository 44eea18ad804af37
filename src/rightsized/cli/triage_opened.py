"""Opens the inboxes of a home for a command: here, or through the server that holds the home."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rightsized.apps.triage.protocols import Arrival
    from rightsized.apps.triage.records import Handled
    from rightsized.apps.triage.running import Outcome
    from rightsized.apps.triage.service import TriageService
    from rightsized.core.config import Config
    from rightsized.tasks.remote import RunningServer

InboxOption = Annotated[str, typer.Option("--inbox", "-i", help="Name of the inbox.")]


def known_inboxes(home: Path) -> list[str]:
    """The inboxes of a home, by name."""
    folder = home / "triage"
    return sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


@contextlib.asynccontextmanager
async def opened(config: Config, *, record: bool = True) -> AsyncIterator[TriageService]:
    """Triage over the home, which this process then holds. Raises HomeLockedError."""
    from rightsized.apps.triage.service import TriageService
    from rightsized.tasks.service import LocalService

    async with LocalService(config, purpose="triage", record=record, gateway=True) as service:
        triage = TriageService(config, service)
        try:
            yield triage
        finally:
            triage.close()


@contextlib.asynccontextmanager
async def handling(
    config: Config, inbox: str, *, new: bool, dry_run: bool, told: Callable[[Handled], None]
) -> AsyncIterator[Outcome]:
    """What handles messages: this process, or the server that holds the home. Raises HomeLockedError.

    `dry_run`: nothing that was begun before is gone on with, and nothing is carried out. `told` gets what became of
    messages that an ended process had taken and not read.
    """
    import asyncio

    from rightsized.apps.triage.acting import acting
    from rightsized.core.egress import Egress
    from rightsized.store.home import Home
    from rightsized.tasks.remote import find_server

    server = find_server(Home(config.home))
    if server is not None:
        yield _Served(server, inbox)
        return
    async with opened(config) as triage:
        here = triage.handling(inbox, new=new)
        if dry_run:
            yield here
            return
        for one in await here.resume():
            told(one)
        await asyncio.to_thread(triage.inboxes.open(inbox).purge)
        async with acting(triage.inboxes.open(inbox), Egress.at(config.home, config.egress.allow), triage.acted):
            yield here


class _Served:
    """Implements `running.Outcome` through the server."""

    def __init__(self, server: RunningServer, inbox: str) -> None:
        import asyncio

        self._server, self._inbox = server, inbox
        self._asking = asyncio.Lock()  # one after the other: a thread's earlier messages come first

    async def process(self, arrival: Arrival, source: str, *, dry_run: bool) -> Handled | None:
        import asyncio

        import msgspec

        from rightsized.apps.triage.records import Handled

        body = {"arrival": msgspec.to_builtins(arrival), "source": source, "dry_run": dry_run}
        async with self._asking:
            answer = await asyncio.to_thread(self._server.handle_message, self._inbox, body)
        return msgspec.convert(answer["handled"], Handled | None)
