"""`rightsized search adapt`: from a collection and judged questions to an encoder that serves, and back again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.apps.search.adapt.adapt_samples import BASE, NAME, TEXTS, world
from tests.command_line import command


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a home, a settings file and judged questions of its collection."""
    made = world(tmp_path)
    rows = {row.id: row for row in made.judged.rows}
    lines = []
    for question in made.judged.questions:
        (answer,) = made.judged.grades[question.id]
        lines.append(json.dumps({"text": question.text, "document": answer, "answer": rows[answer].text}))
    (tmp_path / "judged.jsonl").write_text("\n".join(lines), "utf-8")
    (tmp_path / "rightsized.toml").write_text(f'home = "{made.home.path}"\n[search]\nencoder = "{BASE}"\n', "utf-8")
    made.collection.close()
    made.encoder.close()
    return tmp_path


def search(folder: Path, *words: str | Path, status: int = 0, as_json: bool = True) -> Any:
    done = command("search", *words, "--config", folder / "rightsized.toml", *(["--json"] if as_json else []))
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout) if as_json else done.stdout


def test_an_encoder_that_is_better_serves_and_can_be_taken_back(made: Path) -> None:
    question = json.loads((made / "judged.jsonl").read_text("utf-8").splitlines()[0])
    report = search(made, "adapt", NAME, "--judged", made / "judged.jsonl", "--epochs", "300")
    assert report["kept"] and report["model"] == f"{BASE}-{NAME}"
    before, after, gain = report["deciding"]["meaning"]["ndcg@10"]
    assert after["mean"] > before["mean"] + 0.2 and gain["low"] > 0
    assert report["trained"]["pairs"] == {"title": 140} and report["problems"] == []
    assert not search(made, "query", NAME, question["text"])["notes"]
    told = search(made, "adapt", NAME, "--back", as_json=False)
    assert f"{NAME} is searched with {BASE} again; {TEXTS} passages were encoded." in told
    assert not search(made, "query", NAME, question["text"])["notes"]


def test_people_are_told_what_was_found(made: Path) -> None:
    told = search(made, "adapt", NAME, as_json=False)
    assert "140 pairs (140 by title)" in told
    assert "There are no judged questions" in told
    assert f"The adapted encoder is installed as {BASE}-{NAME}." in told


def test_what_cannot_be_done_is_said(made: Path) -> None:
    assert "projection, layers" in search(made, "adapt", NAME, "--method", "magic", status=2)["error"]["fix"]
    assert search(made, "adapt", "nothing", status=3)["error"]["code"] == "not-found"
    assert search(made, "adapt", NAME, "--judged", made / "absent.jsonl", status=2)["error"]["code"] == "data"
    if not _has_torch():
        failed = search(made, "adapt", NAME, "--method", "layers", status=2)["error"]
        assert failed["code"] == "missing-extra" and "rightsized[tune]" in failed["fix"]


def _has_torch() -> bool:
    return subprocess.run([sys.executable, "-c", "import torch"], capture_output=True, check=False).returncode == 0
