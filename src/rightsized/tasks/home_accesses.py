"""Puts what a command shows or does into the log of the home: through the server that holds it, or by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from rightsized.core.config import Config
from rightsized.ledger.log import SqliteLedger
from rightsized.store.home import Home, WriterLock
from rightsized.store.secrets import SecretFolder
from rightsized.tasks.accesses import Access, event
from rightsized.tasks.acts import Act, act_event
from rightsized.tasks.remote import find_server


def note_in_home(config: Config, one: Access) -> None:
    """Returns once it is on the disk; does nothing where the settings say that nothing is recorded.

    Raises HomeLockedError (another command writes to the home), StoreError, DiskFullError: then nothing may be shown.
    """
    if not config.record.enabled:
        return
    home = Home(config.home)
    server = find_server(home)
    if server is not None:
        server.note(one)
        return
    with WriterLock(home, "ledger"), SqliteLedger(home.decisions, secrets=SecretFolder(home.secrets)) as ledger:
        asyncio.run(ledger.note(event(one, time.time())))


@contextmanager
def acts_of_home(config: Config) -> Iterator[Callable[[Act], Awaitable[None]] | None]:
    """What notes acts in the log of a home whose lock is held; None where the settings say that nothing is recorded."""
    if not config.record.enabled:
        yield None
        return
    home = Home(config.home)
    with SqliteLedger(home.decisions, secrets=SecretFolder(home.secrets)) as ledger:

        async def note(one: Act) -> None:
            await ledger.note(act_event(one, time.time()))

        yield note
