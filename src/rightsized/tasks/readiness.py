"""Whether decisions can be recorded now: found out by writing, not by what was true at the start.

A server that cannot record must not answer, so it should be sent nothing. Writing is tried at most once a second,
however often it is asked: whoever may ask for no key may not keep the disk busy.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from rightsized.core.errors import RightsizedError

log = logging.getLogger("rightsized.ledger")
KNOWN_S = 1.0  # how long what was found out is taken to hold
PATIENCE_S = 5.0  # a disk that takes no write for so long takes none


class Probed(Protocol):
    """A log that can be tried."""

    async def probe(self) -> None:
        """Write and take back. Raises DiskFullError, StoreError."""
        ...


class WriteCheck:
    """Tries a log and remembers what came of it.

    Args:
        patience: seconds after which a write that has not ended has failed.
        clock: seconds, monotonic.
    """

    def __init__(
        self, ledger: Probed, *, patience: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger, self._patience, self._clock = ledger, patience, clock
        self._trouble, self._at = "", -KNOWN_S
        self._one_at_a_time = asyncio.Lock()

    async def trouble(self) -> str:
        """Why decisions cannot be recorded, in words; empty where they can."""
        async with self._one_at_a_time:
            if self._clock() - self._at >= KNOWN_S:
                self._note(await self._try())
                self._at = self._clock()
        return self._trouble

    async def _try(self) -> str:
        try:
            async with asyncio.timeout(self._patience):
                await self._ledger.probe()
        except TimeoutError:
            return f"The log has taken nothing for {self._patience:g} seconds. Look at its disk."
        except RightsizedError as error:
            return str(error)
        return ""

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.error("Decisions cannot be recorded", extra={"reason": trouble})
        elif self._trouble and not trouble:
            log.info("Decisions can be recorded again")
        self._trouble = trouble
