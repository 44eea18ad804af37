"""A Record with a policy, one tier elsewhere and two sinks, of which one has been away for a week."""

from __future__ import annotations

from rightsized.core.errors import NotFoundError, StoreError
from rightsized.core.types import Decision
from rightsized.ledger.find import Wanted
from rightsized.ledger.prove import FORMAT, Proof, ProvenEntry
from rightsized.ledger.publish import SinkStatus
from rightsized.tasks.accesses import Access
from rightsized.tasks.acts import Act
from rightsized.tasks.finding import Found
from rightsized.tasks.leaving import Leaving, MayGo, Opened, Sent
from rightsized.tasks.record_views import KeyChange, PolicyView, Purged, RecordStatus

NOW = 1_795_000_000.0  # 2026-11-18
WEEK = 7 * 86_400.0
KEY = "rightsized.invalid/log-1+824fc962+AX3k"
NOTE = "rightsized.invalid/log-1\n48210\nmFh0wC2a2oDq6l0zv1Qvbb4rO7m3kKxu1TtqV4m2m1k=\ntime 1795000000\n\n\u2014 x y\n"
SINKS = (
    SinkStatus("file:/mnt/audit/checkpoints.txt", 48_210, 0, 0, "", NOW, None),
    SinkStatus("https://witness.example/w", 31_000, 2016, 412, "It did not answer.", NOW - WEEK, NOW - WEEK + 300),
)
POLICY = {
    "digest": "sha256:" + "ab" * 32,
    "flows": [
        {"id": "public-to-eu", "effect": "allow", "data_classes": ["public"], "tiers": [], "on_premises": None,
         "reason": "contract 17"},
    ],
    "outputs": [{"id": "advice", "check": "disclaimer", "text": "No <b>advice</b>.", "on_fail": "change",
                 "reason": ""}],
}  # fmt: skip


class FakeRecord:
    """Implements `rightsized.tasks.record_views.Record`. `off`: nothing is recorded."""

    def __init__(self) -> None:
        self.off, self.problem, self.asked = False, "", list[object]()
        self.looked = list[Access]()
        self.found: tuple[Decision, ...] = ()
        self.waiting: set[str] = set()  # for a blind look

    def status(self) -> RecordStatus:
        if self.off:
            raise StoreError("Decisions are not recorded here.", fix="Set record.enabled = true.")
        return RecordStatus(48_210, NOTE, (KEY,), SINKS, 30.0, 365.0)

    def policy(self) -> PolicyView:
        return PolicyView(
            "/srv/home/policy.toml", str(POLICY["digest"]), self.problem, "secret", "auto", {**POLICY, "requests": []}
        )

    async def leaving(self, days: int) -> Leaving:
        self.asked.append(days)
        may = MayGo("api.example.eu", "cloud", ("public",), ("[egress] allow", "allow public: public-to-eu"))
        sent = Sent("cloud", "api.example.eu", "public", 22, NOW - 9000, NOW - 60, "d0000001")
        opened = Opened("api.example.eu", "The tier 'cloud'", 3, NOW - 9000, NOW - 60, None, ())
        return Leaving((may, MayGo("pypi", "", (), ("pip",), "only then")), (sent,), (opened,), "egress.jsonl", "")

    async def proof(self, decision_id: str) -> Proof:
        if decision_id == "none":
            raise NotFoundError(f"There is no decision {decision_id!r} in this log.")
        return Proof(FORMAT, "inclusion", KEY, (), NOTE, (ProvenEntry(1, "starts", "{}", ("AA==",)),))

    async def find(self, wanted: Wanted, limit: int, *, blind_too: bool = False) -> Found:
        self.asked.append(wanted)
        return Found(self.found[:limit], tuple(one.id for one in self.found if one.id in self.waiting))

    def blind(self, decision_id: str) -> bool:
        return decision_id in self.waiting

    async def note(self, one: Access) -> None:
        if self.off:
            raise StoreError("Decisions are not recorded here.", fix="Set record.enabled = true.")
        self.looked.append(one)

    async def acted(self, one: Act) -> None:
        self.asked.append(one)

    async def rotate_key(self) -> KeyChange:
        self.asked.append("rotate")
        return KeyChange(KEY, NOTE)

    async def purge(self) -> Purged:
        self.asked.append("purge")
        return Purged(12)
