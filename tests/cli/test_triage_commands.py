"""`rightsized triage` from mails to a worked queue, in one home; and through a server that holds the home."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rightsized.apps.triage.store import MessageStore
from tests.apps.triage.triage_samples import a_mail
from tests.cli.test_ledger_beside_server import serving
from tests.command_line import command

MAIL = """From: Anna Sample <anna@example.com>
Subject: {subject}
Message-ID: <{key}@example.com>
Date: Fri, 27 Nov 2026 10:0{minute}:00 +0000

{body}
"""
LATE = "Hello, my parcel FH-43018 was due on Monday and the tracking has not moved. Please tell me where it is."
UNCLEAR = "asdf qwer"


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    folder = tmp_path / "mails"
    folder.mkdir()
    for minute, (key, subject, body) in enumerate((("m1", "Where is it?", LATE), ("m2", "", UNCLEAR))):
        (folder / f"{minute}.eml").write_text(MAIL.format(subject=subject, key=key, minute=minute, body=body))
    return folder


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_from_a_preview_to_a_worked_queue(copied_home: Path, mails: Path) -> None:
    where = ("--home", copied_home)
    preview = command("triage", "run", "--source", f"eml:{mails}", "--dry-run", "--json", *where)
    assert preview.returncode == 0, preview.stderr
    late, unclear = lines(preview.stdout)
    assert late["labels"]["support"]["labels"] == ["delivery"]
    assert late["labels"]["support"]["certified"] is True
    assert late["route"]["queue"] == "delivery"
    assert late["route"]["automatic"] is True
    assert [field["value"] for field in late["fields"] if field["by"] == "pattern"][:1] == ["FH-43018"]
    assert late["summary"]["kind"] == "extract"
    assert any("Please tell me where it is." in one["text"] for one in late["summary"]["sentences"])
    assert (late["priority"]["level"], late["tier"]) == ("normal", 3)
    assert (late["dry_run"], late["acts"]) == (True, False)
    shown = json.loads(command("decisions", "show", late["decision"], "--json", *where).stdout)
    assert shown["decision"]["dry_run"] is True
    assert LATE in shown["text"]
    assert json.loads(command("queue", "list", "--json", *where).stdout) == []
    assert not (copied_home / "triage").exists()
    assert (unclear["route"]["automatic"], unclear["tier"]) == (False, 0)

    again = command("triage", "run", "--source", f"eml:{mails}", *where)
    assert "2 messages: 1 routed, 1 wait for a person" in again.stdout
    assert command("triage", "run", "--source", f"eml:{mails}", "--json", *where).stdout == ""
    (waits,) = json.loads(command("triage", "queue", "--json", *where).stdout)["messages"]
    number = str(waits["number"])
    assert "asdf qwer" in command("triage", "show", number, *where).stdout
    assert "assign by bob" in command("triage", "assign", number, "carl", "--reviewer", "bob", *where).stdout
    command("triage", "correct", number, "support", "orders", "--reviewer", "bob", *where)
    assert "routed" in command("triage", "accept", number, "--reviewer", "bob", *where).stdout
    assert "done" in command("triage", "done", number, *where).stdout
    told = json.loads(command("triage", "show", number, "--json", *where).stdout)
    assert [one["what"] for one in told["events"]][:2] == ["taken", "handled"]
    assert [one["what"] for one in told["events"] if one["by"] == "bob"] == ["assigned", "corrected", "accepted"]
    exported = command("queue", "export", "support", copied_home / "rows.csv", *where)
    assert "1" in exported.stdout
    assert "orders" in (copied_home / "rows.csv").read_text()


def test_what_cannot_be_done_is_said(copied_home: Path, tmp_path: Path) -> None:
    where = ("--home", copied_home)
    no_source = command("triage", "run", *where)
    assert "has no source" in no_source.stderr
    assert "--source maildir:PATH --dry-run" in no_source.stderr
    assert "rightsized triage connect maildir:PATH" in no_source.stderr
    assert "names no kind of source" in command("triage", "run", "--source", "post:x", *where).stderr
    assert "cannot name an inbox" in command("triage", "run", "--inbox", "A/B", "--source", "eml:x", *where).stderr
    assert command("triage", "queue", "-i", "absent", *where).returncode != 0
    assert "There is no message 7" in command("triage", "show", "7", *where, "--inbox", _made(copied_home)).stderr


def _made(home: Path) -> str:
    (home / "triage" / "inbox").mkdir(parents=True, exist_ok=True)
    return "inbox"


def test_connect_keeps_the_source_and_what_is_written_beside_it(copied_home: Path, mails: Path) -> None:
    where = ("--home", copied_home)
    folder = copied_home / "triage" / "support"
    folder.mkdir(parents=True)
    (folder / "inbox.toml").write_text('# ours\ndomains = ["fernhill.example.com"]\n')
    made = command("triage", "connect", f"eml:{mails}", "--inbox", "support", *where)
    assert "is a source of support now" in made.stdout, made.stderr
    text = (folder / "inbox.toml").read_text()
    assert text.startswith("# ours\n")
    assert f'address = "eml:{mails}"' in text
    assert "is a source already" in command("triage", "connect", f"eml:{mails}", "--inbox", "support", *where).stderr
    ran = command("triage", "run", "--inbox", "support", "--json", *where)
    assert len(lines(ran.stdout)) == 2


def test_rules_are_tested_and_compared_with_what_was_done(copied_home: Path, mails: Path, tmp_path: Path) -> None:
    where = ("--home", copied_home)
    command("triage", "run", "--source", f"eml:{mails}", *where)
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "parcels"\nwhen.labels.support = "delivery"\nthen.queue = "logistics"\n'
        '[[test]]\nname = "late"\nlabels.support = "delivery"\nexpect = { queue = "logistics", automatic = true }\n'
    )
    good = command("triage", "rules", "test", "--file", rules, "--against", "10", "--json", *where)
    assert good.returncode == 0, good.stdout
    told = json.loads(good.stdout)
    assert [one["wrong"] for one in told["tests"]] == [[]]
    assert [(one["was"], one["queue"]) for one in told["moved"]] == [("delivery", "logistics")]
    rules.write_text(rules.read_text().replace('"delivery"', '"deliverance"', 1))
    bad = command("triage", "rules", "test", "--file", rules, *where)
    assert bad.returncode == 1
    assert "1 failed" in bad.stdout
    assert "the task knows: account, billing" in bad.stdout


@pytest.fixture
def served(copied_home: Path) -> Iterator[Path]:
    with serving(copied_home):
        yield copied_home


def test_commands_go_through_the_server_that_holds_the_home(served: Path, mails: Path) -> None:
    where = ("--home", served)
    looked = command("triage", "run", "--source", f"eml:{mails}", "--dry-run", "--json", *where)
    assert len(lines(looked.stdout)) == 2, looked.stderr  # the server has the inbox open from then on
    ran = command("triage", "run", "--source", f"eml:{mails}", "--json", *where)
    assert [one["route"]["queue"] for one in lines(ran.stdout)] == ["delivery", "inbox"], ran.stderr
    assert command("triage", "run", "--source", f"eml:{mails}", "--json", *where).stdout == ""
    (waits,) = json.loads(command("triage", "queue", "--json", *where).stdout)["messages"]
    assert "routed" in command("triage", "accept", str(waits["number"]), *where).stdout
    assert "asdf qwer" in command("triage", "show", str(waits["number"]), *where).stdout
    with contextlib.closing(MessageStore(served / "triage" / "inbox")) as on_disk:
        assert on_disk.counts()["routed"] == 2


def test_a_person_is_forgotten(tmp_path: Path) -> None:
    where = ("--home", tmp_path)
    assert "There is no inbox" in command("triage", "forget", "anna@example.com", "--inbox", "inbox", *where).stderr
    with contextlib.closing(MessageStore(tmp_path / "triage" / "inbox")) as store:
        store.take(a_mail(), "s", "1", "sha")
    refused = command("triage", "forget", "anna@example.com", *where, stdin="n\n")
    assert refused.returncode == 1
    told = command("triage", "forget", "anna@example.com", "--yes", "--json", *where)
    assert json.loads(told.stdout)["messages"] == 1
    with contextlib.closing(MessageStore(tmp_path / "triage" / "inbox")) as store:
        assert store.get("m1").mail is None


def test_what_a_killed_run_had_taken_is_told_by_the_next_and_by_no_look(tmp_path: Path, mails: Path) -> None:
    where = ("--source", f"eml:{mails}", "--home", tmp_path / "home", "--json")
    with contextlib.closing(MessageStore(tmp_path / "home" / "triage" / "inbox")) as store:
        store.take(a_mail("left"), "s", "1", "sha")
    looked = command("triage", "run", "--dry-run", *where)
    assert [one["key"] for one in lines(looked.stdout)] == ["m1@example.com", "m2@example.com"], looked.stderr
    ran = command("triage", "run", *where)
    assert [one["key"] for one in lines(ran.stdout)] == ["left", "m1@example.com", "m2@example.com"], ran.stderr
