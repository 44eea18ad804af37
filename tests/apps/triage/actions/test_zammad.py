"""Zammad: tickets as messages, and actions on them, each once, whatever breaks in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from rightsized.apps.triage.inbox import Context, open_source
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.records import Action, Handled, Mail
from rightsized.apps.triage.zammad.desk import ZammadDesk, open_zammad_desk
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, EgressDeniedError, InputError, UpstreamError
from tests.apps.triage.actions.standins import TOKEN, ZammadStandIn
from tests.apps.triage.triage_samples import a_handled, a_mail

OLD = {"token_env": "DESK_TOKEN", "since": "2020-01-01", "poll_s": 0.01}


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_TOKEN", TOKEN)


@pytest.fixture(scope="module")
def server() -> Iterator[ZammadStandIn]:
    with ZammadStandIn() as one:
        yield one


@pytest.fixture
def zammad(server: ZammadStandIn) -> ZammadStandIn:
    """The helpdesk, empty again."""
    for kept in (server.tickets, server.posted, server.tagged, server.requests):
        kept.clear()
    server.away = False
    return server


class Memory:
    """What a store remembers of a source."""

    def __init__(self) -> None:
        self.places: set[str] = set()
        self.cursor = ""

    def context(self, egress: Egress | None = None) -> Context:
        return Context(
            egress=egress or Egress(),
            seen=lambda _, place: place in self.places,
            cursor=lambda _: self.cursor,
            keep_cursor=lambda _, value: setattr(self, "cursor", value),
        )


async def taken(zammad: ZammadStandIn, memory: Memory, **options: Any) -> list[Arrival]:
    """What a source hands over in one look; all of it is put on record."""
    source = open_source(f"zammad:{zammad.address}", {**OLD, **options}, memory.context())
    found = [one async for one in source.arrivals(wait=False)]
    for one in found:
        memory.places.add(one.place)
        await source.recorded(one)
    return found


def desk(zammad: ZammadStandIn) -> ZammadDesk:
    return open_zammad_desk({"address": f"zammad:{zammad.address}", "token_env": "DESK_TOKEN"}, Egress())


async def test_customers_articles_come_once_and_notes_do_not(zammad: ZammadStandIn) -> None:
    ticket = zammad.add_ticket(
        "Order 4711", "Anna <anna@example.com>", "<p>Where is it?</p>", message_id="<a@x.example>"
    )
    zammad.add_article(ticket, "Chris", "Internal.", internal=True, sender="Agent", type="note")
    zammad.add_article(ticket, "System", "Escalated.", sender="System", type="note")
    zammad.add_article(ticket, "Shop <help@example.com>", "It is on its way.", sender="Agent")
    memory = Memory()
    question, answer = await taken(zammad, memory)
    assert question.mail is not None
    assert (question.mail.key, question.mail.message_id) == ("a@x.example", "a@x.example")
    assert (question.mail.sender.address, question.mail.written) == ("anna@example.com", "Where is it?")
    assert question.mail.subject == "Order 4711"
    assert answer.mail is not None
    assert answer.mail.key == f"zammad:127.0.0.1/{4}"
    assert answer.mail.thread == question.mail.thread
    assert await taken(zammad, memory) == []
    zammad.add_article(ticket, "Anna <anna@example.com>", "Thank you.")
    (third,) = await taken(zammad, memory)
    assert third.mail is not None and third.mail.written == "Thank you."


async def test_what_was_not_recorded_comes_again(zammad: ZammadStandIn) -> None:
    for number in range(3):
        zammad.add_ticket(f"Ticket {number}", "anna@example.com", "Hello")
    memory = Memory()
    source = open_source(f"zammad:{zammad.address}", OLD, memory.context())
    found = [one async for one in source.arrivals(wait=False)]
    for one in (found[0], found[2]):
        memory.places.add(one.place)
        await source.recorded(one)
    assert memory.cursor == zammad.tickets[2]["updated_at"]
    assert [one.place for one in await taken(zammad, memory)] == ["2/2"]
    assert memory.cursor == zammad.tickets[3]["updated_at"]


async def test_more_tickets_than_a_page_and_a_helpdesk_that_comes_back(zammad: ZammadStandIn) -> None:
    for number in range(230):
        zammad.add_ticket(f"Ticket {number}", "anna@example.com", "Hello")
    zammad.away = True
    source = open_source(f"zammad:{zammad.address}", OLD, Memory().context())
    with pytest.raises(UpstreamError, match="answered 503"):
        await anext(aiter(source.arrivals(wait=False)))
    waiting = source.arrivals(wait=True)
    first = asyncio.ensure_future(anext(waiting))
    await asyncio.sleep(0.1)
    assert not first.done()
    zammad.away = False
    found = [await first, *[await anext(waiting) for _ in range(229)]]
    assert len({one.place for one in found}) == 230
    await waiting.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_a_hostile_article_is_text(zammad: ZammadStandIn) -> None:
    files = [{"id": 1, "filename": "a.pdf", "size": "1200", "preferences": {"Mime-Type": "application/pdf"}}]
    body = "<script>alert(1)</script><img src='http://tracker.example/x.png'>" + "<b>" * 50 + "Help"
    zammad.add_ticket(
        "x\n\x00y", '"><Eve" <eve@example.com>', body, attachments=files, type="web", content_type="text/html"
    )
    (one,) = await taken(zammad, Memory())
    assert one.mail is not None
    assert one.mail.written == "Help"
    assert [(file.name, file.media_type, file.size) for file in one.mail.attachments] == [
        ("a.pdf", "application/pdf", 1200)
    ]


ACTIONS = (
    Action("label", "parcel"),
    Action("assign", "chris@example.com"),
    Action("note", "", "Look at the tracking."),
    Action("move", "Orders"),
    Action("close", ""),
)


async def message(zammad: ZammadStandIn) -> tuple[Mail, Handled]:
    zammad.add_ticket("Order 4711", "anna@example.com", "Where is it?", message_id="<a@x.example>")
    (one,) = await taken(zammad, Memory())
    assert one.mail is not None
    return one.mail, a_handled(one.mail.key, source=f"zammad:{zammad.address}", thread=one.mail.thread)


async def test_each_action_twice_changes_once_and_back(zammad: ZammadStandIn) -> None:
    mail, handled = await message(zammad)
    before, system = dict(zammad.tickets[1]), desk(zammad)
    undone = []
    for action in ACTIONS:
        done = await system.carry_out(action, mail, handled, f"t-{action.kind}")
        undone.append(done.undo)
        await system.carry_out(action, mail, handled, f"t-{action.kind}")
    ticket = zammad.tickets[1]
    assert (ticket["owner"], ticket["group"], ticket["state"]) == ("chris@example.com", "Orders", "closed")
    assert zammad.tagged[1] == ["parcel"]
    notes = [one for one in zammad.posted if one["internal"]]
    assert [(one["body"], one["content_type"], one["type"]) for one in notes] == [
        ("Look at the tracking.", "text/plain", "note")
    ]
    for undo in reversed(undone):
        if undo is not None:
            await system.carry_out(undo, mail, handled, "undo")
            await system.carry_out(undo, mail, handled, "undo")
    assert {**zammad.tickets[1], "updated_at": ""} == {**before, "updated_at": ""}
    assert zammad.tagged[1] == []


async def test_what_somebody_changed_meanwhile_is_not_undone(zammad: ZammadStandIn) -> None:
    mail, handled = await message(zammad)
    done = await desk(zammad).carry_out(ACTIONS[1], mail, handled, "t")
    assert done.undo is not None
    zammad.tickets[1]["owner"] = "dana@example.com"
    with pytest.raises(InputError, match="somebody has changed it"):
        await desk(zammad).carry_out(done.undo, mail, handled, "undo")
    assert zammad.tickets[1]["owner"] == "dana@example.com"


async def test_a_message_that_came_another_way_is_found_by_its_id(zammad: ZammadStandIn) -> None:
    zammad.add_ticket("Another", "eve@example.com", "No", message_id="<a@xy.example>")
    zammad.add_ticket("Mine", "anna@example.com", "Yes", message_id="<a@x.example>")
    mail = a_mail("a@x.example", message_id="a@x.example")
    # A thread is what a mail says of itself: it names no ticket of a helpdesk where it did not come from there.
    handled = a_handled(mail.key, source="imap:", thread="zammad-ticket:1@127.0.0.1")
    await desk(zammad).carry_out(ACTIONS[0], mail, handled, "t")
    assert zammad.tagged == {1: [], 2: ["parcel"]}
    with pytest.raises(InputError, match="has no ticket"):
        await desk(zammad).carry_out(ACTIONS[0], replace(mail, message_id="b@x.example"), handled, "t")
    with pytest.raises(InputError, match="no Message-ID"):
        await desk(zammad).carry_out(ACTIONS[0], replace(mail, message_id='a" OR *'), handled, "t")


async def test_refusals(zammad: ZammadStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    mail, handled = await message(zammad)
    with pytest.raises(InputError, match="No lookup value found for 'owner'"):
        await desk(zammad).carry_out(Action("assign", "nobody@example.com"), mail, handled, "t")
    zammad.away = True
    with pytest.raises(UpstreamError, match="answered 503"):
        await desk(zammad).carry_out(ACTIONS[0], mail, handled, "t")
    zammad.away = False
    monkeypatch.setenv("DESK_TOKEN", "wrong-secret")
    with pytest.raises(ConfigError, match=r"answered 401") as refused:
        await desk(zammad).carry_out(ACTIONS[0], mail, handled, "t")
    assert "wrong-secret" not in str(refused.value)
    monkeypatch.delenv("DESK_TOKEN")
    with pytest.raises(ConfigError, match="DESK_TOKEN"):
        await desk(zammad).carry_out(ACTIONS[0], mail, handled, "t")


def test_addresses_and_leave() -> None:
    with pytest.raises(ConfigError, match="plain text"):
        open_zammad_desk({"address": "zammad:http://desk.example.com", "token_env": "X"}, Egress())
    with pytest.raises(ConfigError, match=r"Did you mean token_env"):
        open_zammad_desk({"address": "zammad:https://desk.example.com", "token_enw": "X"}, Egress())
    with pytest.raises(EgressDeniedError):
        open_source("zammad:https://desk.example.com", {"token_env": "X"}, Context())
    with pytest.raises(ConfigError, match="is no day"):
        open_source("zammad:https://desk.example.com", {"since": "soon"}, Context(egress=Egress()))


async def test_a_host_that_nothing_allows_is_not_asked() -> None:
    system = open_zammad_desk({"address": "zammad:https://desk.example.com", "token_env": "DESK_TOKEN"}, Egress())
    with pytest.raises(EgressDeniedError, match=r"desk\.example\.com"):
        await system.carry_out(ACTIONS[0], a_mail(message_id="m@x.example"), a_handled(), "t")
