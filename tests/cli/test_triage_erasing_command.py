"""`triage forget` and `triage retention`: what they delete, what they leave, and what they say of the rest."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rightsized.apps.triage.store import MessageStore
from rightsized.explain.neighbours import Examples, save_examples
from tests.apps.triage.triage_samples import a_handled, a_mail
from tests.command_line import command

DAY = 86_400.0


def filled(home: Path, inbox: str, keys: Sequence[str], status: str = "waiting", days: float = 0.0) -> None:
    """Messages of Anna in an inbox, so many days old."""
    at = time.time() - days * DAY
    with contextlib.closing(MessageStore(home / "triage" / inbox, clock=lambda: at)) as store:
        for key in keys:
            store.take(a_mail(key, received=at), "s", key, "sha")
            store.handled(a_handled(key), "routed" if status == "routed" else "waiting", "made")


def texts(home: Path, inbox: str) -> list[bool]:
    with contextlib.closing(MessageStore(home / "triage" / inbox)) as store:
        return [text is not None for (text,) in store.rows("SELECT mail FROM messages ORDER BY number")]


def test_a_person_is_forgotten_in_every_inbox_or_in_one(tmp_path: Path) -> None:
    filled(tmp_path, "inbox", ["m1", "m2"])
    filled(tmp_path, "sales", ["m3"])
    where = ("--home", tmp_path, "--json", "--yes")
    told = json.loads(command("triage", "forget", "Anna@Example.com", "--inbox", "sales", *where).stdout)
    assert (told["messages"], told["inboxes"], told["reference"]) == (1, {"sales": 1}, None)
    assert (texts(tmp_path, "inbox"), texts(tmp_path, "sales")) == ([True, True], [False])
    assert json.loads(command("triage", "forget", "anna@example.com", *where).stdout)["inboxes"] == {"inbox": 2}
    assert texts(tmp_path, "inbox") == [False, False]
    assert json.loads(command("triage", "forget", "anna@example.com", *where).stdout)["messages"] == 0


def test_versions_that_were_taught_with_the_texts_are_named(tmp_path: Path) -> None:
    filled(tmp_path, "inbox", ["m1"])
    folder = tmp_path / "tasks" / "support" / "0001-abc"
    folder.mkdir(parents=True)
    kept = Examples([a_mail().text, "Another."], ["orders", "orders"], np.zeros((2, 4), np.float32))
    save_examples(folder, kept)
    (folder.parent / "current").write_text(folder.name)
    told = command("triage", "forget", "anna@example.com", "--yes", "--home", tmp_path).stdout
    assert "1 examples of support, version 0001-abc (in force), are texts of these conversations" in told


def test_what_is_due_is_counted_and_deleted_when_asked(tmp_path: Path) -> None:
    filled(tmp_path, "inbox", ["m1"], "routed", days=40)
    filled(tmp_path, "inbox", ["m2"], "routed", days=20)
    filled(tmp_path, "inbox", ["m3"], "waiting", days=90)
    where = ("triage", "retention", "--home", tmp_path, "--json")
    (one,) = json.loads(command(*where).stdout)
    assert (one["texts"], one["due"], one["waiting"], one["deleted"]) == (3, 1, 1, 0)
    assert texts(tmp_path, "inbox") == [True, True, True]
    (one,) = json.loads(command(*where, "--apply").stdout)
    assert one["deleted"] == 1
    assert texts(tmp_path, "inbox") == [False, True, True]
    assert "waiting longer" in command(*where[:-1]).stdout
    assert "There is no inbox 'other'" in command(*where[:-1], "--inbox", "other").stderr
