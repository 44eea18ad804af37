"""`rightsized triage join|detach|done --incident`, and what commands say of messages that an audit asks about."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rightsized.apps.triage.actions import Journal
from rightsized.apps.triage.records import Action, Route
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.audited import mark
from tests.apps.triage.triage_samples import a_handled, a_mail
from tests.command_line import command

RULES = '[[rule]]\nname = "others"\nthen = { queue = "front", person = true }\n'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("incident") / "home"
    folder = made / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "rules.toml").write_text(RULES)
    with closing(MessageStore(folder)) as store:
        journal = Journal(store, "inbox")
        for key in ("m1", "m2", "m3"):
            store.take(a_mail(key), "fake:", key, "sha")
            route = Route("orders", True, "certified", actions=(Action("label", "orders"),))
            handled = a_handled(key, route=route)
            store.handled(handled, "waiting", "made")
            journal.plan(handled, off=True)
        mark(store, "m2", ["d1"])
    return made


def triage(home: Path, *arguments: str) -> Any:
    done = command("triage", *arguments, "--home", str(home), "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_actions_and_rules_tell_nothing_of_what_an_audit_asks(home: Path) -> None:
    shown = triage(home, "actions")["actions"]
    assert {one["key"]: one["action"]["value"] for one in shown} == {
        "m1": "orders",
        "m2": "(asked for an audit)",
        "m3": "orders",
    }
    moved = triage(home, "rules", "test", "--against", "10")["moved"]
    assert sorted(one["number"] for one in moved) == [1, 3]


def test_an_incident_is_worked_by_commands(home: Path) -> None:
    assert triage(home, "join", "2", "1", "--reviewer", "anna")["incident"] == "m1"
    assert triage(home, "join", "3", "1", "--reviewer", "anna")["incident"] == "m1"
    assert triage(home, "show", "3")["together"] == {
        "first": 1,
        "messages": 3,
        "waiting": 3,
        "answer": "",
        "answered": 0,
    }
    assert triage(home, "detach", "3", "--reviewer", "anna")["incident"] == ""
    assert triage(home, "done", "1", "--incident", "--reviewer", "anna")["status"] == "done"
    assert [one["number"] for one in triage(home, "queue")["messages"]] == [3]
