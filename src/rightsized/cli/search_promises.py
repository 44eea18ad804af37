"""`rightsized search promises`: what is promised of answers from documents, and how it has been kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rightsized.cli.commands import Common, Result
from rightsized.cli.search_opened import answering

if TYPE_CHECKING:
    from rightsized.core.config import Config
    from rightsized.tasks.records import MonitorStatus, PromiseStatus


def promises(options: Common) -> Result:
    """Show what is promised of answers, with the audits that watch it. A running server is asked."""
    from rightsized.store.home import Home
    from rightsized.tasks.remote import find_server

    config = options.settings()
    server = find_server(Home(config.home))
    found = server.promises() if server is not None else asyncio.run(_here(config))
    empty = "Nothing is promised of answers. To promise something: rightsized search calibrate COLLECTION --data FILE"
    return Result({"promises": found}, "\n".join(line for one in found for line in _told(one)) or empty)


async def _here(config: Config) -> list[PromiseStatus]:
    async with answering(config) as service:
        service.watch()
        return await service.promises()


def _told(one: PromiseStatus) -> list[str]:
    lines = [f"{one.task}: {one.state}"]
    lines += [f"Nothing is promised now: {one.note}."] if one.note else []
    lines.append(one.certificate.sentence)
    lines += _watched(one.monitor, one.state)
    if one.waiting:
        lines.append(f"{one.waiting:,} wait for a person: rightsized queue list --task {one.task}")
    return [*lines, ""]


def _watched(monitor: MonitorStatus | None, state: str) -> list[str]:
    if monitor is None:
        return [] if state == "suspended" else ["Nobody watches it: no decision is recorded, or no coin is thrown."]
    return [
        f"Audits: {monitor.audits:,} counted, {monitor.wrong:,} wrong, {monitor.waiting:,} wait; evidence "
        f"{monitor.e_value:.2f}, alarm at {monitor.alarm_at:.0f}."
        + (f" Were all that wait wrong: {monitor.if_waiting_wrong:.2f}." if monitor.waiting else "")
    ]
