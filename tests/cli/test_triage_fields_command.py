"""`rightsized triage fields fit`: examples in, a model that the inbox opens out, and how good it is on others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rightsized.apps.triage.fields.model import open_model
from tests.command_line import command

PLACES = ("Hull", "York", "Leeds", "Dover", "Ripon")


def test_fit(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightsized.tune.token_fields.PENALTIES", (1.0,))  # fewer fits
    rows = []
    for number in range(30):
        text = f"Please bring it to {PLACES[number % 5]} at noon, order {number}."
        rows.append({"text": text, "spans": [{"name": "place", "start": 19, "end": text.index(" at")}]})
    path = tmp_path / "marked.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    done = command("triage", "fields", "fit", str(path), "--home", str(home), "--json")
    found = json.loads(done.stdout)
    assert (found["examples"], found["held_out"][-1]) == (30, {"name": "all", "marked": 6, "found": 6, "right": 6})
    model = open_model(home / "triage" / "inbox")
    assert model is not None
    assert [one.value for one in model("Please bring it to Hull at noon.")] == ["Hull"]


def test_examples_that_are_too_few(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "marked.jsonl"
    path.write_text('{"text": "to Hull", "spans": [{"name": "place", "start": 3, "end": 7}]}')
    done = command("triage", "fields", "fit", str(path), "--home", str(home))
    assert done.returncode == 2
    assert "Mark at least 20" in done.stderr
