"""Hands kept checkpoints to the sinks, each at its own pace, and never in the way of an answer.

What is still to be sent follows from the file: kept checkpoints that the sink does not have. So nothing is lost by a
restart or while a sink is away; one that fails is tried again, ever less often. How far each sink is, and what a
witness cosigned, stands in the file too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from msgspec import structs

from rightsized.core.errors import RightsizedError
from rightsized.core.frozen import Frozen
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.notes import parse_checkpoint
from rightsized.ledger.schema import Query
from rightsized.ledger.sinks import Sink
from rightsized.ledger.tree import StoredTree

log = logging.getLogger("rightsized.ledger")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 600.0  # between tries of a sink that fails; doubled each time
MOST_AT_ONCE = 100  # checkpoints sent to one sink before others have their turn

_PENDING = """SELECT c.note FROM checkpoints c WHERE c.size > coalesce((SELECT size FROM published WHERE sink = ?), 0)
    ORDER BY c.size"""
_STATUS = """SELECT coalesce(p.size, 0), p.at, count(c.size), min(c.created)
    FROM (SELECT max(size) AS size, max(at) AS at FROM published WHERE sink = ?) p
    LEFT JOIN checkpoints c ON c.size > coalesce(p.size, 0)"""


class SinkStatus(Frozen, frozen=True):
    """How far a sink is. Times in seconds since the epoch.

    Args:
        sink: its address.
        size: entries that it knows of.
        waiting: checkpoints still to be sent; `waiting_since`: when the oldest of them was made.
        failures: tries in a row that failed; `error`: why the last one did, empty where it did not.
        last: when a checkpoint reached it last; None: never.
    """

    sink: str
    size: int
    waiting: int
    failures: int
    error: str
    last: float | None = None
    waiting_since: float | None = None


def sink_status(query: Query, sinks: Sequence[str]) -> tuple[SinkStatus, ...]:
    """How far sinks are, by the log's file alone: it knows what waits, and not why."""
    found = []
    for sink in sinks:
        ((size, last, waiting, since),) = query(_STATUS, (sink,))
        found.append(SinkStatus(sink, size, waiting, 0, "", last, since))
    return tuple(found)


class Publisher:
    """Sends to several sinks.

    Args:
        ledger: the log, open for writing.
        clock: seconds on a clock that never goes back.
    """

    def __init__(
        self, ledger: SqliteLedger, sinks: Sequence[Sink], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self.sinks = sinks
        self._clock = clock
        self._tree = {sink.name: StoredTree(ledger.reader.query) for sink in sinks}
        self._failed: dict[str, tuple[int, float, str]] = {}  # failures in a row, when to try again, why

    async def publish(self) -> None:
        """Send what is due to every sink; one that fails or hangs holds up no other."""
        await asyncio.gather(*(self._serve(sink) for sink in self.sinks))

    def status(self) -> list[SinkStatus]:
        """How far each sink is."""
        found = []
        for known in sink_status(self._ledger.reader.query, [sink.name for sink in self.sinks]):
            failures, _, why = self._failed.get(known.sink, (0, 0.0, ""))
            found.append(structs.replace(known, failures=failures, error=why))
        return found

    async def _serve(self, sink: Sink) -> None:
        failures, not_before, _ = self._failed.get(sink.name, (0, 0.0, ""))
        if self._clock() < not_before:
            return
        try:
            await self._send_pending(sink)
        except (RightsizedError, OSError) as error:
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures, 30))
            why = error.message if isinstance(error, RightsizedError) else f"{type(error).__name__}: {error}"
            if self._failed.get(sink.name, (0, 0.0, ""))[2] != why:  # said once a reason
                log.error(
                    "Checkpoints do not reach a sink; it is tried again", extra={"sink": sink.name, "reason": why}
                )
            self._failed[sink.name] = (failures + 1, self._clock() + pause, why)
        else:
            if self._failed.pop(sink.name, None) is not None:
                log.info("Checkpoints reach the sink again", extra={"sink": sink.name})

    async def _send_pending(self, sink: Sink) -> None:
        notes = [note for (note,) in await asyncio.to_thread(self._ledger.reader.query, _PENDING, (sink.name,))]
        for note in notes[-1:] if sink.newest_only else notes[:MOST_AT_ONCE]:
            checkpoint = parse_checkpoint(note)
            sent = self._sent(sink)
            lines = await asyncio.to_thread(sink.send, checkpoint, self._tree[sink.name], sent)
            await self._ledger.mark_published(sink.name, checkpoint.size, lines)

    def _sent(self, sink: Sink) -> int:
        rows = self._ledger.reader.query("SELECT size FROM published WHERE sink = ?", (sink.name,))
        return int(rows[0][0]) if rows else 0
