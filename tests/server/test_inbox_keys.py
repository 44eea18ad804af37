"""The page of an inbox by every one of its keys, in a browser; and where a summary's sentences stand in the text."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, browsing
from fake_service import FakeService
from live_server import Client, running

from rightsized.apps.triage.records import Sentence, Span
from rightsized.apps.triage.service import TriageService
from rightsized.server.console.said import places, stretches
from rightsized.server.console.views import Piece, marked
from rightsized.tasks.writing import FakeTextWriter
from tests.apps.triage.triage_samples import a_mail

RULES = """
[[rule]]
name = "parcels"
when.labels.support = "delivery"
then = { queue = "logistics", note = "Look at the tracking." }

[[rule]]
name = "everything"
then = { queue = "desk", person = true }
"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    folder = tmp_path / "home" / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "rules.toml").write_text(RULES)
    (folder / "inbox.toml").write_text('[write]\ntier = "auto"\n[tasks]\nsupport = "support"\n')
    monkeypatch.setattr(TriageService, "_writer", lambda *_: FakeTextWriter(lambda _: "Dear customer, thank you."))
    with running(FakeService(), home=str(tmp_path / "home")) as made:
        for number in range(3):
            told = {"subject": f"Subject {number}", "text": f"I was charged twice, number {number}. Please refund me."}
            made.post("/v1/triage", {**told, "id": str(number), "received": 1_795_000_000 + number})
        yield made


@pytest.mark.needs_chromium
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
def test_every_key_of_an_inbox(client: Client, tmp_path: Path) -> None:
    def shows(number: int) -> str:
        return f"document.querySelector('#current').textContent === 'Subject {number}'"

    with browsing(tmp_path / "profile") as browser:
        browser.open(client.listening.url + "/triage/inbox")
        browser.evaluate("window.same = true")
        for key, number in (("j", 1), ("n", 2), ("k", 1), ("k", 0), ("k", 2), ("j", 0)):
            browser.press(key)
            browser.wait(shows(number))
        assert browser.evaluate("document.querySelector('#said-2').textContent") == "I was charged twice, number 0."
        browser.press("?")
        browser.wait("document.querySelector('summary[data-key]').parentElement.open")
        browser.press("r")
        browser.wait("document.querySelector('#draft')?.value === 'Dear customer, thank you.'")
        browser.press("c")
        browser.wait("document.activeElement.name === 'label'")
        browser.press("d")  # in a field a key is a letter: the label that begins with it
        browser.wait("document.activeElement.value === 'delivery'")
        browser.press("Enter")
        browser.wait("document.querySelector('aside').textContent.includes('a person said: support is delivery')")
        assert "Accepting it: note Look at the tracking. (only noted: actions are off)" in browser.text("aside")
        browser.press("g")
        browser.wait("document.activeElement.id === 'to'")
        browser.fill("#to", "Ada")
        browser.press("Enter")
        browser.wait("document.querySelector('aside').textContent.includes('Ada')")
        browser.press("a")
        browser.wait(shows(1))
        browser.press("d")
        browser.wait(shows(2))
        assert browser.evaluate("window.same") is True
        browser.open(client.listening.url + "/triage/inbox?number=2&status=done")
        browser.press("u")
        browser.wait("document.querySelector('#lead')?.textContent.includes('0 messages')")
        assert not browser.complaints
    rows = {one["number"]: one for one in client.get("/v1/triage/inbox/messages?status=routed").json["messages"]}
    assert {number: (one["queue"], one["assignee"]) for number, one in rows.items()} == {1: ("logistics", "Ada")}
    assert client.get("/v1/triage").json["inboxes"][0]["counts"]["waiting"] == 2


def test_earlier_messages_of_a_thread_can_be_read_on_the_page(client: Client) -> None:
    head = b"From: anna@example.com\nTo: info@firm.example\nSubject: Bed\nMessage-ID: <%d@example.com>\n"
    first = head % 1 + b"\nThe first <words> of it.\n"
    second = head % 2 + b"In-Reply-To: <1@example.com>\n\nAnd the second.\n"
    for mail in (first, second):
        client.post("/v1/triage", {"message": base64.b64encode(mail).decode()})
    page = client.get("/triage/inbox?number=5", accept="text/html").text
    assert '<details class="small" id="thread-4">' in page
    assert "The first &lt;words&gt; of it." in page
    assert "Its thread" not in client.get("/triage/inbox?number=1", accept="text/html").text


def test_sentences_are_placed_in_what_was_written() -> None:
    body = "> old\n\n  First one. Second one.\n\n> more\n\nThird one.\n"
    spans = (Span(5, 34), Span(body.index("Third") - 2, len(body)))
    mail = a_mail("m1", body, subject="s", fresh=spans)

    def at(text: str, key: str = "m1") -> Sentence:
        return Sentence("fact", text, body.index(text), body.index(text) + len(text), key=key)

    said = [
        at("Third one."),
        at("Second one."),
        at("First one.", "m0"),
        Sentence("subject", "s", 0, 1, "subject", "m1"),
    ]
    found = places(mail, said)
    assert [(mail.written.strip()[start:end], number) for start, end, number in found] == [
        ("Second one.", 2),
        ("Third one.", 1),
    ]


def test_stretches_keep_every_letter_and_every_mark() -> None:
    pieces = [Piece("one ", "", 0.0), Piece("two", "for1", 1.0), Piece(" three four", "", 0.0)]
    found = stretches(pieces, [(2, 6, 1), (5, 9, 2), (9, 99, 3)])
    assert [(one.number, [(part.text, part.mark) for part in one.pieces]) for one in found] == [
        (0, [("on", "")]),
        (1, [("e ", ""), ("tw", "for1")]),
        (0, [("o", "for1"), (" three four", "")]),
    ]
    assert stretches([], []) == []


def test_a_text_of_which_no_word_counts_is_shown_plainly() -> None:
    assert marked("Thank you.", []) == [Piece("Thank you.", "", 0.0)]  # the words that counted stand in its subject
    assert marked("", []) == []
