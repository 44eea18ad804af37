"""Triage over real tasks: one pass of the encoder, decisions on record, audits that stay blind."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.records import Handled
from rightsized.apps.triage.service import HIDDEN, TriageService
from rightsized.apps.triage.store.likeness import vectors_of
from rightsized.apps.triage.store.records import Waits
from rightsized.core.config import AuditConfig, Config
from rightsized.core.errors import InputError, NotFoundError
from rightsized.engines.onnx import OnnxEncoder
from rightsized.ledger.find import Wanted
from rightsized.tasks.finding import awaits_blind_look
from rightsized.tasks.service import LocalService
from tests.apps.triage.triage_samples import a_mail

LATE = "Hello, my parcel with the tent was due on Monday and the tracking has not moved since. Where is it?"
NOTHING = "asdf qwer"  # no task is sure of it
VAGUE = "Regarding yesterday: yes, as discussed, the second one."


@asynccontextmanager
async def opened(home: Path, audited: float = 0.0) -> AsyncIterator[tuple[TriageService, LocalService]]:
    config = Config(home=str(home), audit=AuditConfig(rate=audited))
    async with LocalService(config, purpose="test", record=True) as service:
        triage = TriageService(config, service)
        triage.inboxes.open("inbox", new=True)
        yield triage, service
        triage.close()


async def handle(triage: TriageService, key: str, body: str) -> Handled:
    handled = await triage.process("inbox", Arrival(key, mail=a_mail(key, body, subject="")), "test:", dry_run=False)
    assert handled is not None
    return handled


async def test_all_tasks_of_a_message_share_one_pass_of_the_encoder(
    copied_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(copied_home) as (triage, _):  # which scores the reference texts of each task
        passes: list[int] = []
        real = OnnxEncoder.run
        monkeypatch.setattr(OnnxEncoder, "run", lambda self, tokens: passes.append(1) or real(self, tokens))
        handled = await handle(triage, "m1", VAGUE)
        assert set(handled.labels) == {"support", "tone"}
        assert len(passes) == 1
        store = triage.inboxes.open("inbox").store
        (encoder, vector) = vectors_of(store, ["m1"])["m1"]  # what that pass made is kept, for what is like it
        made = (await triage._service.encoder("minilm")).encode_now(VAGUE)
        assert encoder == (await triage._service.encoder("minilm")).digest
        assert float(vector @ made.vector) == pytest.approx(1, abs=1e-3)


async def test_a_message_is_one_decision_and_each_label_another(copied_home: Path) -> None:
    async with opened(copied_home) as (triage, service):
        handled = await handle(triage, "m1", LATE)
        whole = service.decision(handled.decision)
        assert whole.task == "triage/inbox"
        assert whole.reply is not None
        assert whole.reply.label == handled.route.queue
        assert {one.rung for one in whole.reply.attempts} == {"support", "tone"}
        label = handled.labels["support"]
        assert (label.labels, label.certified) == (("delivery",), True)
        own = service.decision(label.decision)
        assert own.conversation == whole.conversation == triage.inboxes.open("inbox").store.names.of("m1")
        assert own.subject == whole.subject == "anna@example.com"  # sealed under her key
        assert own.reply is not None
        assert own.reply.confidence == label.confidence


async def test_corrections_become_labels_that_train(copied_home: Path) -> None:
    async with opened(copied_home) as (triage, service):
        await handle(triage, "m1", LATE)
        (kept,) = triage.waiting("inbox", Waits(status=None))
        await triage.step("inbox", kept.number, "correct", "bob", role="support", value="orders")
        label = kept.handled.labels["support"] if kept.handled else None
        assert label is not None
        (review,) = service.labels_of(label.decision)
        assert (review.label, review.reviewer, review.kind) == ("orders", "bob", "feedback")
        with pytest.raises(InputError, match="No task 'mood'"):
            await triage.step("inbox", kept.number, "correct", "bob", role="mood", value="angry")
        with pytest.raises(NotFoundError):
            await triage.step("inbox", 99, "done", "bob")


async def test_accepting_gives_the_labels_that_wait(copied_home: Path) -> None:
    async with opened(copied_home) as (triage, service):
        handled = await handle(triage, "m1", NOTHING)
        abstained = [one for one in handled.labels.values() if one.status == "abstained"]
        assert abstained
        (kept,) = triage.waiting("inbox", Waits())
        after = await triage.step("inbox", kept.number, "accept", "bob")
        assert after.status == "routed"
        for one in abstained:
            (review,) = service.labels_of(one.decision)
            assert (review.label, review.kind) == (one.suggested[0].label, "abstained")


async def test_steps_leave_events(copied_home: Path) -> None:
    async with opened(copied_home) as (triage, _):
        await handle(triage, "m1", LATE)
        (kept,) = triage.waiting("inbox", Waits(status=None))
        await triage.step("inbox", kept.number, "assign", "bob", value="anna")
        await triage.step("inbox", kept.number, "done", "anna")
        await triage.step("inbox", kept.number, "reopen", "anna", value="not so")
        shown = triage.show("inbox", kept.number)
        assert [one.what for one in shown.events] == ["taken", "handled", "assigned", "done", "reopened"]
        assert (shown.kept.assignee, shown.kept.status) == ("anna", "waiting")
        with pytest.raises(InputError, match="Nobody is named"):
            await triage.step("inbox", kept.number, "assign", "bob", value=" ")


async def test_an_audit_is_labelled_blind(copied_home: Path) -> None:
    async with opened(copied_home, 1.0) as (triage, service):
        await handle(triage, "m1", LATE)
        (kept,) = triage.waiting("inbox", Waits(status=None))
        assert kept.handled is not None
        assert kept.queue == HIDDEN
        assert all(not one.labels and not one.suggested for one in kept.handled.labels.values())
        assert triage.show("inbox", kept.number).blind == ("support", "tone")
        await triage.step("inbox", kept.number, "accept", "bob")  # takes no suggestion of an audit over
        assert not service.labels_of(kept.handled.labels["support"].decision)
        for role, label in (("support", "delivery"), ("tone", "worried")):
            await triage.step("inbox", kept.number, "correct", "bob", role=role, value=label)
        (review,) = service.labels_of(kept.handled.labels["support"].decision)
        assert review.kind == "audit"
        assert triage.show("inbox", kept.number).blind == ()


async def test_nothing_beside_an_audited_message_tells_what_was_said_of_it(copied_home: Path) -> None:
    async with opened(copied_home, 1.0) as (triage, service):
        await handle(triage, "m1", LATE)
        reply = a_mail("m2", VAGUE, thread="m1", subject="")
        await triage.process("inbox", Arrival("m2", mail=reply), "test:", dry_run=False)
        first, second = sorted(triage.waiting("inbox", Waits(status=None)), key=lambda one: one.number)
        beside = triage.show("inbox", second.number).thread[0]
        assert (beside.key, beside.queue) == ("m1", HIDDEN)
        assert beside.handled is not None
        assert not beside.handled.labels["support"].labels
        await triage.step("inbox", first.number, "accept", "bob")
        accepted = next(one for one in triage.show("inbox", first.number).events if one.what == "accepted")
        assert accepted.detail == HIDDEN
        whole = service.decision(first.handled.decision if first.handled else "")
        assert awaits_blind_look(whole, service.record.blind)
        assert whole.id in (await service.record.find(Wanted(task="triage/inbox"), 10)).blind
        assert triage.waiting("inbox", Waits(status=None, queue="delivery")) == []
        await triage.step("inbox", first.number, "done", "bob")
        other = a_mail("m3", LATE, subject="")
        await triage.process("inbox", Arrival("m3", mail=other), "test:", dry_run=False)
        third = next(one for one in triage.waiting("inbox", Waits(status=None)) if one.key == "m3")
        (like, *_) = await triage.similar("inbox", third)
        assert (like.kept.key, like.kept.queue) == ("m1", HIDDEN)
        for role, label in (("support", "delivery"), ("tone", "worried")):
            await triage.step("inbox", first.number, "correct", "bob", role=role, value=label)
        assert next(one for one in triage.show("inbox", first.number).events if one.what == "accepted").detail
        assert triage.show("inbox", second.number).thread[0].queue == "delivery"
        assert not awaits_blind_look(whole, service.record.blind)


DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PEOPLE = (
    "[hours]\n"
    + "".join(f'{day} = ["00:00-24:00"]\n' for day in DAYS)
    + '[[person]]\nname = "kim"\nqueues = ["delivery"]\n'
)


async def test_no_list_total_person_or_filter_tells_where_an_audited_message_went(copied_home: Path) -> None:
    async with opened(copied_home, 1.0) as (triage, service):
        inbox = triage.inboxes.open("inbox")
        (inbox.folder / "desk.toml").write_text(PEOPLE)
        await handle(triage, "m1", LATE)
        queue = inbox.store.get("m1").queue
        for status in (None, "routed", "waiting"):
            wanted = Waits(status, queue, limit=1)  # type: ignore[arg-type]  # words of the type
            assert (triage.waiting("inbox", wanted), triage.count("inbox", wanted)) == ([], 0)
        assert triage.count("inbox", Waits(None)) == 1
        (kept,) = triage.waiting("inbox", Waits(None))
        await triage.step("inbox", kept.number, "reopen", "bob")
        assert inbox.tending.give_out() == 0  # whoever got it would know
        assert triage.waiting("inbox", Waits())[0].assignee == ""
        inbox.store.update("m1", "rightsized", "assigned", "a rule", assignee=kept_route(inbox, "dora"))
        assert triage.waiting("inbox", Waits(None))[0].assignee == ""
        assert (triage.waiting("inbox", Waits(assignee="dora")), triage.count("inbox", Waits(assignee="dora"))) == (
            [],
            0,
        )
        task = Wanted(task="support", label="delivery")
        assert (await service.record.find(task, 10)).decisions == ()
        assert len((await service.record.find(task, 10, blind_too=True)).decisions) == 1
        assert len((await service.record.find(Wanted(task="support"), 10)).decisions) == 1
        for role, label in (("support", "delivery"), ("tone", "worried")):
            await triage.step("inbox", kept.number, "correct", "bob", role=role, value=label)
        assert triage.count("inbox", Waits(None, inbox.store.get("m1").queue)) == 1
        assert len((await service.record.find(task, 10)).decisions) == 1
        assert inbox.audited() == set()


def kept_route(inbox: Inbox, assignee: str) -> str:
    """The message as if its rule had named somebody."""
    handled = inbox.store.get("m1").handled
    assert handled is not None
    route = msgspec.structs.replace(handled.route, assignee=assignee)
    inbox.store.handled(msgspec.structs.replace(handled, route=route), "waiting", "made")
    return assignee


async def test_a_message_whose_task_was_removed_can_still_be_accepted(copied_home: Path) -> None:
    async with opened(copied_home) as (triage, _):
        await handle(triage, "m1", NOTHING)
    shutil.rmtree(copied_home / "tasks" / "support")
    async with opened(copied_home) as (triage, service):
        (kept,) = triage.waiting("inbox", Waits())
        assert (await triage.step("inbox", kept.number, "accept", "bob")).status == "routed"
        assert kept.handled is not None
        assert not service.labels_of(kept.handled.labels["support"].decision)
