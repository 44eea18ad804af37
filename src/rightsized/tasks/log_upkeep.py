"""What a server does for its log beside answering: texts whose time is over, erasures, checkpoints to the sinks, and
what the egress journal holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from rightsized.core.config import Config
from rightsized.core.egress import JOURNAL, Egress
from rightsized.guard.policy.store import PolicyStore
from rightsized.ledger import journal
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.publish import Publisher
from rightsized.ledger.sinks import open_sink
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore
from rightsized.tasks.background import Background
from rightsized.tasks.governance import Governance

RETENTION_S = 3600.0  # how often old texts are deleted
ERASURE_S = 2.0  # how soon the log says that a key was destroyed
GOVERNANCE_S = 2.0  # how soon the log says that another policy or key is in force
CHECKPOINT_S = 300.0  # how often the newest checkpoint is kept, so that a log at rest is known to the sinks too
PUBLISH_S = 5.0  # how often kept checkpoints go to the sinks
DAY_S = 86_400.0
SEALING = "Putting the egress journal into the log"


class LogUpkeep:
    """The loops of one open log. Raises ConfigError where a sink's address cannot be.

    Args:
        aside: remembers what fails; the loop goes on.
    """

    def __init__(self, config: Config, ledger: SqliteLedger, aside: Background, policy: PolicyStore) -> None:
        self._kept = config.record
        self._governance = Governance(ledger, policy, KeyStore(Home(config.home)))
        self._journal = Path(config.home) / JOURNAL
        self._ledger = ledger
        self._aside = aside
        egress = Egress.at(config.home, config.egress.allow)
        self.publisher = Publisher(ledger, [open_sink(address, egress) for address in config.ledger.sinks])

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """Work without end, each to be run as a task."""
        found = [
            self._every(RETENTION_S, "Deleting texts whose time is over", self._delete_old),
            self._every(ERASURE_S, "Saying in the log that a key was destroyed", self._ledger.log_erasures),
            self._every(GOVERNANCE_S, "Noting what governs requests", self._governance.note),
            self._every(CHECKPOINT_S, SEALING, self.seal_journal),
            self._every(CHECKPOINT_S, "Keeping a checkpoint", self._ledger.keep_checkpoint),
        ]
        if self.publisher.sinks:
            found.append(self._every(PUBLISH_S, "Sending checkpoints to the sinks", self.publisher.publish))
        return found

    async def seal_journal(self) -> None:
        """Put what the egress journal holds by now under the log's signature. Raises IntegrityError: it was altered."""
        known = await asyncio.to_thread(journal.seals, self._ledger.reader.query)
        for seal in await asyncio.to_thread(journal.grown, self._journal, known):
            await self._ledger.note(journal.event(seal, time.time()))

    async def last_words(self) -> None:
        """What must still be done before the log is closed."""
        await self._aside.attempt(SEALING, self.seal_journal())

    async def _delete_old(self) -> None:
        now = time.time()
        kept = self._kept
        await self._ledger.purge_texts(now - kept.text_days * DAY_S, now - kept.labelled_text_days * DAY_S)

    async def _every(self, seconds: float, what: str, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            await self._aside.attempt(what, work())
            await asyncio.sleep(seconds)
