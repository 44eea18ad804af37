"""`rightsized calibrate chat` as a user runs it: with the encoder, as JSON and as text, and its refusals."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chat_samples import sum_rows, write_rows
from rightsized.core.config import load
from rightsized.store.home import Home
from rightsized.tasks.chat_cascade import open_calibrated
from rightsized.tasks.opened import Encoders


def run(home: Path, *arguments: str | Path, status: int = 0) -> str:
    command = [sys.executable, "-m", "rightsized.cli", "calibrate", "chat", *map(str, arguments), "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=home)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_calibrates_with_the_encoder(home: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", sum_rows(400), "expected")
    found: dict[str, Any] = json.loads(run(home, "--data", data, "--max-error", "0.2", "--json"))
    assert found["state"] == "certified"
    assert found["certificate"]["rungs"] == ["small", "large"]
    assert "at most 20% of the messages answered here are wrong" in found["certificate"]["sentence"]
    assert Path(found["folder"]).is_dir()
    encoders = Encoders(load(None, flags={"home": str(home)}))
    try:
        opened = open_calibrated(Home(home), "chat", encoders, now=time.time())
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
