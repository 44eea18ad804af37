"""Actions of messages whose text was deleted: nothing more is done, and what was done stays without its words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rightsized.apps.triage.actions import Carrier
from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.protocols import Done
from rightsized.apps.triage.records import Action, Handled, Mail, Route
from rightsized.apps.triage.store import MessageStore
from rightsized.core.errors import InputError
from tests.apps.triage.triage_samples import FakeTasks, a_handled, a_mail

LABEL, FORWARD = Action("label", "parcel"), Action("forward", "ann@firm.example")


class Desk:
    """Implements `Desk`: everything works, and says the message's name."""

    name = "scripted"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def takes(self, action: Action) -> bool:
        return True

    async def carry_out(self, action: Action, mail: Mail, handled: Handled, token: str) -> Done:
        self.asked.append(action.kind)
        return Done(f"did it to {mail.key}", Action("label", f"undo of {mail.key}"))


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    folder = tmp_path / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "inbox.toml").write_text("[actions]\nenabled = true\n")
    made = Inbox("inbox", folder, FakeTasks({}))
    yield made
    made.close()


def routed(store: MessageStore) -> Handled:
    handled = a_handled("marked@x", route=Route("orders", True, "by a rule", actions=(LABEL, FORWARD)))
    store.take(a_mail("marked@x"), "s", "1", "sha")
    store.handled(handled, "routed", "made")
    return handled


async def test_what_was_planned_is_not_done_and_what_was_done_stays(inbox: Inbox) -> None:
    store, journal, desk = inbox.store, inbox.actions, Desk()
    handled = routed(store)
    inbox.plan(handled)
    journal.finish(journal.begin(journal.next()[0], "scripted"), "did it to marked@x", Action("label", "marked@x"))
    store.forget(["marked@x"], "kim")
    assert await Carrier(journal, store, [desk]).round() == 0
    assert desk.asked == []
    assert sorted((one.action.kind, one.state, one.detail, one.undo) for one in journal.all()) == [
        ("forward", "failed", "", None),
        ("label", "done", "", None),
    ]
    with pytest.raises(InputError, match="cannot be undone"):
        journal.undo(journal.all("done")[0].token, "kim")
    inbox.plan(handled)  # read before it was forgotten, kept after
    assert len(journal.all()) == 2
    assert all(b"marked@x" not in one.read_bytes() for one in store.path.parent.iterdir())


async def test_an_action_that_was_picked_before_is_not_sent_without_its_message(inbox: Inbox) -> None:
    store, journal, desk = inbox.store, inbox.actions, Desk()
    inbox.plan(routed(store))
    store.forget(["marked@x"], "kim")
    failed = journal.all("failed")[-1]
    journal.retry(failed.token, "kim")
    assert await Carrier(journal, store, [desk]).round() == 1
    assert desk.asked == []
    assert journal.get(failed.token).detail == "the text of its message was deleted"
