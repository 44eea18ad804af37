"""`rightsized triage rules test`: tests in the file, what is wrong with it, and what a changed file would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rightsized.apps.triage.store import MessageStore
from tests.apps.triage.triage_samples import a_handled, a_mail
from tests.command_line import command

RULES = """
[[rule]]
name = "deliveries"
when.labels.department = "orders"
then.queue = "logistics"

[[test]]
name = "a parcel"
text = "Where is it?"
labels.department = "orders"
expect = { queue = "logistics", automatic = true }
"""


def rules(home: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = command("triage", "rules", "test", "--home", str(home), "--json", *arguments)
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def written(folder: Path, text: str, name: str = "rules.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_tests_in_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "triage" / "inbox"
    written(folder, RULES)
    status, found = rules(tmp_path)
    assert (status, found["rules"], found["problems"]) == (0, 1, [])
    assert found["tests"] == [{"name": "a parcel", "wrong": []}]
    written(folder, RULES.replace("logistics", "post", 1))
    status, found = rules(tmp_path)
    assert status == 1
    assert "queue is 'post', not 'logistics'" in found["tests"][0]["wrong"][0]


def test_what_a_changed_file_would_do_to_stored_messages(tmp_path: Path) -> None:
    folder = tmp_path / "triage" / "inbox"
    written(folder, RULES)
    store = MessageStore(folder)
    for key in ("m1", "m2"):
        store.take(a_mail(key), "fake:", key, "")
    store.handled(a_handled("m1"), "routed", "made")
    store.close()
    other = written(tmp_path, RULES.replace("logistics", "post"), "other.toml")
    status, found = rules(tmp_path, "--file", str(other), "--against", "10")
    assert status == 0
    (moved,) = found["moved"]  # m2 was not read yet
    assert (moved["was"], moved["queue"], moved["automatic"]) == ("orders", "post", True)
    shown = command("triage", "rules", "test", "--home", str(tmp_path), "--file", str(other), "--against", "10")
    assert "1 of the latest 10 messages would go elsewhere." in shown.stdout


def test_actions_that_no_system_takes(tmp_path: Path) -> None:
    folder = tmp_path / "triage" / "inbox"
    written(
        folder, RULES.replace('then.queue = "logistics"', 'then = { queue = "logistics", labels = ["x"], note = "y" }')
    )
    assert rules(tmp_path)[1]["problems"] == []  # nothing is done
    written(folder, "[actions]\nenabled = true\n", "inbox.toml")
    (said,) = rules(tmp_path)[1]["problems"]
    assert "'deliveries' asks for label, which no system of this inbox takes" in said
    written(folder, '[actions]\nenabled = true\ndesks = ["zamad"]\n', "inbox.toml")
    assert "Did you mean zammad" in rules(tmp_path)[1]["problems"][0]


def test_no_file(tmp_path: Path) -> None:
    done = command("triage", "rules", "test", "--home", str(tmp_path))
    assert done.returncode == 3
    assert "There is no rules file" in done.stderr


def test_where_there_are_no_rules_it_says_which_and_what_to_do(tmp_path: Path) -> None:
    status, found = rules(tmp_path)
    assert (status, found["error"]["code"]) == (3, "not-found")
    assert str(tmp_path / "triage" / "inbox" / "rules.toml") in found["error"]["fix"]
    written(tmp_path / "triage" / "support", RULES)
    assert "--inbox support" in rules(tmp_path)[1]["error"]["fix"]
    assert "absent.toml" in rules(tmp_path, "--file", "absent.toml")[1]["error"]["message"]


def test_what_would_fail_once_actions_are_switched_on_is_said_before(tmp_path: Path) -> None:
    folder = tmp_path / "triage" / "inbox"
    written(folder, RULES.replace('then.queue = "logistics"', 'then = { queue = "logistics", labels = ["parcel"] }'))
    status, found = rules(tmp_path)
    assert (status, found["problems"]) == (0, [])
    assert found["not_taken"] == ["The rule 'deliveries' asks for label, which no system of this inbox takes."]
    said = command("triage", "rules", "test", "--home", str(tmp_path)).stdout
    assert "Once actions are switched on, messages would fail" in said
    written(folder, "[actions]\nenabled = true\n", "inbox.toml")
    status, found = rules(tmp_path)
    assert (status, found["problems"]) == (1, found["not_taken"])
    assert "[actions] desks" in command("triage", "rules", "test", "--home", str(tmp_path)).stdout
