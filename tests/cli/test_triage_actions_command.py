"""`rightsized triage actions|undo|retry`, and a run that carries out what its rules ask for."""

from __future__ import annotations

import json
import mailbox
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rightsized.apps.triage.actions import Journal
from rightsized.apps.triage.store import MessageStore
from rightsized.ledger.schema import EventRow, decode_event
from rightsized.store.home import Home, WriterLock
from tests.apps.triage.actions.standins import TOKEN, ZammadStandIn
from tests.command_line import command

INBOX = """
[[source]]
address = "zammad:{address}"
options = {{ token_env = "DESK_TOKEN", since = "2020-01-01" }}

[actions]
enabled = {enabled}
"""
RULES = """
[[rule]]
name = "parcels"
when.words = "parcel"
then = { queue = "logistics", labels = ["parcel"], note = "Look at the tracking." }

[[rule]]
name = "others"
then = { queue = "front", labels = ["other"], person = true }
"""


def triage(home: Path, *arguments: str, fails: bool = False) -> Any:
    done = command("triage", *arguments, "--home", str(home), "--json")
    assert bool(done.returncode) == fails, done.stderr + done.stdout
    if arguments[0] == "run":
        return [json.loads(line) for line in done.stdout.splitlines()]
    return json.loads(done.stdout or done.stderr)


def settings(home: Path, address: str, *, enabled: bool) -> None:
    folder = home / "triage" / "inbox"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inbox.toml").write_text(INBOX.format(address=address, enabled=str(enabled).lower()), "utf-8")
    (folder / "rules.toml").write_text(RULES, "utf-8")


def events(home: Path) -> list[EventRow]:
    """What the signed log has of actions."""
    with closing(sqlite3.connect(Home(home).decisions)) as connection:
        found = connection.execute("SELECT record FROM events WHERE kind = 'action' ORDER BY seq").fetchall()
    return [decode_event(record) for (record,) in found]


def test_from_a_ticket_to_its_label_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    with ZammadStandIn() as helpdesk:
        settings(tmp_path, helpdesk.address, enabled=False)
        helpdesk.add_ticket("Where is it?", "anna@example.com", "My parcel is late.")
        (first,) = triage(tmp_path, "run")
        assert (first["route"]["queue"], first["dry_run"], first["acts"]) == ("logistics", False, False)
        listed = triage(tmp_path, "actions")
        assert [one["state"] for one in listed["actions"]] == ["off", "off"]

        settings(tmp_path, helpdesk.address, enabled=True)
        helpdesk.add_ticket("My parcel", "ben@example.com", "Where is it?")
        helpdesk.add_ticket("Hello", "carla@example.com", "A question.")
        second, third = triage(tmp_path, "run")
        assert [second["acts"], third["acts"]] == [True, True]
        assert helpdesk.tagged == {
            1: [],
            2: ["parcel"],
            3: [],
        }  # the first stays as it was; a person looks at the third
        listed = triage(tmp_path, "actions", "--message", "2")["actions"]
        assert [(one["action"]["kind"], one["state"]) for one in listed] == [("note", "done"), ("label", "done")]

        note, label = (one["number"] for one in listed)
        assert "cannot take it back" in json.dumps(triage(tmp_path, "undo", str(note), fails=True))
        assert triage(tmp_path, "undo", str(label))["state"] == "undone"
        assert helpdesk.tagged[2] == []

        triage(tmp_path, "accept", "3")
        triage(tmp_path, "run")
        assert helpdesk.tagged[3] == ["other"]
        assert triage(tmp_path, "actions")["counts"] == {"done": 2, "off": 2, "undone": 1}
    acts = [json.loads(one.detail) for one in events(tmp_path)]
    assert [(one["kind"], one["outcome"]) for one in acts] == [
        ("label", "done"),
        ("note", "done"),
        ("label", "undone"),
        ("label", "done"),
    ]
    assert acts[0]["token"] == acts[2]["token"]
    assert {one["decision"] for one in acts[:3]} == {second["decision"]}
    assert "tracking" not in json.dumps(acts)


def test_another_process_that_holds_the_home_undoes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    with ZammadStandIn() as helpdesk:
        settings(tmp_path, helpdesk.address, enabled=True)
        helpdesk.add_ticket("My parcel", "anna@example.com", "Where is it?")
        triage(tmp_path, "run")
        with WriterLock(Home(tmp_path), "serve"):
            assert triage(tmp_path, "undo", "1")["state"] == "undo"
        assert helpdesk.tagged[1] == ["parcel"]


def test_what_is_refused(tmp_path: Path) -> None:
    assert "no inbox" in json.dumps(triage(tmp_path, "actions", fails=True))
    (tmp_path / "triage" / "support").mkdir(parents=True)
    for asked in (("actions", "-i", "suport"), ("simulate", "--history", "--inbox", "suport")):
        said = json.dumps(triage(tmp_path, *asked, fails=True))
        assert "Inboxes here: support." in said
        assert "Did you mean support?" in said
    folder = tmp_path / "triage" / "inbox"
    store = MessageStore(folder)
    Journal(store, "inbox")
    store.close()
    assert "no action" in json.dumps(triage(tmp_path, "retry", "1", fails=True))
    assert "no message 7" in json.dumps(triage(tmp_path, "actions", "--message", "7", fails=True))
    (folder / "inbox.toml").write_text('[actions]\nenabled = true\ndesks = ["zamad"]\n', "utf-8")
    mailbox.Maildir(tmp_path / "mails").close()
    done = command("triage", "run", "--home", str(tmp_path), "--source", f"maildir:{tmp_path / 'mails'}")
    assert done.returncode == 2
    assert "Did you mean zammad" in done.stderr
