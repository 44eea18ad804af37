"""Carries out an inbox's actions for as long as it is open: in a server, or beside a command that reads messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rightsized.apps.triage.actions import Carrier
from rightsized.apps.triage.actions.carrying import Note
from rightsized.apps.triage.inboxes import Inbox
from rightsized.core.egress import Egress
from rightsized.core.errors import RightsizedError

log = logging.getLogger("rightsized.triage")
LOOK_SECONDS = 1.0  # between two looks for actions that are due
BROKEN_SECONDS = 30.0  # where the settings name no system that can be opened


async def act(inbox: Inbox, egress: Egress, note: Note | None = None) -> None:
    """Carry out what is due until cancelled, by the settings as they are at each time. An action that is cut off is
    asked for again at the next start."""
    carrier: Carrier | None = None
    made = ""
    try:
        while True:
            pause = LOOK_SECONDS
            try:
                if carrier is None or inbox.files != made:
                    if carrier is not None:
                        await carrier.close()
                    made, carrier = inbox.files, None
                    carrier = await asyncio.to_thread(inbox.carrier, egress, note)
                await carrier.round()
            except RightsizedError as error:
                log.error("Actions are not carried out", extra={"inbox": inbox.name, "error": error.own_words})
                pause = BROKEN_SECONDS
            await asyncio.sleep(pause)
    finally:
        if carrier is not None:
            await carrier.close()


@asynccontextmanager
async def acting(inbox: Inbox, egress: Egress, note: Note | None = None) -> AsyncIterator[None]:
    """Carry out what is due inside the block, and at its end what is due then.

    Raises ConfigError, MissingExtraError at once where a system that the settings name cannot be opened.
    """
    carrier = await asyncio.to_thread(inbox.carrier, egress, note)
    done = asyncio.Event()

    async def work() -> None:
        while not done.is_set():
            await carrier.round()
            try:
                await asyncio.wait_for(done.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue

    working = asyncio.ensure_future(work())
    try:
        yield
        done.set()
        await working
        await carrier.round()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await carrier.close()
