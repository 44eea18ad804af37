"""The journal and what carries it out: once, in order, again after outages and crashes, and back where it can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from rightsized.apps.triage.actions import Carrier, Journal, carrying
from rightsized.apps.triage.actions.carrying import LONGEST_PAUSE
from rightsized.apps.triage.actions.here import HereDesk
from rightsized.apps.triage.actions.journal import token_of
from rightsized.apps.triage.protocols import Done
from rightsized.apps.triage.records import Action, Handled, Mail, Route
from rightsized.apps.triage.store import MessageStore
from rightsized.core.errors import ConfigError, InputError, NotFoundError, UpstreamError
from tests.apps.triage.triage_samples import a_handled, a_mail

LABEL, NOTE, CLOSE = Action("label", "parcel"), Action("note", "", "Look at the tracking."), Action("close", "")


class Clock:
    def __init__(self) -> None:
        self.now = 10_000.0

    def __call__(self) -> float:
        return self.now


class ScriptedDesk:
    """Takes everything and remembers it; `broken` is raised while it is set. Implements `Desk`."""

    name = "scripted"

    def __init__(self) -> None:
        self.asked: list[tuple[str, Action, str]] = []
        self.broken: BaseException | None = None
        self.refused: set[str] = set()  # kinds

    def takes(self, action: Action) -> bool:
        return action.kind != "webhook"

    async def carry_out(self, action: Action, mail: Mail, handled: Handled, token: str) -> Done:
        if self.broken is not None:
            raise self.broken
        if action.kind in self.refused:
            raise InputError(f"No {action.kind} here.")
        self.asked.append((handled.key, action, token))
        return Done("as asked", Action("label", action.value, "remove") if action.kind == "label" else None)

    def kinds(self) -> list[str]:
        return [action.kind for _, action, _ in self.asked]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[MessageStore]:
    one = MessageStore(tmp_path, clock=clock)
    yield one
    one.close()


@pytest.fixture
def journal(store: MessageStore, clock: Clock) -> Journal:
    return Journal(store, "support", clock=clock)


@pytest.fixture
def desk() -> ScriptedDesk:
    return ScriptedDesk()


@pytest.fixture
def carrier(journal: Journal, store: MessageStore, desk: ScriptedDesk, clock: Clock) -> Carrier:
    return Carrier(journal, store, [desk], clock=clock)


def kept(store: MessageStore, *actions: Action, key: str = "m1") -> Handled:
    """A message in the store, routed with these actions."""
    handled = replace(a_handled(key), route=Route("orders", True, "a rule", "r", actions=actions))
    store.take(a_mail(key), "fake:", key, "")
    store.handled(handled, "routed", "made")
    return handled


async def test_actions_are_carried_out_once_and_in_order(
    store: MessageStore, journal: Journal, carrier: Carrier, desk: ScriptedDesk
) -> None:
    handled = kept(store, LABEL, NOTE, CLOSE)
    assert journal.plan(handled, off=False) == 3
    assert journal.plan(handled, off=False) == 0
    assert await carrier.round() == 3
    assert await carrier.round() == 0
    assert desk.kinds() == ["label", "note", "close"]
    assert [token for _, _, token in desk.asked] == [
        token_of("support", store.names.of("m1"), one) for one in (LABEL, NOTE, CLOSE)
    ]
    assert journal.counts() == {"done": 3}
    assert next(one.detail for one in store.events("m1") if one.what == "action") == "done: label parcel: as asked"


async def test_dry_actions_are_shown_and_not_carried_out(
    store: MessageStore, journal: Journal, carrier: Carrier, desk: ScriptedDesk
) -> None:
    handled = kept(store, LABEL)
    journal.plan(handled, off=True)
    assert await carrier.round() == 0
    assert [one.state for one in journal.all(key="m1")] == ["off"]
    journal.plan(handled, off=False)  # switched on, and the message was accepted or read again
    assert await carrier.round() == 1
    journal.plan(handled, off=True)
    assert [one.state for one in journal.all("done")] == ["done"]
    assert desk.kinds() == ["label"]


def test_a_plan_is_part_of_the_transaction_that_is_open(store: MessageStore, journal: Journal) -> None:
    handled = kept(store, LABEL)
    with pytest.raises(RuntimeError), store.writing():
        journal.plan(handled, off=False)
        raise RuntimeError
    assert journal.counts() == {}


async def test_a_process_that_ended_in_between_asks_again_under_the_same_token(
    store: MessageStore, journal: Journal, carrier: Carrier, desk: ScriptedDesk, clock: Clock
) -> None:
    journal.plan(kept(store, LABEL), off=False)
    desk.broken = KeyboardInterrupt()  # as a process that is killed: nothing is written after it
    with pytest.raises(KeyboardInterrupt):
        await carrier.round()
    assert [one.state for one in journal.all()] == ["doing"]
    desk.broken = None
    assert await Carrier(journal, store, [desk], clock=clock).round() == 1
    assert [token for _, _, token in desk.asked] == [token_of("support", store.names.of("m1"), LABEL)]
    assert journal.all()[0].tries == 2


async def test_an_outage_of_an_hour_loses_nothing_and_doubles_nothing(
    store: MessageStore, journal: Journal, carrier: Carrier, desk: ScriptedDesk, clock: Clock
) -> None:
    desk.broken = UpstreamError("The helpdesk is away.")
    start, tries, arrived = clock.now, 0, 0
    while clock.now < start + 3600:
        if arrived < 20:
            journal.plan(kept(store, LABEL, CLOSE, key=f"m{arrived}"), off=False)
            arrived += 1
        assert await carrier.round() == 0
        tries += 1
        clock.now += 30.0
    desk.broken = None
    asked = sum(one.tries for one in journal.all(limit=200))
    assert asked <= 30  # the desk is left alone: it was not asked for each of 20 messages at each of 120 looks
    for _ in range(40):
        clock.now += LONGEST_PAUSE / 20
        await carrier.round()
    assert journal.counts() == {"done": 40}
    assert len(desk.asked) == len({token for _, _, token in desk.asked}) == 40
    for number in range(20):
        assert [one.kind for key, one, _ in desk.asked if key == f"m{number}"] == ["label", "close"]


async def test_what_will_never_work_waits_for_a_person_and_is_not_closed(
    store: MessageStore, journal: Journal, carrier: Carrier, desk: ScriptedDesk
) -> None:
    desk.refused = {"note"}
    journal.plan(kept(store, LABEL, NOTE, CLOSE), off=False)
    assert await carrier.round() == 3
    assert [(one.action.kind, one.state) for one in reversed(journal.all())] == [
        ("label", "done"),
        ("note", "failed"),
        ("close", "failed"),
    ]
    assert store.get("m1").status == "waiting"
    desk.refused = set()
    journal.retry(journal.all("failed")[-1].token, "anna")
    assert await carrier.round() == 1
    assert desk.kinds() == ["label", "note"]


async def test_settings_that_are_wrong_are_waited_for(
    store: MessageStore,
    journal: Journal,
    carrier: Carrier,
    desk: ScriptedDesk,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(carrying, "MOST_TRIES", 10)
    desk.broken = ConfigError("The token is gone.")
    journal.plan(kept(store, LABEL), off=False)
    await carrier.round()
    assert [(one.state, one.detail) for one in journal.all()] == [("doing", "The token is gone.")]
    for _ in range(10):
        clock.now += LONGEST_PAUSE
        await carrier.round()
    assert [(one.state, one.tries) for one in journal.all()] == [("failed", 10)]


async def test_undo(store: MessageStore, journal: Journal, carrier: Carrier, desk: ScriptedDesk, clock: Clock) -> None:
    journal.plan(kept(store, LABEL, NOTE), off=False)
    await carrier.round()
    label, note = reversed(journal.all())
    with pytest.raises(InputError, match="cannot take it back"):
        journal.undo(note.token, "anna")
    journal.undo(str(label.number), "anna")
    desk.broken = UpstreamError("away")
    assert await carrier.round() == 0
    desk.broken = None
    clock.now += LONGEST_PAUSE
    assert await carrier.round() == 1
    assert desk.asked[-1] == ("m1", Action("label", "parcel", "remove"), f"undo-{label.token}")
    assert journal.get(label.token).state == "undone"
    assert [one.by for one in store.events("m1") if one.detail == "undo: label parcel"] == ["anna"]
    with pytest.raises(InputError, match="it is undone"):
        journal.undo(label.token, "anna")
    with pytest.raises(NotFoundError):
        journal.undo("99", "anna")


async def test_a_person_a_note_and_an_end_need_no_other_system(
    store: MessageStore, journal: Journal, clock: Clock
) -> None:
    journal.plan(kept(store, Action("assign", "Anna"), NOTE, CLOSE), off=False)
    carrier = Carrier(journal, store, [HereDesk()], clock=clock)
    assert await carrier.round() == 3
    assert [one.detail for one in reversed(journal.all())] == ["given to Anna", "Look at the tracking.", "finished"]
    assert store.get("m1").status == "done"
    journal.undo(journal.all()[0].token, "anna")
    assert await carrier.round() == 1
    assert store.get("m1").status == "waiting"


async def test_switched_off_only_what_was_done_is_undone(
    store: MessageStore, journal: Journal, desk: ScriptedDesk, clock: Clock
) -> None:
    journal.plan(kept(store, LABEL), off=False)
    await Carrier(journal, store, [desk], clock=clock).round()
    journal.plan(kept(store, LABEL, key="m2"), off=False)
    off = Carrier(journal, store, [desk], undo_only=True, clock=clock)
    assert await off.round() == 0
    journal.undo("1", "anna")
    assert await off.round() == 1
    assert journal.counts() == {"planned": 1, "undone": 1}


async def test_what_nothing_takes_fails_with_what_to_do(
    store: MessageStore, journal: Journal, carrier: Carrier
) -> None:
    journal.plan(kept(store, Action("webhook", "orders")), off=False)
    assert await carrier.round() == 1
    assert "no system here takes webhook; name one in [actions] desks" in journal.all("failed")[0].detail


async def test_a_desk_with_a_defect_stops_nobody_else(
    store: MessageStore, journal: Journal, desk: ScriptedDesk, carrier: Carrier
) -> None:
    journal.plan(kept(store, LABEL), off=False)
    desk.broken = ZeroDivisionError()
    assert await carrier.round() == 1
    assert journal.all("failed")[0].detail == "ZeroDivisionError in scripted"


def test_tokens_differ_by_inbox_message_and_action() -> None:
    made = {
        token_of(*one)
        for one in (
            ("a", "m", LABEL),
            ("b", "m", LABEL),
            ("a", "n", LABEL),
            ("a", "m", NOTE),
            ("a", "m", Action("label", "par", "cel")),
        )
    }
    assert len(made) == 5
