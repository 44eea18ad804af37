"""The record of the home that this process writes to: how it stands, what binds it, and what only its writer may do."""

from __future__ import annotations

import asyncio
import time

import msgspec

from rightsized.core.config import Config
from rightsized.core.errors import StoreError
from rightsized.guard.policy.store import PolicyStore
from rightsized.ledger.find import Wanted
from rightsized.ledger.head import stored_chain
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.prove import Proof, Prover
from rightsized.ledger.publish import Publisher
from rightsized.tasks.accesses import Access, event
from rightsized.tasks.acts import Act, act_event
from rightsized.tasks.finding import Found, found
from rightsized.tasks.leaving import Leaving, leaving
from rightsized.tasks.record_views import KeyChange, PolicyView, Purged, RecordStatus

DAY_S = 86_400.0


class HomeRecord:
    """Implements `record_views.Record`.

    Args:
        ledger: None where nothing is recorded here.
        publisher: sends checkpoints to the sinks.
    """

    def __init__(
        self, config: Config, policy: PolicyStore, ledger: SqliteLedger | None, publisher: Publisher | None
    ) -> None:
        self._config, self._policy, self._ledger, self._publisher = config, policy, ledger, publisher

    def status(self) -> RecordStatus:
        """See `record_views.Record`."""
        ledger, kept = self._writer(), self._config.record
        chain = stored_chain(ledger.reader.query)
        return RecordStatus(
            entries=ledger.reader.query("SELECT size FROM head")[0][0],
            checkpoint=ledger.checkpoint,
            keys=tuple(map(str, chain.keys)) if chain else (),
            sinks=tuple(self._publisher.status()) if self._publisher else (),
            text_days=kept.text_days,
            labelled_text_days=max(kept.labelled_text_days, kept.text_days),
        )

    def policy(self) -> PolicyView:
        """See `record_views.Record`."""
        store = self._policy
        current = store.current
        return PolicyView(
            path=str(store.path),
            digest=current.digest if current else "",
            problem=store.problem,
            undeclared=store.undeclared,
            detect=self._config.guard.detect,
            policy=msgspec.to_builtins(current) if current else {},
        )

    async def leaving(self, days: int) -> Leaving:
        """See `record_views.Record`. Reads the decisions of that time, aside."""
        return await asyncio.to_thread(leaving, self._config, time.time() - days * DAY_S if days else 0.0)

    async def proof(self, decision_id: str) -> Proof:
        """See `record_views.Record`."""
        reader = self._writer().reader
        return await asyncio.to_thread(lambda: Prover(reader).decision(decision_id))

    async def find(self, wanted: Wanted, limit: int, *, blind_too: bool = False) -> Found:
        """See `record_views.Record`."""
        return await asyncio.to_thread(found, self._writer().path, wanted, limit, blind_too=blind_too)

    def blind(self, decision_id: str) -> bool:
        """See `record_views.Record`."""
        sql = "SELECT 1 FROM waiting WHERE decision = ? AND kind = 'audit'"
        return bool(self._writer().reader.query(sql, (decision_id,)))

    async def note(self, one: Access) -> None:
        """See `record_views.Record`."""
        await self._writer().note(event(one, time.time()))

    async def acted(self, one: Act) -> None:
        """See `record_views.Record`."""
        await self._writer().note(act_event(one, time.time()))

    async def rotate_key(self) -> KeyChange:
        """See `record_views.Record`."""
        ledger = self._writer()
        return KeyChange(await ledger.rotate_key(), ledger.checkpoint)

    async def purge(self) -> Purged:
        """See `record_views.Record`."""
        now, kept = time.time(), self._config.record
        limits = (now - kept.text_days * DAY_S, now - kept.labelled_text_days * DAY_S)
        return Purged(await self._writer().purge_texts(*limits))

    def _writer(self) -> SqliteLedger:
        if self._ledger is None:
            raise StoreError("Decisions are not recorded here.", fix="Set record.enabled = true.")
        return self._ledger
