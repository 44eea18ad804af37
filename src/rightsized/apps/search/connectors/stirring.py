"""Says when something may have changed at any of several sources. Reads and syncs nothing.

Sources that can be watched are; the others, and those whose watch has ended, are due after a time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any

from rightsized.apps.search.protocols import Connector
from rightsized.core.errors import MissingExtraError

_log = logging.getLogger(__name__)


class Stirring:
    """Watches sources in a thread of its own; a context, so that the thread ends with it.

    Changes are kept from one `wait` to the next: what happens while a sync runs is not missed.
    """

    def __init__(self, connectors: Sequence[Connector]) -> None:
        self._watched = [(one.source, one.watch) for one in connectors if hasattr(one, "watch")]
        self._stirred, self._ended = threading.Event(), threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._all: asyncio.Task[None] | None = None

    def __enter__(self) -> Stirring:
        self._all = self._loop.create_task(self._watch())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._thread.join()
        self._loop.close()

    def wait(self, seconds: float) -> bool:
        """Until something stirs, or so many seconds have gone by; False where `end` was called."""
        self._stirred.wait(seconds)
        self._stirred.clear()
        return not self._ended.is_set()

    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended.is_set()

    def end(self) -> None:
        """Let whoever waits go on, for good. May be called by a handler of signals."""
        if not self._ended.is_set():
            self._ended.set()
            self._stirred.set()
            self._loop.call_soon_threadsafe(lambda: self._all.cancel() if self._all else None)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._all or asyncio.sleep(0))
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())

    async def _watch(self) -> None:
        await asyncio.gather(*(self._follow(source, watch()) for source, watch in self._watched))

    async def _follow(self, source: str, changes: AsyncIterator[Any]) -> None:
        try:
            async for _ in changes:
                self._stirred.set()
        except (OSError, RuntimeError, MissingExtraError) as error:
            _log.warning("%s is not watched any more, and only looked at from time to time: %s", source, error)
