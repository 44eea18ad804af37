"""An inbox in a process that may be killed at any time: source, mail, store and marks are real; there are no tasks.

Processes are forked off a server that has everything loaded, so that a start costs little. What a killed process had
taken and not read is read at the start, as `rightsized triage run` does.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Mapping
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

_context = multiprocessing.get_context("forkserver")


class NoTasks:
    """A home without tasks. Implements `reading.tasks.Tasks`."""

    async def classify(self, task: str, text: str, **how: Any) -> Any:
        raise LookupError(task)

    def tasks(self) -> list[Any]:
        return []

    def open_encoder(self, name: str) -> Any:
        raise LookupError(name)

    def recorded(self, inner: Answerer, version: str) -> Answerer:
        return inner


def handling(inbox: Inbox) -> Handling:
    """What handles the messages of an inbox, on nobody's behalf."""
    return Handling(inbox, lambda inbox, dry_run: Asking(Caller(), "personal"), mail_of)


async def work(
    folder: Path, address: str, options: Mapping[str, Any], tell: Callable[[str], None], *, wait: bool
) -> None:
    """Handle the messages at an address; `tell` is given the key of each once it is handled."""
    inbox = Inbox("inbox", folder, NoTasks())
    source = inbox.source(address, options, Egress(), dry_run=False)
    try:
        here = handling(inbox)
        for one in await here.resume():
            tell(one.key)
        async for one in run(source, here, dry_run=False, wait=wait):
            tell(one.key)
    finally:
        await source.close()
        inbox.close()


class Worker:
    """A process that works on an inbox until it is done or killed."""

    def __init__(self, folder: Path, address: str, options: Mapping[str, Any], *, wait: bool) -> None:
        _context.set_forkserver_preload([__name__])
        self._told, telling = _context.Pipe(duplex=False)
        given = (telling, folder, address, dict(options), wait, dict(os.environ))
        self._process = _context.Process(target=_child, args=given, daemon=True)
        self._process.start()
        telling.close()

    def told(self, most: int = 1_000_000) -> list[str]:
        """Keys of messages handled, as they come: so many, or all until the process ends."""
        keys: list[str] = []
        try:
            while len(keys) < most:
                keys.append(self._told.recv())
        except EOFError:
            pass
        return keys

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def end(self) -> int | None:
        """Wait for its end; its exit status, negative for a signal."""
        self._process.join(60)
        status = self._process.exitcode
        self._told.close()
        self._process.close()
        return status


def _child(telling: Any, folder: Path, address: str, options: Any, wait: bool, environment: dict[str, str]) -> None:
    os.environ.update(environment)  # the server that forks has that of its own start
    asyncio.run(work(folder, address, options, telling.send, wait=wait))
