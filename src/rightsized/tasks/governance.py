"""What governs requests, as events of the log: the policy in force, and the API keys with their roles.

The server notes a change within seconds of seeing it. What changed and came back between two looks is not seen, nor
what happened while no server ran; the state found afterwards is.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from rightsized.core.frozen import Frozen
from rightsized.guard.policy.store import PolicyStore
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.schema import EventKind, EventRow, decode_event
from rightsized.store.keys import ApiKey, KeyStore

NO_POLICY = "none"


class PolicyFact(Frozen, frozen=True):
    """The `detail` of a `policy` event, as JSON: the digest of the policy in force, `none` where there is none."""

    digest: str


class KeyFact(Frozen, frozen=True):
    """What a key may do; never the key. Times in seconds since the epoch."""

    id: str
    name: str
    tenant: str
    roles: tuple[str, ...]
    data_class: str | None
    principals: tuple[str, ...]
    expires: float
    revoked: float | None


class KeyFacts(Frozen, frozen=True):
    """The `detail` of a `keys` event, as JSON: keys that are new or may do something else now; ids of those gone."""

    changed: tuple[KeyFact, ...]
    gone: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What changed, for people."""
        told = [f"{one.name} ({', '.join(one.roles)}{', revoked' if one.revoked else ''})" for one in self.changed]
        return ", ".join([*told, *(f"{one} is gone" for one in self.gone)])


class Governance:
    """Compares what governs with what the log said last."""

    def __init__(self, ledger: SqliteLedger, policy: PolicyStore, keys: KeyStore) -> None:
        self._ledger, self._policy, self._keys = ledger, policy, keys
        self._digest = ""  # until the log was read
        self._known: dict[str, KeyFact] = {}

    async def note(self) -> None:
        """Note what changed. Raises what the log and the file of keys raise."""
        if not self._digest:
            self._digest, self._known = await asyncio.to_thread(self._last)
        current = self._policy.current
        digest = current.digest if current else NO_POLICY
        if digest != self._digest:
            await self._write("policy", PolicyFact(digest))
            self._digest = digest
        now = {key.id: fact(key) for key in self._keys.all()}
        if now != self._known:
            changed = tuple(one for one in now.values() if self._known.get(one.id) != one)
            await self._write("keys", KeyFacts(changed, tuple(sorted(set(self._known) - set(now)))))
            self._known = now

    async def _write(self, kind: EventKind, detail: Frozen) -> None:
        await self._ledger.note(EventRow(kind, "", "", time.time(), msgspec.json.encode(detail).decode()))

    def _last(self) -> tuple[str, dict[str, KeyFact]]:
        sql = "SELECT record FROM events WHERE kind = ? ORDER BY seq"
        query = self._ledger.reader.query
        policies = [decode_event(record).detail for (record,) in query(sql, ("policy",))]
        digest = msgspec.json.decode(policies[-1], type=PolicyFact).digest if policies else NO_POLICY
        known: dict[str, KeyFact] = {}
        for (record,) in query(sql, ("keys",)):
            facts = msgspec.json.decode(decode_event(record).detail, type=KeyFacts)
            known = {key: one for key, one in known.items() if key not in facts.gone}
            known |= {one.id: one for one in facts.changed}
        return digest, known


def fact(key: ApiKey) -> KeyFact:
    """What is noted of a key."""
    return KeyFact(key.id, key.name, key.tenant, key.roles, key.data_class, key.principals, key.expires, key.revoked)
