"""`rightsized triage simulate`: patterns, a recorded stream, an inbox's history, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rightsized.apps.triage.records import Address, Mail
from rightsized.apps.triage.store import MessageStore
from tests.command_line import command


def simulate(home: Path, *arguments: str) -> dict[str, Any]:
    done = command("triage", "simulate", "--home", str(home), "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_pattern_under_the_policies(tmp_path: Path) -> None:
    found = simulate(
        tmp_path, *("--pattern", "steady", "--replications", "2", "--people", "2", "--assume", "sort_minutes=2")
    )
    (pattern,) = found["patterns"]
    assert pattern["pattern"] == "steady"
    assert [one["policy"] for one in pattern["outcomes"]] == ["first_come", "keyword_rules", "earliest_due", "ours"]
    assert found["assumptions"]["sort_minutes"] == 2.0
    ours, first = pattern["outcomes"][-1], pattern["outcomes"][0]
    assert first["less"]["human_minutes"]["mean"] > 0
    assert ours["less"]["cost"]["mean"] == 0


def test_the_desk_of_the_inbox_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "desk.toml").write_text('person = [{ name = "Ada" }]\n[targets.low]\nanswer_hours = 3\n', "utf-8")
    stream = tmp_path / "stream.csv"
    stream.write_text("at,level\n" + "".join(f"{1_796_029_200 + 600 * n},low\n" for n in range(30)), "utf-8")
    found = simulate(tmp_path, "--recorded", str(stream), "--replications", "2", "--policy", "ours")
    assert found["desk"]["people"] == ["Ada"]
    assert found["desk"]["targets"]["low"]["answer_hours"] == 3
    (pattern,) = found["patterns"]
    assert pattern["messages"]["mean"] == 30
    assert pattern["outcomes"][0]["within_by_level"]["urgent"]["mean"] is None


def test_an_inboxs_own_messages_are_played_again(tmp_path: Path) -> None:
    store = MessageStore(tmp_path / "triage" / "support")
    for n in range(12):
        mail = Mail(f"m{n}", f"Where is it {n}", "", Address("a@example.com"), received=1_796_029_200.0 + 300 * n)
        store.take(mail, "csv:x", str(n), "")
    store.close()
    found = simulate(tmp_path, "--history", "--inbox", "support", "--replications", "2", "--policy", "first_come")
    assert found["patterns"][0]["messages"]["mean"] == 12


def test_people_get_a_table(tmp_path: Path) -> None:
    done = command("triage", "simulate", "--home", str(tmp_path), "--pattern", "storm", "--replications", "2")
    assert done.returncode == 0
    assert "cost beside ours" in done.stdout
    assert "messages of storms recognised" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--policy", "x"), "No policy is named 'x'"),
        (("--history",), "There is no inbox"),
        (("--assume", "x=1"), "Unknown key 'x'"),
        (("--recorded", "none.csv"), "cannot be read"),
        (("--recorded", "none.csv", "--history"), "Both"),
    ],
)
def test_what_it_refuses(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = command("triage", "simulate", "--home", str(tmp_path), *arguments)
    assert done.returncode != 0
    assert told in done.stderr
