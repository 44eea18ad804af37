"""`rightsized triage fields`: examples in, a model out, and how good it is on others; a sample in, certificates out."""

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


def test_a_sample_is_drawn_filled_in_and_tested_and_what_is_shown_reaches_each_message(
    home: Path, tmp_path: Path
) -> None:
    where = ("--inbox", "parcels", "--home", str(home))
    folder = home / "triage" / "parcels"
    folder.mkdir(parents=True)
    (folder / "inbox.toml").write_text("[fields.patterns]\norder = ['FH-\\d{5}']\n", "utf-8")
    mails = tmp_path / "mails"
    mails.mkdir()
    for number in range(62):
        (mails / f"{number}.eml").write_text(
            f"{head_of(str(number))}Order FH-{number:05} is late, I paid 12,50 EUR.\n", "utf-8"
        )
    command("triage", "run", "--source", f"eml:{mails}", *where)
    path = tmp_path / "sample.jsonl"
    few = command("triage", "fields", "sample", str(path), "--count", "200", *where)
    assert (few.returncode, "62 messages are kept" in few.stderr) == (2, True)
    drawn = command("triage", "fields", "sample", str(path), "--count", "56", "--json", *where)
    assert json.loads(drawn.stdout)["among"] == 62, drawn.stderr
    early = command("triage", "fields", "certify", str(path), *where)
    assert (early.returncode, "0 of the 56 messages are marked as read" in early.stderr) == (2, True)
    head, *rows = path.read_text("utf-8").splitlines()
    filled = []
    for row in map(json.loads, rows):
        number = row["text"].split()[1]
        filled.append(json.dumps({**row, "read": True, "fields": {"order": [number], "amount": ["99.00 EUR"]}}))
    path.write_text("\n".join([head, *filled]), "utf-8")
    tested = command("triage", "fields", "certify", str(path), "--max-error", "0.1", "--json", *where)
    assert tested.returncode == 0, tested.stderr
    states = {one["name"]: one["certificate"]["state"] for one in json.loads(tested.stdout)["fields"]}
    assert states == {"amount": "none", "order": "certified"}
    shown = command("triage", "fields", "show", *where)
    assert "order: certified" in shown.stdout
    assert "amount: none (the test did not show it)" in shown.stdout
    (mails / "new.eml").write_text(f"{head_of('new')}Order FH-77777 is late, I paid 5 EUR.\n", "utf-8")
    run = command("triage", "run", "--source", f"eml:{mails}", "--json", *where)
    fields = {one["name"]: one for one in json.loads(run.stdout.splitlines()[-1])["fields"]}
    assert (fields["order"]["value"], fields["order"]["certified"]) == ("FH-77777", True)
    assert fields["order"]["certificate"].startswith("sha256:")
    assert (fields["amount"]["state"], fields["amount"]["certified"]) == ("none", False)


def head_of(key: str) -> str:
    return f"From: jo@example.com\nMessage-ID: <{key}@example.com>\nSubject: Parcel {key}\n\n"
