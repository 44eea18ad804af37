"""Triage behind keys: what a program that only sends messages is told of the conversations of others."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_server import Client
from test_keys_gate import bearer, guarded

from rightsized.store.home import Home
from rightsized.store.keys import KeyStore

PRIVATE = "Please send the wheelchair to the clinic in Norwich by Friday, my diagnosis is with you."


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("home")
    (path / "triage" / "inbox").mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def sends(home: Path) -> dict[str, str]:
    return bearer(KeyStore(Home(home)).create("shop", roles=("client",))[1])


@pytest.fixture(scope="module")
def reviews(home: Path) -> dict[str, str]:
    return bearer(KeyStore(Home(home)).create("kim", roles=("client", "reviewer"))[1])


@pytest.fixture(scope="module")
def client(home: Path, sends: dict[str, str], reviews: dict[str, str]) -> Iterator[Client]:
    with guarded(home) as made:
        yield made


def sent(client: Client, shown: dict[str, str], number: int, body: str, *more: str) -> dict[str, Any]:
    head = [f"From: anna@example.com\nMessage-ID: <m{number}@example.com>\nSubject: Order", *more]
    mail = "\n".join(head) + f"\n\n{body}\n"
    answer = client.post("/v1/triage", {"message": base64.b64encode(mail.encode()).decode()}, **shown)
    assert answer.status == 200, answer.text
    handled: dict[str, Any] = answer.json["handled"]
    return handled


def test_a_program_that_may_only_send_is_told_nothing_of_other_messages(
    client: Client, sends: dict[str, str], reviews: dict[str, str]
) -> None:
    sent(client, reviews, 1, PRIVATE)
    forged = "In-Reply-To: <m1@example.com>"  # and From is forged too: nothing but the key tells who asks
    found = sent(client, sends, 2, "Is there any news?", forged)
    assert found["thread"] == "m1@example.com"
    assert "wheelchair" not in str(found)
    assert {one["key"] for one in found["summary"]["sentences"]} == {"m2@example.com"}
    beside = sent(client, reviews, 3, "And now?", forged)
    assert "wheelchair" in str(beside["summary"])


def test_who_cannot_sign_learns_nothing_of_the_settings(client: Client, home: Path) -> None:
    broken = home / "triage" / "hooked"
    broken.mkdir(exist_ok=True)
    told = set()
    for settings in (
        "",
        '[[source]]\naddress = "webhook:"\n[source.options]\nsecret_env = "RIGHTSIZED_NO_SUCH_SECRET"\n',
        "nonsense = 1\n",
    ):
        (broken / "inbox.toml").write_text(settings)
        answer = client.send("POST", "/v1/triage/hooked/hook", "x", {"webhook-id": "1"})
        told.add((answer.status, answer.json["code"], answer.json["detail"]))
    answer = client.send("POST", "/v1/triage/nothere/hook", "x", {"webhook-id": "1"})
    told.add((answer.status, answer.json["code"], answer.json["detail"]))
    assert [status for status, _, _ in told] == [401]


def test_what_a_program_sends_is_shown_as_it_is_seen(client: Client, sends: dict[str, str]) -> None:
    hidden = {
        "subject": "in\u200bvoice\r\nBcc: x\x1b[2J",
        "text": "my\u202e words",
        "sender": "A\u200b@Example.com\r\n",
    }
    handled = client.post("/v1/triage", hidden, **sends).json["handled"]
    assert (handled["subject"], handled["sender"]) == ("invoice Bcc: x [2J", "a@example.com")
