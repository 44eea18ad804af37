"""Messages from their source to their route, each exactly once.

The order, and why nothing is lost or done twice. (1) The message is put on the disk with its text: from now on it is
here, whatever happens to its source or to this process. (2) It is read: its decisions are on record. (3) What became
of it is put on the disk, together with the actions that are planned. (4) Its source is told. (5) The actions are
carried out, each under a token that stays the same however often it is tried. A process killed anywhere goes on from
the last of these that is on the disk: a message that was taken and not read is read at the next start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from rightsized.apps.triage.protocols import Arrival, Source
from rightsized.apps.triage.records import Handled
from rightsized.core.errors import RightsizedError

AT_ONCE = 4  # messages that are read at the same time
RETRIES = (0.2, 1.0, 5.0)  # seconds between the tries of a message where something is busy


class Outcome(Protocol):
    """Handles one arrival; `running` asks nothing else, so that a server elsewhere can be asked too."""

    async def process(self, arrival: Arrival, source: str, *, dry_run: bool) -> Handled | None:
        """What became of a message; None where it was handled before. Raises what may be tried again."""
        ...


async def run(
    source: Source, outcome: Outcome, *, dry_run: bool, wait: bool = False, limit: int = 0
) -> AsyncIterator[Handled]:
    """What becomes of each message of a source, in the order of arrival; several are read at once.

    Args:
        dry_run: the source is left as it is, and nothing is done.
        wait: go on for ever, as new messages come.
        limit: end after so many messages; 0: after the last.
    """
    going: deque[asyncio.Task[Handled | None]] = deque()
    arrivals = source.arrivals(wait=wait)
    seen = 0
    try:
        following = asyncio.ensure_future(anext(arrivals, None))
        while True:
            # Whichever comes first: another arrival, where there is room for one, or the end of the oldest.
            if len(going) < AT_ONCE:
                await asyncio.wait({following, *([going[0]] if going else [])}, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.wait({going[0]})
            while going and going[0].done():
                handled = going.popleft().result()
                if handled is not None:
                    yield handled
            if len(going) < AT_ONCE and following.done():
                arrival = following.result()
                if arrival is None or (limit and seen >= limit):
                    break
                seen += 1
                going.append(asyncio.ensure_future(_one(source, outcome, arrival, dry_run)))
                following = asyncio.ensure_future(anext(arrivals, None))
        while going:
            handled = await going.popleft()
            if handled is not None:
                yield handled
    finally:
        following.cancel()
        for task in going:
            task.cancel()
        await asyncio.gather(following, *going, return_exceptions=True)


async def _one(source: Source, outcome: Outcome, arrival: Arrival, dry_run: bool) -> Handled | None:
    for pause in (*RETRIES, None):
        try:
            handled = await outcome.process(arrival, source.name, dry_run=dry_run)
            break
        except RightsizedError as error:
            if pause is None or not error.retryable:
                raise
            await asyncio.sleep(pause)
    if not dry_run:
        await source.recorded(arrival)
    return handled
