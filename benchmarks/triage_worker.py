"""An inbox in a process that may be killed at any time: source, mail, store and marks are real; there are no tasks.

    python -m benchmarks.triage_worker FOLDER ADDRESS [--once] [NAME=VALUE ...]

Prints the key of each message once it is handled. What a killed process had taken and not read is read at the start,
as `rightsized triage run` does.
"""

from __future__ import annotations

import asyncio
import sys
import tomllib
from pathlib import Path
from typing import Any

from rightsized.apps.triage.composing import mail_of
from rightsized.apps.triage.handling import Handling
from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.reading.message import Asking
from rightsized.apps.triage.running import run
from rightsized.core.egress import Egress
from rightsized.core.generation import Caller
from rightsized.core.protocols import Answerer


class NoTasks:
    """A home without tasks. Implements `reading.tasks.Tasks`."""

    async def classify(self, task: str, text: str, **how: Any) -> Any:
        raise LookupError(task)

    def tasks(self) -> list[Any]:
        return []

    def recorded(self, inner: Answerer, version: str) -> Answerer:
        return inner


def handling(inbox: Inbox) -> Handling:
    """What handles the messages of an inbox, on nobody's behalf."""
    return Handling(inbox, lambda inbox: Asking(Caller(), "personal"), mail_of)


async def work(folder: Path, address: str, options: dict[str, Any], *, wait: bool) -> None:
    """Handle the messages at an address."""
    inbox = Inbox("inbox", folder, NoTasks())
    source = inbox.source(address, options, Egress(), dry_run=False)
    try:
        here = handling(inbox)
        for one in await here.resume():
            print(one.key, flush=True)
        async for one in run(source, here, dry_run=False, wait=wait):
            print(one.key, flush=True)
    finally:
        await source.close()
        inbox.close()


def main(arguments: list[str]) -> None:
    folder, address, *rest = arguments
    given = [one.partition("=") for one in rest if one != "--once"]
    options = tomllib.loads("\n".join(f"{name} = {value}" for name, _, value in given))
    asyncio.run(work(Path(folder), address, options, wait="--once" not in rest))


if __name__ == "__main__":
    main(sys.argv[1:])
