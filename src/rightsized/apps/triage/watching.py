"""The sources of inboxes read for as long as a server runs: what comes is handled, what breaks is tried again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence

from rightsized.apps.triage.acting import act
from rightsized.apps.triage.running import run
from rightsized.apps.triage.service import TriageService
from rightsized.core.egress import Egress
from rightsized.core.errors import RightsizedError

log = logging.getLogger("rightsized.triage")
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds before a source that failed is read again; doubled each time
TEND_SECONDS = 30.0  # between two rounds of giving out what waits
LEFT_SECONDS = 60.0  # after which a message that was taken and not read is read by somebody else
PURGE_SECONDS = 3600.0


async def watch(triage: TriageService, names: Sequence[str], egress: Egress) -> None:
    """Read all sources of these inboxes until cancelled. An inbox that cannot be opened is said in the log."""
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(_inbox(triage, name, egress))


async def _inbox(triage: TriageService, name: str, egress: Egress) -> None:
    pause = FIRST_PAUSE
    while True:
        try:
            inbox = await asyncio.to_thread(lambda: triage.inboxes.open(name, new=True))
            await triage.handling(name).resume()
            break
        except RightsizedError as error:  # a file that is broken may be mended
            log.error("An inbox is not read", extra={"inbox": name, "error": str(error), "again_in_s": round(pause)})
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    async with asyncio.TaskGroup() as group:
        for one in inbox.settings.read_here:
            group.create_task(_source(triage, name, one.address, one.options, egress))
        group.create_task(_tend(triage, name))
        group.create_task(act(inbox, egress, triage.acted))


async def look_after(triage: TriageService) -> None:
    """Of every inbox of the home, until cancelled: read what was taken and left, delete texts whose time is over.

    A message that a program sent is handed over once: no source brings it again.
    """
    loop = asyncio.get_running_loop()
    purged = -PURGE_SECONDS
    while True:
        await asyncio.sleep(LEFT_SECONDS)
        purging = loop.time() - purged >= PURGE_SECONDS
        for name in await asyncio.to_thread(triage.inboxes.names):
            try:
                inbox = await asyncio.to_thread(triage.inboxes.open, name)
                if purging:
                    await asyncio.to_thread(inbox.purge)
                await triage.handling(name).resume(LEFT_SECONDS)
            except Exception as error:  # noqa: BLE001 - one inbox must not end the others
                words = error.own_words if isinstance(error, RightsizedError) else type(error).__name__
                log.error("An inbox was not looked after", extra={"inbox": name, "error": words})
        purged = loop.time() if purging else purged


async def _source(triage: TriageService, name: str, address: str, options: dict[str, object], egress: Egress) -> None:
    pause, told = FIRST_PAUSE, address
    reach = triage.inboxes.open(name).reach
    while True:
        try:
            inbox = triage.inboxes.open(name)
            source = await asyncio.to_thread(inbox.source, address, options, egress, dry_run=False)
            if told != source.name:  # what was wrong with its address stood under that
                reach.told(told, "")
                told = source.name
            try:
                async for _ in run(source, triage.handling(name), dry_run=False, wait=True):
                    pause = FIRST_PAUSE
            finally:
                await source.close()
        except RightsizedError as error:
            said = {"inbox": name, "source": address, "error": error.own_words, "again_in_s": round(pause)}
            reach.told(told, error.own_words)
            log.error("A source of an inbox failed", extra=said)
        except Exception as error:  # noqa: BLE001 - a defect of ours in one source must not end the others, nor the server
            said = {"inbox": name, "source": address, "error": type(error).__name__, "again_in_s": round(pause)}
            reach.told(told, type(error).__name__)
            log.error("A source of an inbox failed by a defect", extra=said)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, keeps no secret
        pause = min(2 * pause, LONGEST_PAUSE)


async def _tend(triage: TriageService, name: str) -> None:
    """Give out what waits as people come and go, and delete texts whose time is over."""
    loop = asyncio.get_running_loop()
    purged = 0.0
    while True:
        try:
            inbox = triage.inboxes.open(name)
            await asyncio.to_thread(inbox.tending.give_out)
            if loop.time() - purged >= PURGE_SECONDS:
                purged = loop.time()
                await asyncio.to_thread(inbox.purge)
        except RightsizedError as error:
            log.error("The queue of an inbox was not looked after", extra={"inbox": name, "error": error.own_words})
        except Exception as error:  # noqa: BLE001 - see _source
            log.error(
                "The queue of an inbox was not looked after", extra={"inbox": name, "error": type(error).__name__}
            )
        await asyncio.sleep(TEND_SECONDS)
