"""The page on a small model below an inbox: its files work as they stand, by the commands it names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import command
from tests.conftest import copy_home
from tests.engines.tiny_gguf import write_llama

pytest.importorskip("xllamacpp")

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "triage-small-model.md").read_text("utf-8")
FILES = dict(re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))
ABOUT = {"name", "tier", "model", "decision", "labels", "reason", "latency_ms", "left_out"}


@pytest.fixture(scope="module")
def desk(fitted_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's folder, with the task that its `fit` makes and a model of random weights."""
    folder = tmp_path_factory.mktemp("desk")
    copy_home(fitted_home, folder / "home")
    (folder / "models").mkdir()
    write_llama(folder / "models" / "small.gguf", context=4096)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def said(*words: str, cwd: Path) -> list[dict[str, Any]]:
    done = command("triage", *words, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr + done.stdout
    lines = done.stdout.splitlines()
    return [json.loads(one) for one in lines] if words[0] == "run" else [json.loads(done.stdout)]


@pytest.mark.needs_encoder
def test_the_files_of_the_page_do_what_it_says(desk: Path) -> None:
    assert sorted(FILES) == [
        "home/triage/inbox/inbox.toml",
        "home/triage/inbox/rules.toml",
        "mail.csv",
        "rightsized.toml",
    ]
    sure, unsure, injected = said("run", "--source", "csv:mail.csv", cwd=desk)
    assert (sure["tier"], sure["route"]["queue"], sure["route"]["automatic"]) == (3, "logistics", True)
    assert sure["labels"]["department"]["next_tier"] is None
    for one in (unsure, injected):
        label = one["labels"]["department"]
        assert label["next_tier"].keys() == ABOUT
        assert label["next_tier"]["name"] == "small"
        assert label["next_tier"]["labels"] != ["vip"]
        assert not label["certified"]
        assert not one["route"]["automatic"]
        assert one["tier"] == 0
        assert label["decision"] != label["next_tier"]["decision"]
    (draft,) = said("draft", "2", cwd=desk)
    assert (draft["tier"], draft["decision"] != "") == ("small", True)
    assert draft["checks"]


def test_the_line_that_the_page_shows_is_json() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    label = json.loads(shown)["labels"]["department"]
    assert label["next_tier"].keys() == ABOUT
    assert (label["certified"], label["confidence"]) == (False, 0.0)
