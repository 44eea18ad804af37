"""Headers are the sender's word: nobody gets into a conversation by naming it, and nobody is kept out of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.mail.authentication import FIELD
from rightsized.apps.triage.mail.threads import STRANGER
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.records import Address, Mail, Span
from tests.apps.triage.test_running import handling
from tests.apps.triage.triage_samples import FakeTasks, a_mail

ANNA, EVE = Address("anna@example.com"), Address("eve@example.net")
SUPPORT = Address("support@fernhill.example")


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    folder = tmp_path / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "inbox.toml").write_text('domains = ["fernhill.example"]\n')
    one = Inbox("inbox", folder, FakeTasks({}))
    yield one
    one.close()


def take(inbox: Inbox, key: str, sender: Address, **changes: Any) -> Mail:
    body = changes.pop("body", f"words of {key}")
    first = (*changes.get("references", ()), changes.get("in_reply_to", ""), key)
    given: dict[str, Any] = {
        "subject": "Pump P200", "to": (SUPPORT,), "message_id": key, "received": 1_000.0,
        "fresh": (Span(0, len(body)),), "thread": next(filter(None, first)), **changes,
    }  # fmt: skip
    mail = inbox.settle(Mail(key, body=body, sender=sender, **given))
    inbox.store.take(mail, "s", key, "")
    return mail


def test_a_stranger_does_not_join_by_in_reply_to(inbox: Inbox) -> None:
    first = take(inbox, "a1@x", ANNA)
    stolen = take(inbox, "e1@x", EVE, in_reply_to="a1@x", references=("a1@x",))
    assert (first.thread, stolen.thread) == ("a1@x", "e1@x")
    assert STRANGER in stolen.notes
    assert [one.key for one in inbox.store.thread("a1@x")] == ["a1@x"]
    assert take(inbox, "e2@x", EVE, in_reply_to="e1@x", references=("a1@x", "e1@x")).thread == "e1@x"


def test_an_answer_that_would_go_to_a_stranger_does_not_join(inbox: Inbox) -> None:
    take(inbox, "a1@x", ANNA)
    assert take(inbox, "a3@x", ANNA, subject="Re: Pump P200", thread="", reply_to=(EVE,)).thread == "a3@x"
    assert take(inbox, "a2@x", ANNA, in_reply_to="a1@x", reply_to=(EVE,)).thread == "a2@x"


def test_a_name_that_a_stranger_used_before_does_not_pull_its_owner_in(inbox: Inbox) -> None:
    waits = take(inbox, "e1@x", EVE, references=("a1@x",))  # before the message that it names has come
    first = take(inbox, "a1@x", ANNA)
    second = take(inbox, "a2@x", ANNA, in_reply_to="a1@x", references=("a1@x",))
    assert waits.thread == "a1@x"
    assert first.thread == second.thread
    assert {one.key for one in inbox.store.thread(first.thread)} == {"a1@x", "a2@x"}


def test_a_message_id_used_again_by_somebody_else_loses_neither(inbox: Inbox) -> None:
    take(inbox, "a1@x", EVE, body="first under that name")
    second = take(inbox, "a1@x", ANNA, body="the owner's")
    assert inbox.store.get(second.key).mail == second
    assert {one.key for one in inbox.store.thread(second.thread)} == {second.key}


def test_who_takes_part_and_our_own_side_join(inbox: Inbox) -> None:
    bob, kim = Address("bob@example.com"), Address("kim@fernhill.example")
    take(inbox, "a1@x", ANNA, cc=(bob,))
    for key, sender in (("b1@x", bob), ("k1@x", kim), ("a2@x", ANNA)):
        mail = take(inbox, key, sender, in_reply_to="a1@x", references=("a1@x",))
        assert (mail.thread, mail.notes) == ("a1@x", ())


def test_our_own_domain_is_no_way_in_where_the_mail_server_knows_better(inbox: Inbox) -> None:
    kim = Address("boss@fernhill.example")
    take(inbox, "a1@x", ANNA)
    forged = {FIELD: "mx.fernhill.example; spf=fail smtp.mailfrom=evil.example"}
    thrown = take(inbox, "f1@x", kim, in_reply_to="a1@x", cc=(EVE,), headers=forged)
    assert (thrown.thread, thrown.notes) == ("f1@x", (STRANGER,))
    assert take(inbox, "e1@x", EVE, in_reply_to="a1@x").thread == "e1@x"
    vouched = take(inbox, "k1@x", kim, in_reply_to="a1@x", headers=forged, authenticated=True)
    assert vouched.thread == take(inbox, "k2@x", kim, in_reply_to="a1@x").thread == "a1@x"


async def test_a_forged_answer_of_ours_ends_nothing(inbox: Inbox) -> None:
    forged = {FIELD: "mx.fernhill.example; dmarc=fail header.from=fernhill.example"}
    kim = Address("kim@fernhill.example")

    async def process(key: str, sender: Address, **changes: Any) -> str:
        mail = a_mail(key, sender=sender, to=(SUPPORT,), **changes)
        await handling(inbox).process(Arrival(key, mail=mail), "s", dry_run=False)
        return inbox.store.get("a1@x").status

    assert await process("a1@x", ANNA) == "waiting"
    assert await process("f1@x", kim, in_reply_to="a1@x", headers=forged) == "waiting"
    assert await process("k1@x", kim, in_reply_to="a1@x") == "done"
