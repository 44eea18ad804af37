"""A tier's label beside the task's own decision: what people say goes to the task, and blind looks stay blind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rightsized.apps.triage import writers
from rightsized.apps.triage.inboxes import Inboxes
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.reading.message import Asking
from rightsized.apps.triage.records import Handled
from rightsized.apps.triage.service import TriageService
from rightsized.apps.triage.writers import writer_of
from rightsized.core.config import AuditConfig, Config, EgressConfig
from rightsized.core.errors import ConfigError
from rightsized.core.generation import LOADING, Caller, EngineStatus
from rightsized.core.tiers import TierConfig
from rightsized.ledger.log import SqliteLedger
from rightsized.store.home import Home
from rightsized.tasks.gateway import LocalGateway
from rightsized.tasks.service import LocalService
from rightsized.tasks.writing import FakeTextWriter, GatewayWriter, Prompt
from tests.apps.triage.triage_samples import FakeTasks, a_mail, a_reader, a_reply

SMALL = TierConfig("small", "fake", options={"answer": '{"label": "delivery"}'})
UNSURE = "Hello? Anyone?"  # nothing that the task could be sure of


@asynccontextmanager
async def taken(home: Path, *, audits: float) -> AsyncIterator[tuple[TriageService, LocalService, list[Handled]]]:
    """An inbox with two messages that the task is not sure of, and that the tier calls `delivery`."""
    config = Config(home=str(home), audit=AuditConfig(rate=audits), tiers=(SMALL,))
    folder = home / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "inbox.toml").write_text('[tasks]\ndepartment = "support"\n[escalate]\ntier = "small"\n')
    async with LocalService(config, purpose="test", record=True, gateway=True) as service:
        triage = TriageService(config, service)
        try:
            mails = [a_mail(key, UNSURE, subject="", thread=key) for key in ("m1", "m2")]
            found = [await triage.process("inbox", Arrival(one.key, mail=one), "t:", dry_run=False) for one in mails]
            yield triage, service, [one for one in found if one is not None]
        finally:
            triage.close()


async def test_what_a_person_says_labels_the_tasks_own_decision(copied_home: Path) -> None:
    async with taken(copied_home, audits=0.0) as (triage, service, handled):
        for number, label in ((1, "delivery"), (2, "returns")):
            whole = handled[number - 1]
            given = whole.labels["department"]
            assert (given.labels, given.certified, whole.tier) == (("delivery",), False, 0)
            assert given.next_tier is not None
            assert service.decision(given.decision).task == "support"
            assert service.decision(given.next_tier.decision).task == "chat"
            assert given.decision in [item.decision for item in service.queue("support", 10)]
            if label == "delivery":
                await triage.step("inbox", number, "accept", "anna")
            else:
                await triage.step("inbox", number, "correct", "anna", role="department", value=label)
            assert [one.label for one in service.labels_of(given.decision)] == [label]
            reply = service.decision(whole.decision).reply
            assert reply is not None
            cited = [one.reason for one in reply.attempts]
            assert cited == [f"decision {given.decision}", f"decision {given.next_tier.decision}"]
        assert service.queue("support", 10) == []


async def test_an_audit_sees_nothing_of_what_the_tier_said(copied_home: Path) -> None:
    async with taken(copied_home, audits=1.0) as (triage, _, handled):
        assert handled[0].labels["department"].labels == ("delivery",)
        shown = triage.show("inbox", 1)
        assert shown.blind == ("department",)
        assert shown.kept.handled is not None
        hidden = shown.kept.handled.labels["department"]
        assert (hidden.labels, hidden.suggested, hidden.next_tier) == ((), (), None)
        assert "delivery" not in str(shown.kept.handled)


async def test_a_tier_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    home = tmp_path / "home"
    inbox = Inboxes(Home(home), FakeTasks({})).open("inbox", new=True)
    gateway = LocalGateway(Config(home=str(home), tiers=(SMALL,)))
    assert writer_of(None, inbox, "", Caller()) is None
    assert writer_of(gateway, inbox, "auto", Caller()) is not None
    with pytest.raises(ConfigError, match="'smal', which is no tier that chats") as error:
        writer_of(gateway, inbox, "smal", Caller())
    assert "Tiers here: small." in str(error.value)
    with pytest.raises(ConfigError, match="Tiers here: none"):
        writer_of(None, inbox, "small", Caller())
    inbox.close()


class Loading:
    """A gateway whose tier is as the statuses say, one at each look; the last stays."""

    def __init__(self, *statuses: EngineStatus) -> None:
        self.left = list(statuses)

    def status(self) -> dict[str, EngineStatus]:
        return {"small": self.left.pop(0) if len(self.left) > 1 else self.left[0]}


@pytest.mark.parametrize("tier", ["small", "auto"])
@pytest.mark.parametrize(
    "then",
    [
        EngineStatus(True),
        EngineStatus(False, detail="its model cannot be read"),
        EngineStatus(False, 0, LOADING, starts=2),
    ],
)
async def test_messages_wait_for_a_model_that_is_loaded_and_not_for_one_that_crashed(
    tier: str, then: EngineStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "LOOK_SECONDS", 0.001)
    loading = EngineStatus(False, detail=LOADING, starts=1)
    gateway = Loading(loading, loading, loading, then)
    inner = FakeTextWriter(["said"])
    text = await writers.LoadedWriter(inner, gateway, tier).write(Prompt("", ""))  # type: ignore[arg-type]  # of a gateway only what is asked here
    assert (text.text, gateway.left) == ("said", [then])


async def test_a_tier_that_may_not_read_the_message_is_not_asked_and_that_is_on_record(tmp_path: Path) -> None:
    away = TierConfig("away", url="https://models.example/v1", model="m", data_classes=("public",))
    config = Config(home=str(tmp_path), tiers=(away,), egress=EgressConfig(allow=("models.example",)))
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    gateway = LocalGateway(config, ledger)
    tasks = FakeTasks({"support": lambda text: a_reply("support", None)})
    asking = Asking(Caller(), "personal", GatewayWriter(gateway, Caller(), "personal", "away"))
    handled = await a_reader(tasks).read(a_mail(), "test:", [], asking)
    label = handled.labels["support"]
    assert (label.status, label.labels) == ("abstained", ())
    assert label.next_tier is not None
    assert "personal" in label.next_tier.reason
    refused = ledger.reader.get(label.next_tier.decision)
    assert refused is not None
    assert (refused.phase, refused.data_class) == ("failed", "personal")
    assert not [one.destination for one in refused.attempts or () if one.destination]
    await gateway.close()
    ledger.close()
