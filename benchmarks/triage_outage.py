"""A helpdesk that is away for an hour: what is meant for it waits, and is done once. See `benchmarks.triage_faults`.

Zammad's stand-in on loopback, its source, desk, journal and store as they are; the hour passes on a clock of our own.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.triage_worker import NoTasks, handling
from rightsized.apps.triage.actions.carrying import LONGEST_PAUSE, Carrier
from rightsized.apps.triage.actions.journal import Journal
from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.running import run
from rightsized.apps.triage.zammad.desk import open_zammad_desk
from rightsized.core.egress import Egress
from tests.apps.triage.actions.standins import TOKEN, ZammadStandIn

SETTINGS = '[actions]\nenabled = true\ndesks = ["zammad"]\n[actions.options.zammad]\naddress = "zammad:{address}"\n'
RULES = """
[[rule]]
name = "all"
when = { sender = "*@example.com" }
then = { queue = "orders", labels = ["parcel"], note = "Look at the tracking first." }
"""
HOUR_S, LOOK_S = 3600.0, 20.0
NOTE = "Look at the tracking first."


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_796_000_000.0

    def __call__(self) -> float:
        return self.now


async def _taken(inbox: Inbox, zammad: ZammadStandIn) -> None:
    options = {"token_env": "DESK_TOKEN", "since": "2020-01-01"}
    source = inbox.source(f"zammad:{zammad.address}", options, Egress(), dry_run=False)
    try:
        async for _ in run(source, handling(inbox), dry_run=False):
            pass
    finally:
        await source.close()


async def _passed(folder: Path, zammad: ZammadStandIn, count: int) -> tuple[Inbox, int]:
    """The hour, and what follows. The inbox, and how often the helpdesk was asked in vain."""
    clock = Clock()
    inbox = Inbox("inbox", folder, NoTasks())
    desk = open_zammad_desk({"address": f"zammad:{zammad.address}", "token_env": "DESK_TOKEN"}, Egress())
    journal = Journal(inbox.store, "inbox", clock=clock)
    inbox.actions = journal
    carrier = Carrier(journal, inbox.store, [desk], clock=clock)
    for number in range(count):
        zammad.add_ticket(f"Order {number}", f"Ann <ann{number}@example.com>", "Where is it?")
    await _taken(inbox, zammad)
    zammad.away = True
    before = len(zammad.requests)
    until = clock.now + HOUR_S
    while clock.now < until:
        await carrier.round()
        clock.now += LOOK_S
    asked = len(zammad.requests) - before
    zammad.away = False
    for _ in range(200):
        await carrier.round()
        clock.now += LONGEST_PAUSE
        if not set(journal.counts()) - {"done", "failed"}:
            break
    return inbox, asked


def measure(folder: Path, count: int) -> dict[str, Any]:
    """What became of so many tickets: one counts as handled once where its tag and its note are there once."""
    os.environ["DESK_TOKEN"] = TOKEN
    folder.mkdir(parents=True, exist_ok=True)
    with ZammadStandIn() as zammad:
        (folder / "inbox.toml").write_text(SETTINGS.format(address=zammad.address), "utf-8")
        (folder / "rules.toml").write_text(RULES, "utf-8")
        inbox, asked = asyncio.run(_passed(folder, zammad, count))
        inbox.close()
        notes = Counter(one["ticket_id"] for one in zammad.posted if one["internal"] and NOTE in one["body"])
        tags = {ticket: Counter(found)["parcel"] for ticket, found in zammad.tagged.items()}
    made = [(notes[ticket], tags[ticket]) for ticket in tags]
    return {
        "tickets": count,
        "actions": 2 * count,
        "handled_once": made.count((1, 1)),
        "handled_twice": sum(1 for one in made if max(one) > 1),
        "lost": sum(1 for one in made if min(one) < 1),
        "requests_in_vain": asked,
    }


def main() -> int:
    given = harness.options("triage_outage", __doc__ or "")
    with tempfile.TemporaryDirectory(prefix="outage-") as folder:
        result = measure(Path(folder) / "inbox", 20 if given.quick else 200)
    line = (
        "{tickets} tickets: {handled_once} handled once, {handled_twice} twice, {lost} lost; {requests_in_vain} in vain"
    )
    return harness.finish(given, result, [line.format(**result)])


if __name__ == "__main__":
    raise SystemExit(main())
