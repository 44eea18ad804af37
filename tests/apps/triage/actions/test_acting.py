"""Actions beside a server and beside a command: by the settings as they are, stopped without loss."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from rightsized.apps.triage import acting
from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.records import Action, Route
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError
from tests.apps.triage.triage_samples import FakeTasks, a_handled, a_mail, a_reply

ON = "[actions]\nenabled = true\n"
NOTE, FORWARD = Action("note", "", "Look at the tracking."), Action("forward", "a@b.example")


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    one = Inbox("inbox", tmp_path, FakeTasks({"support": lambda text: a_reply("support", "delivery")}))
    yield one
    one.close()


def routed(inbox: Inbox, key: str, *actions: Action, automatic: bool = True) -> Any:
    handled = replace(a_handled(key), route=Route("orders", automatic, "a rule", "r", actions=actions))
    inbox.store.take(a_mail(key), "fake:", key, "")
    with inbox.store.writing():
        inbox.store.handled(handled, "routed" if automatic else "waiting", "made")
        inbox.plan(handled)
    return handled


async def until(inbox: Inbox, wanted: dict[str, int]) -> None:
    async with asyncio.timeout(20):
        while inbox.actions.counts() != wanted:  # noqa: ASYNC110 - what is waited for is on a disk
            await asyncio.sleep(0.01)


def switch_on(inbox: Inbox) -> None:
    (inbox.folder / "inbox.toml").write_text(ON, "utf-8")
    assert inbox.reader is not None  # read by the new settings, as the next message is


async def test_a_server_takes_up_settings_as_they_change(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(acting, "BROKEN_SECONDS", 0.01)
    working = asyncio.ensure_future(acting.act(inbox, Egress()))
    routed(inbox, "m1", NOTE)
    await until(inbox, {"off": 1})
    switch_on(inbox)
    routed(inbox, "m2", NOTE)
    await until(inbox, {"off": 1, "done": 1})
    (inbox.folder / "inbox.toml").write_text(ON + 'desks = ["nobody"]\n', "utf-8")
    await asyncio.sleep(0.1)
    assert not working.done()  # said in the log, and looked at again
    switch_on(inbox)
    routed(inbox, "m3", NOTE)
    await until(inbox, {"off": 1, "done": 2})
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


async def test_a_command_does_what_is_due_before_it_ends(inbox: Inbox) -> None:
    switch_on(inbox)
    async with acting.acting(inbox, Egress()):
        for number in range(3):
            routed(inbox, f"m{number}", NOTE, FORWARD)
    assert inbox.actions.counts() == {"done": 3, "failed": 3}  # nobody forwards here
    assert {inbox.store.get(f"m{number}").status for number in range(3)} == {"waiting"}


async def test_a_system_that_cannot_be_opened_is_said_at_once(inbox: Inbox) -> None:
    (inbox.folder / "inbox.toml").write_text(ON + 'desks = ["smtp"]\n', "utf-8")
    with pytest.raises(ConfigError, match="has no host"):
        async with acting.acting(inbox, Egress()):
            pass


def test_what_waits_for_a_person_is_planned_when_somebody_accepts(inbox: Inbox) -> None:
    switch_on(inbox)
    handled = routed(inbox, "m1", NOTE, automatic=False)
    assert inbox.actions.counts() == {}
    inbox.plan(handled, accepted=True)
    assert inbox.actions.counts() == {"planned": 1}


async def test_what_no_system_takes_is_found_before_any_message_fails_by_it(inbox: Inbox) -> None:
    (inbox.folder / "rules.toml").write_text('[[rule]]\nname = "all"\nthen = { queue = "q", labels = ["x"] }\n')
    async with acting.acting(inbox, Egress()):  # only shown, while actions are switched off
        routed(inbox, "m1", Action("label", "x"))
    switch_on(inbox)
    with pytest.raises(ConfigError, match="The rule 'all' asks for label, which no system") as refused:
        async with acting.acting(inbox, Egress()):
            pass
    assert "[actions] desks" in refused.value.fix
    assert inbox.actions.counts() == {"off": 1}
