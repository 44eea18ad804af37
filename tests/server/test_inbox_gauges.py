"""What an operator is told of inboxes: at /metrics, and on the page that lists them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_service import FakeService
from live_server import Client, running

from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.reach import Reach
from rightsized.data import folder


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    folder = tmp_path / "home" / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "rules.toml").write_text('[[rule]]\nname = "all"\nthen = { queue = "desk", person = true, note = "n" }\n')
    real = Inbox.__init__

    def lost(self: Inbox, *given: object) -> None:
        real(self, *given)  # type: ignore[arg-type]  # whatever it was given
        self.reach = Reach(lambda: 1_795_000_000.0)
        self.reach.told("imap://a@b/INBOX", "it drops <b>")

    monkeypatch.setattr(Inbox, "__init__", lost)
    with running(FakeService(), home=str(tmp_path / "home")) as made:
        yield made


def figures(client: Client) -> dict[str, float]:
    lines = [one for one in client.get("/metrics").text.splitlines() if one.startswith("rightsized_triage_")]
    return {
        name.removeprefix("rightsized_triage_"): float(value) for name, value in (one.rsplit(" ", 1) for one in lines)
    }


def test_backlog_lateness_actions_and_lost_sources_are_gauges(client: Client, tmp_path: Path) -> None:
    now = time.time()
    for number, age in enumerate((30 * 86_400, 60)):
        client.post("/v1/triage", {"subject": "Bed", "text": "A bed.", "id": str(number), "received": now - age})
    client.post("/v1/triage/inbox/messages/2", {"step": "accept"})
    found = figures(client)
    assert found['messages{inbox="inbox",status="waiting"}'] == 1
    assert found['messages{inbox="inbox",status="routed"}'] == 1
    assert found['late{inbox="inbox"}'] == 1
    assert found['oldest_waiting_timestamp_seconds{inbox="inbox"}'] == pytest.approx(now - 30 * 86_400, abs=1)
    assert found['actions{inbox="inbox",state="failed"}'] == 0
    assert sum(value for name, value in found.items() if name.startswith("actions{")) == 1
    assert found['source_down_since_timestamp_seconds{inbox="inbox",source="imap://a@b/INBOX"}'] == 1_795_000_000
    page = client.get("/triage", accept="text/html").text
    assert "imap://a@b/INBOX cannot be read since" in page
    assert "it drops &lt;b&gt;" in page
    (tmp_path / "home" / "triage" / "broken").mkdir()
    (tmp_path / "home" / "triage" / "broken" / "inbox.toml").write_text("[[source]\n")
    found = figures(client)
    assert (found['inbox_up{inbox="broken"}'], found['inbox_up{inbox="inbox"}']) == (0, 1)
    assert 'late{inbox="broken"}' not in found
    client.post("/v1/triage/inbox/messages/1", {"step": "done"})
    assert 'oldest_waiting_timestamp_seconds{inbox="inbox"}' not in figures(client)


def test_without_an_inbox_the_page_says_how_to_take_in_the_sample(tmp_path: Path) -> None:
    with running(FakeService(), home=str(tmp_path / "home")) as client:
        page = client.get("/triage", accept="text/html").text
    assert f"rightsized triage connect eml:{folder('mailbox') / 'messages'}\nrightsized triage run" in page
