"""`rightsized calibrate chat` as a user runs it: with the encoder, as JSON and as text, and its refusals."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from chat_samples import sum_rows, write_rows
from rightsized.core.config import load
from rightsized.store.home import Home
from rightsized.tasks.chat_admission import routing_digests
from rightsized.tasks.chat_cascade import open_calibrated
from rightsized.tasks.opened import Encoders
from tests.command_line import command

ENOUGH = 280  # rows that certify, where how many is not the point


def run(home: Path, *arguments: str | Path, status: int = 0) -> str:
    done = command("calibrate", "chat", *arguments, "--home", home, cwd=home)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_calibrates_with_the_encoder(home: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", sum_rows(400), "expected")
    found: dict[str, Any] = json.loads(run(home, "--data", data, "--max-error", "0.2", "--json"))
    assert found["state"] == "certified"
    assert found["certificate"]["rungs"] == ["small", "large"]
    assert "at most 20% of the requests answered here are wrong" in found["certificate"]["sentence"]
    assert Path(found["folder"]).is_dir()
    config = load(None, flags={"home": str(home)})
    encoders = Encoders(config)
    try:
        opened = open_calibrated(Home(home), "chat", encoders, serving=routing_digests(config), now=time.time())
        assert opened.void == ""
        assert opened.certificate.digests["encoder"].startswith("sha256:")
    finally:
        encoders.close()
    said = run(home, "--data", data, "--max-error", "0.2")
    assert "Certified" in said and "accepted from" in said and "The settings name no tier small, large" in said


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--data", "absent.jsonl"], 3, "There is no file"),
        (["--data", "x.jsonl", "--max-error", "2"], 2, "must lie between 0 and 1"),
        (["--data", "x.jsonl", "--costs", "a,b"], 2, "is not a list of numbers"),
        (["--data", "x.jsonl", "--name", "No Name"], 2, "cannot name a task"),
    ],
)
def test_errors_are_sentences(home: Path, arguments: list[str], status: int, words: str) -> None:
    assert words in run(home, *arguments, status=status).replace("\n", " ")


def versions(home: Path) -> dict[str, bool]:
    done = command("calibrate", "versions", "chat", "--json", "--home", home)
    return {found["state"]: found["in_force"] for found in json.loads(done.stdout)}


def test_a_certified_cascade_is_not_replaced_by_one_that_is_not(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", sum_rows(ENOUGH), "expected")
    few = write_rows(tmp_path / "few.jsonl", sum_rows(30), "expected")
    first = json.loads(run(tmp_path, "--data", data, "--max-error", "0.2", "--encoder", "", "--json"))
    assert (first["state"], first["in_force"]) == ("certified", first["version"])
    second = run(tmp_path, "--data", few, "--max-error", "0.2", "--encoder", "")
    assert f"The certified version {first['version']} stays in force" in second
    assert versions(tmp_path)["certified"]
    taken = json.loads(run(tmp_path, "--data", few, "--max-error", "0.2", "--encoder", "", "--replace", "--json"))
    assert taken["in_force"] == taken["version"] != first["version"]
    assert not versions(tmp_path)["certified"]
    for _ in range(2):  # past the one that never came to stay
        command("calibrate", "rollback", "chat", "--home", tmp_path).check_returncode()
    assert versions(tmp_path)["certified"]


def test_a_cascade_of_tiers_that_the_settings_do_not_name_replaces_none(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", sum_rows(ENOUGH), "expected")
    first = json.loads(run(tmp_path, "--data", data, "--max-error", "0.2", "--encoder", "", "--json"))
    (tmp_path / "rightsized.toml").write_text('[[tiers]]\nname = "mine"\nengine = "fake"\n')
    said = json.loads(run(tmp_path, "--data", data, "--max-error", "0.3", "--encoder", "", "--json"))
    assert said["in_force"] == first["version"] != said["version"]


def test_collect_asks_the_tiers_and_says_what_it_cost(tmp_path: Path) -> None:
    (tmp_path / "rightsized.toml").write_text(
        '[[tiers]]\nname = "small"\nengine = "fake"\nsamples = 2\nprice_out = 1000.0\n'
        '[[tiers]]\nname = "large"\nengine = "fake"\ntier = 1\n'
    )
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "one two"}\n{"prompt": "three"}\n')
    collect = ("calibrate", "collect", "--home", tmp_path, "--data", "prompts.jsonl", "--out", "rows.jsonl")

    def collected(*more: str, status: int = 0) -> str:
        done = command(*collect, *more, cwd=tmp_path)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    found = json.loads(collected("--json"))
    assert (found["rows"], found["calls"], found["tiers"]) == (2, 8, ["small", "large"])
    assert found["cost"] == pytest.approx((3 * 2 + 3 * 1) * 1000 / 1e6)
    assert "0 rows asked" in collected() and "2 were there before" in collected()
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()]
    assert rows[0]["samples"] == {"small": ["one two", "one two"]}
    assert "is not known" in collected("--data-class", "odd", status=2)
