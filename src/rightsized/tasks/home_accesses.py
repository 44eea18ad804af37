"""Puts what a command shows into the log of the home: through the server that holds the home, or by itself."""

from __future__ import annotations

import asyncio
import time

from rightsized.core.config import Config
from rightsized.ledger.log import SqliteLedger
from rightsized.store.home import Home, WriterLock
from rightsized.store.secrets import SecretFolder
from rightsized.tasks.accesses import Access, event
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
