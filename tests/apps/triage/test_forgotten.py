"""A person is forgotten: nothing that names them or that they said is in any file of the home, and nothing comes twice.

The files are searched as bytes, whatever they are: databases with their free pages and write-ahead logs, records, keys.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.service import TriageService
from rightsized.apps.triage.store.records import Waits
from rightsized.core.config import AuditConfig, Config
from rightsized.core.egress import Egress
from rightsized.ledger.verify import verify
from rightsized.tasks.service import LocalService
from tests.apps.triage.triage_samples import a_mail
from tests.command_line import command

ANNA = "anna.zeisig@planted.example"
PLANTED = (
    "zeisig", "Zeisig", "quittenmus", "planted-id", "planted-parent", "bescheid-zeisig", "kuckucksuhr", "77410932",
    "wiesengrund", "planted.example", "ablage-zeisig",
)  # fmt: skip
LONG, SHORT = "The quittenmus in order 77410932 is broken. " * 40, "Any news of my quittenmus?"
PLACE = "ablage-zeisig/1.eml"
RULES = """
[[rule]]
name = "everything"
then = { queue = "front desk", note = "look at it", assignee = "kim" }
"""
INBOX = """
domains = ["shop.example"]
[actions]
enabled = true
[fields.patterns]
order = ['[0-9]{8}']
"""


def raw(number: int, body: str) -> bytes:
    """A message with a planted string in each part that is kept."""
    return f"""From: "Anna Zeisig" <{ANNA}>
Reply-To: <wiesengrund@planted.example>
To: "Support for Zeisig" <help@shop.example>
Message-ID: <planted-id-{number}@planted.example>
References: <planted-parent@planted.example>
In-Reply-To: <planted-parent@planted.example>
Subject: My quittenmus, order 77410932
Date: Mon, 23 Nov 2026 10:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

{body}

> You wrote that the kuckucksuhr was sent.

--b
Content-Type: application/pdf; name="bescheid-zeisig.pdf"
Content-Disposition: attachment; filename="bescheid-zeisig.pdf"

%PDF-1.4
--b--
""".replace("\n", "\r\n").encode()


@asynccontextmanager
async def opened(home: Path) -> AsyncIterator[tuple[TriageService, LocalService]]:
    config = Config(home=str(home), audit=AuditConfig(rate=0.0))
    async with LocalService(config, purpose="test", record=True) as service:
        triage = TriageService(config, service)
        yield triage, service
        triage.close()


def found(home: Path, *planted: str) -> dict[str, list[str]]:
    """Which planted strings are in which files of the home, by content or by name."""
    held: dict[str, list[str]] = {}
    for path in sorted(one for one in home.rglob("*") if one.is_file()):
        body = path.read_bytes() + str(path.relative_to(home)).encode()
        hits = [one for one in planted if one.encode() in body]
        if hits:
            held[str(path.relative_to(home))] = hits
    return held


async def live_with(triage: TriageService, service: LocalService) -> None:
    """Her messages among those of others: read, corrected, worked on, finished, compared with each other."""
    inbox = triage.inboxes.open("inbox")
    for number in range(12):
        other = a_mail(f"o{number}@x", f"Where is parcel {number}? " * 30, message_id=f"o{number}@x")
        await triage.process("inbox", Arrival(f"{number}", mail=other), "eml:mail", dry_run=False)
    for number, body in ((1, LONG), (2, SHORT)):
        arrival = Arrival(PLACE.replace("1", str(number)), raw(number, body))
        handled = await triage.process("inbox", arrival, "eml:mail", dry_run=False)
        assert handled is not None
        assert [one.value for one in handled.fields if one.name == "order"], handled.error
    carrier = inbox.carrier(Egress())
    await carrier.round()
    await carrier.close()
    (kept,) = [one for one in triage.waiting("inbox", Waits(status="routed", limit=1000))
               if one.key.endswith("planted-id-1@planted.example")]  # fmt: skip
    await triage.step("inbox", kept.number, "correct", "kim", role="support", value="orders")
    await triage.step("inbox", kept.number, "done", "kim")
    inbox.store.update(kept.key, "rightsized", "incident", kept.key, incident=kept.key)
    inbox.store.update("o1@x", "rightsized", "incident", kept.key, incident=kept.key)
    inbox.store.update("o2@x", "kim", "done", f"answered by {kept.key}", status="done")
    encoder = await service.encoder(service.encoders()[0])
    await triage.similar("inbox", inbox.store.get("o3@x"))
    assert inbox.store.vectors(encoder.digest, 100)


@pytest.fixture
def home(copied_home: Path) -> Path:
    folder = copied_home / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "inbox.toml").write_text(INBOX)
    (folder / "rules.toml").write_text(RULES)
    return copied_home


async def test_nothing_of_a_forgotten_person_is_in_any_file_and_nothing_comes_twice(home: Path) -> None:
    async with opened(home) as (triage, service):
        await live_with(triage, service)
        assert set(PLANTED) <= {one for hits in found(home, *PLANTED).values() for one in hits}
        ran = await asyncio.to_thread(command, "triage", "forget", ANNA, "--yes", "--json", "--home", home)
        told = json.loads(ran.stdout)
        assert ran.returncode == 0, told
        assert (told["messages"], told["inboxes"]) == (2, {"inbox": 2})
        assert told["event"]["decisions"] == 6  # of each message one, and one a task
        for arrival in (Arrival(PLACE.replace("1", "2"), raw(2, SHORT)), Arrival("another place", raw(1, LONG))):
            assert await triage.process("inbox", arrival, "eml:mail", dry_run=False) is None
        store = triage.inboxes.open("inbox").store
        assert store.done_with("eml:mail", PLACE)
        assert store.count(Waits(status=None)) == 14
        kept = triage.show("inbox", 13)
        assert (kept.kept.status, kept.kept.queue, kept.kept.mail) == ("done", "front desk", None)
        assert kept.kept.handled is not None
        assert kept.kept.handled.labels["support"].labels
        assert [one.what for one in kept.events][-2:] == ["purged", "duplicate"]
        assert not any(one.detail for one in kept.events[:-1])
        assert len(kept.thread) == 2
    assert found(home, *PLANTED) == {}
    names = ("planted-id-1@planted.example", "planted-parent@planted.example", ANNA, PLACE)
    guesses = [hashlib.sha256(one.encode()).hexdigest() for one in names]
    guesses += [hashlib.sha256(raw(2, SHORT)).hexdigest()]
    assert found(home, *(one[:32] for one in guesses)) == {}
    assert verify(home / "decisions.sqlite").ok
    async with opened(home) as (triage, _):
        other = Arrival("third", raw(1, "Something else under the same Message-ID."))
        assert await triage.process("inbox", other, "eml:mail", dry_run=False) is not None  # never lost
