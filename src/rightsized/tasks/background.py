"""Work that a process does beside its requests, again and again: whatever happens, the next time must still come.

A failure is said in the log when it begins, when its reason changes, and when it is over; not each time between.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from rightsized.core.errors import RightsizedError

log = logging.getLogger("rightsized.background")


class Background:
    """Remembers which work fails and why."""

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}

    async def attempt(self, what: str, work: Awaitable[object]) -> None:
        """Do one piece of work. `what` names it in the log, such as "Looking for new versions"."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - see above: a mistake here must not end the watch over a promise
            self._failed(what, error)
        else:
            if self._failing.pop(what, None) is not None:
                log.info("%s works again", what)

    def _failed(self, what: str, error: Exception) -> None:
        ours = isinstance(error, RightsizedError)
        reason = error.own_words if isinstance(error, RightsizedError) else type(error).__name__
        if self._failing.get(what) != reason:
            self._failing[what] = reason
            log.error("%s failed", what, extra={"reason": reason}, exc_info=None if ours else error)
