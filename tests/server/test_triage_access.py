"""Triage behind keys: what a program that only sends messages is told of the conversations of others."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_server import Client
from test_keys_gate import bearer, guarded

from rightsized.core.roles import Role
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore

PRIVATE = "Please send the wheelchair to the clinic in Norwich by Friday, my diagnosis is with you."


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("home")
    (path / "triage" / "inbox").mkdir(parents=True)
    KeyStore(Home(path)).create("first", roles=("admin",))  # a server that asks for keys starts with one
    return path


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[Client]:
    with guarded(home) as made:
        yield made


def key(home: Path, *roles: Role) -> dict[str, str]:
    return bearer(KeyStore(Home(home)).create("somebody", roles=roles)[1])


def sent(client: Client, shown: dict[str, str], number: int, body: str, *more: str) -> dict[str, Any]:
    head = [f"From: anna@example.com\nMessage-ID: <m{number}@example.com>\nSubject: Order", *more]
    mail = "\n".join(head) + f"\n\n{body}\n"
    answer = client.post("/v1/triage", {"message": base64.b64encode(mail.encode()).decode()}, **shown)
    assert answer.status == 200, answer.text
    handled: dict[str, Any] = answer.json["handled"]
    return handled


def test_a_program_that_may_only_send_is_told_nothing_of_other_messages(client: Client, home: Path) -> None:
    sends, reviews = key(home, "client"), key(home, "client", "reviewer")
    sent(client, reviews, 1, PRIVATE)
    forged = "In-Reply-To: <m1@example.com>"  # and From is forged too: nothing but the key tells who asks
    found = sent(client, sends, 2, "Is there any news?", forged)
    assert found["thread"] == "m1@example.com"
    assert "wheelchair" not in str(found)
    assert {one["key"] for one in found["summary"]["sentences"]} == {"m2@example.com"}
    beside = sent(client, reviews, 3, "And now?", forged)
    assert "wheelchair" in str(beside["summary"])
