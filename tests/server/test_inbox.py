"""Triage over HTTP and its pages: messages taken once, worked on by forms and by keys, nothing of an audit shown."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, browsing
from fake_service import FakeService
from live_server import Answer, Client, running

from rightsized.apps.triage.store import MessageStore
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore

DASHES = b"-- \n"  # RFC 3676: what comes before a signature
MAIL = (
    b"""From: Anna Sample <anna@example.com>
Subject: My <invoice>
Message-ID: <m1@example.com>

I was charged twice on one invoice, the refund of the payment is missing.

> what I wrote before

%sAnna
"""
    % DASHES
)


RULES = '[[rule]]\nname = "everything"\nthen = { queue = "inbox", person = true }\n'


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    service = FakeService()
    folder = tmp_path / "home" / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "rules.toml").write_text(RULES)
    with running(service, home=str(tmp_path / "home")) as made:
        yield made


def send(client: Client, **fields: Any) -> Answer:
    return client.post("/v1/triage", fields)


def mailed(client: Client, mail: bytes = MAIL, **fields: Any) -> dict[str, Any]:
    answer = send(client, message=base64.b64encode(mail).decode(), **fields)
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json["handled"]
    return found


def test_a_mail_is_handled_once(client: Client) -> None:
    handled = mailed(client)
    assert handled["subject"] == "My <invoice>"
    assert handled["labels"]["support"]["labels"] == ["billing"]
    again = send(client, message=base64.b64encode(MAIL).decode())
    assert again.json == {"handled": None}
    assert client.get("/v1/triage").json["inboxes"][0]["counts"]["waiting"] == 1


def test_subject_and_text_will_do(client: Client) -> None:
    sent = {"subject": "Invoice", "text": "I was charged twice on one invoice.", "id": "t-1", "sender": "A@Example.com"}
    answer = send(client, **sent)
    assert answer.json["handled"]["sender"] == "a@example.com"
    assert send(client, **sent).json["handled"] is None


def test_a_preview_fills_no_queue(client: Client) -> None:
    looked = mailed(client, dry_run=True)
    assert (looked["dry_run"], looked["acts"]) == (True, False)
    assert client.get("/v1/triage/inbox/messages").json["total"] == 0
    assert client.get("/v1/triage/inbox/messages/1").json["code"] == "not-found"
    handled = mailed(client)
    assert (handled["dry_run"], handled["acts"]) == (False, False)  # for real, where actions are switched off
    assert client.get("/v1/triage/inbox/messages").json["total"] == 1


def test_what_cannot_be_a_message_is_said(client: Client) -> None:
    assert send(client).json["code"] == "input"
    assert send(client, text="hello", inbox="other").json["code"] == "not-found"
    assert send(client, text="hello", inbox="../up").json["code"] in ("input", "not-found")
    assert client.get("/v1/triage/inbox/messages?status=lost").json["code"] == "invalid-field"
    mailed(client)
    assert client.get("/v1/triage/inbox/messages/x").json["code"] == "input"
    assert client.get("/v1/triage/inbox/messages/77").json["code"] == "not-found"


def test_steps_over_the_api(client: Client) -> None:
    mailed(client)
    where = "/v1/triage/inbox/messages/1"
    given = client.post(where, {"step": "assign", "value": "bob", "reviewer": "anna"}).json
    assert given["assignee"] == "bob"
    client.post(where, {"step": "correct", "role": "support", "value": "delivery", "reviewer": "anna"})
    assert [(one.label, one.reviewer) for one in client.service.reviews.values()] == [("delivery", "anna")]
    assert client.post(where, {"step": "done"}).json["status"] == "done"
    shown = client.get(where).json
    assert [one["what"] for one in shown["events"]] == ["taken", "handled", "assigned", "corrected", "done"]
    assert "> what I wrote before" in shown["text"]
    assert client.post(where, {"step": "destroy"}).status in (400, 422)


def test_what_will_be_late_is_forecast(client: Client) -> None:
    mailed(client)
    found = client.get("/v1/triage/inbox/forecast").json
    assert [(one["number"], one["late"]) for one in found["messages"]] == [(1, 1.0)]  # nobody is named in desk.toml
    assert found["expected"] == 1.0


def test_signed_messages_are_taken_once_and_others_not_at_all(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "whsec_" + base64.b64encode(b"k" * 32).decode())
    settings = tmp_path / "home" / "triage" / "inbox" / "inbox.toml"
    where = "/v1/triage/inbox/hook"
    assert client.send("POST", where, MAIL).status == 401  # the inbox takes none
    settings.write_text('[[source]]\naddress = "webhook:"\noptions.secret_env = "HOOK"\n')
    headers = {"content-type": "message/rfc822", **signed(b"k" * 32, "msg_1", MAIL)}
    assert client.send("POST", where, MAIL, headers).json == {"again": False}
    assert client.send("POST", where, MAIL, headers).json == {"again": True}
    for wrong in (signed(b"x" * 32, "msg_2", MAIL), signed(b"k" * 32, "msg_2", b"other"), {}):
        refused = client.send("POST", where, MAIL, {"content-type": "message/rfc822", **wrong})
        assert (refused.status, refused.json["code"]) == (401, "unauthorized")
    unknown = client.send("POST", "/v1/triage/other/hook", MAIL, headers)
    assert unknown.status == 401
    assert client.get("/v1/triage/inbox/messages").json["total"] == 1


def signed(key: bytes, identity: str, body: bytes) -> dict[str, str]:
    """The headers of a request, written from the specification and not with our own code."""
    now = str(int(time.time()))
    digest = hmac.new(key, f"{identity}.{now}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": identity, "webhook-timestamp": now, "webhook-signature": signature}


def test_only_this_machines_commands_hand_over_what_they_have_read(client: Client, tmp_path: Path) -> None:
    keys = KeyStore(Home(tmp_path / "home"))
    _, secret = keys.create("program", roles=("client",))
    arrival = {"place": "1", "error": "made up"}
    refused = client.post("/v1/triage", {"arrival": arrival}, authorization=f"Bearer {secret}")
    assert refused.json["code"] == "forbidden"
    reads = client.get("/v1/triage/inbox/messages", authorization=f"Bearer {secret}")
    assert reads.status == 403


def test_whose_key_it_is_says_who_did_something_and_not_the_body(client: Client, tmp_path: Path) -> None:
    mailed(client)
    _, secret = KeyStore(Home(tmp_path / "home")).create("anna", roles=("reviewer",))
    key = {"authorization": f"Bearer {secret}"}
    where = "/v1/triage/inbox/messages/1"
    client.post(where, {"step": "correct", "role": "support", "value": "delivery", "reviewer": "boss"}, **key)
    decision = client.get(where, **key).json["message"]["handled"]["labels"]["support"]["decision"]
    client.post("/v1/feedback", {"decision": decision, "label": "delivery", "reviewer": "boss"}, **key)
    client.form(f"/queue/{decision}", {"label": "delivery"}, cookie="reviewer=boss", **key)
    assert {one.reviewer for one in client.service.reviews.values()} == {"anna"}
    assert [one["by"] for one in client.get(where, **key).json["events"]][-1] == "anna"
    client.post(where, {"step": "done", "reviewer": "kim"})  # no key: this machine's own user says who it is
    assert [one["by"] for one in client.get(where).json["events"]][-1] == "kim"


def test_the_page_shows_a_message_with_its_reasons(client: Client) -> None:
    mailed(client)
    page = client.get("/triage/inbox", accept="text/html").text
    assert "My &lt;invoice&gt;" in page
    assert '<mark class="for' in page
    assert "Quoted text and signature" in page
    assert client.get("/triage", accept="text/html").text.count("/triage/inbox") >= 1


def test_forms_go_on_to_the_next_message(client: Client) -> None:
    mailed(client)
    mailed(client, MAIL.replace(b"m1@", b"m2@").replace(b"My <invoice>", b"Another"))
    answer = client.form("/triage/inbox/1", {"step": "done"})
    assert answer.status == 303
    page = client.get(answer.headers["location"], accept="text/html").text
    assert "Another" in page
    assert "1 message." in page
    assert client.form("/triage/inbox/1", {"step": "vanish"}).status == 422


def test_solved_messages_like_it_are_shown(client: Client) -> None:
    mailed(client)
    client.form("/triage/inbox/1", {"step": "done"})
    mailed(client, MAIL.replace(b"m1@", b"m2@").replace(b"My <invoice>", b"Another"))
    page = client.get("/triage/inbox?number=2", accept="text/html").text
    assert "Solved before" in page
    assert "My &lt;invoice&gt;" in page


def test_an_audit_shows_nothing_that_leads(client: Client) -> None:
    handled = mailed(client)
    decision = handled["labels"]["support"]["decision"]
    client.service.record.waiting.add(decision)
    page = client.get("/triage/inbox", accept="text/html").text
    assert "A random check asks for your own label" in page
    shown = client.get("/v1/triage/inbox/messages/1").json
    assert shown["blind"] == ["support"]
    assert shown["message"]["handled"]["labels"]["support"]["suggested"] == []


def test_no_program_passes_for_a_mailbox(client: Client, tmp_path: Path) -> None:
    send(client, subject="x", text="hello", source="maildir:/var/mail", id="1")
    (folder,) = (tmp_path / "home" / "triage").iterdir()
    with contextlib.closing(MessageStore(folder)) as store:
        assert not store.done_with("maildir:/var/mail", "1")
        assert store.done_with("api:maildir:/var/mail", "1")


def test_no_time_of_arrival_breaks_the_queue(client: Client) -> None:
    for received in (1e18, -1e18, 1e308):
        assert send(client, text="I was charged twice.", received=received).json["code"] == "invalid-field"
    for number, year in enumerate((1, 1900, 9999)):
        date = b"Date: Fri, 27 Nov %04d 10:00:00 -2300\n" % year
        mailed(client, date + MAIL.replace(b"m1@", b"d%d@" % number))
    assert client.get("/triage/inbox", accept="text/html").status == 200
    assert client.get("/v1/triage/inbox/messages").json["total"] == 3


def test_what_a_message_says_is_never_markup(client: Client) -> None:
    evil = b"<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    mailed(client, MAIL.replace(b"My <invoice>", evil).replace(b"Anna Sample", evil).replace(b"> what", evil))
    client.post("/v1/triage/inbox/messages/1", {"step": "assign", "value": evil.decode(), "reviewer": evil.decode()})
    for path in ("/triage/inbox", "/triage/inbox?number=1&queue=%22%3E%3Cscript%3E", "/triage"):
        page = client.get(path, accept="text/html").text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert '"><script>' not in page


@pytest.mark.needs_chromium
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
def test_an_inbox_by_keys(client: Client, tmp_path: Path) -> None:
    for number in range(3):
        mailed(client, MAIL.replace(b"m1@", b"m%d@" % number).replace(b"My <invoice>", b"Subject %d" % number))
    with browsing(tmp_path / "profile") as browser:
        browser.open(client.listening.url + "/triage/inbox")
        browser.evaluate("window.same = true")
        assert browser.text("#current") == "Subject 0"
        browser.press("n")
        browser.wait("document.querySelector('#current').textContent === 'Subject 1'")
        browser.press("a")
        browser.wait("document.querySelector('#current').textContent === 'Subject 0'")
        browser.press("d")
        browser.wait("document.querySelector('#current').textContent === 'Subject 2'")
        assert browser.evaluate("window.same") is True
        assert not browser.complaints
    statuses = client.get("/v1/triage").json["inboxes"][0]["counts"]
    assert (statuses["waiting"], statuses["routed"], statuses["done"]) == (1, 1, 1)


STORM = "I cannot check out, the page says error 500 when I press pay. Please help, I want my tent."


def test_an_incident_is_worked_together(client: Client, tmp_path: Path) -> None:
    (tmp_path / "home" / "triage" / "inbox" / "inbox.toml").write_text('domains = ["shop.example"]\n')
    for number in range(3):
        send(client, subject=f"Pay {number}", text=STORM, sender=f"c{number}@example.com", id=f"s{number}@example.com")

    def step(number: int, name: str, value: str = "") -> Answer:
        return client.post(f"/v1/triage/inbox/messages/{number}", {"step": name, "value": value, "reviewer": "anna"})

    assert step(2, "join", "1").json["incident"] == step(3, "join", "1").json["incident"] == "api:s0@example.com"
    assert step(2, "join", "3").status == 422
    assert step(3, "join", "one").status == 422
    assert step(3, "detach").json["incident"] == ""
    assert step(3, "done-all").status == 422  # it belongs to none
    step(3, "join", "2")
    about = b"In-Reply-To: <api:s0@example.com>\nTo: c0@example.com\n\n"
    reply = b"From: kim@shop.example\nMessage-ID: <a@shop.example>\n" + about + b"Mended.\n"
    send(client, message=base64.b64encode(reply).decode())
    shown = client.get("/v1/triage/inbox/messages/2").json["together"]
    assert shown == {"first": 1, "messages": 3, "waiting": 2, "answer": "Mended.", "answered": 1}
    page = client.page("/triage/inbox?number=2").text
    assert "Mended.</textarea>" in page
    assert "Done, with all 2 that wait" in page
    assert step(2, "done-all").json["status"] == "done"
    assert client.get("/v1/triage/inbox/messages").json["total"] == 0
    assert client.get("/v1/triage/inbox/messages/3").json["together"]["waiting"] == 0
