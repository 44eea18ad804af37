"""`rightsized search clauses`, `context` and `summary` on a folder: by name, as an asker, with a model or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.apps.search.long.long_samples import SPECIAL, SUBJECTS, contract
from tests.command_line import command

pytestmark = pytest.mark.needs_encoder
ASKED = "for which reasons may a party end the agreement for convenience"
TIER = """
[[tiers]]
name = "small"
engine = "fake"
model = "tiny"
context = 4096
options = {{answer = "{said}"}}
"""
ENDS = SPECIAL["Termination"]


def search(home: Path, *words: str, status: int = 0, as_json: bool = True) -> Any:
    done = command("search", *words, "--home", home, *(["--json"] if as_json else []))
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout) if as_json else done.stdout


def test_a_contract_is_ranked_packed_and_summarised(home: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "msa.md").write_text(contract(2), "utf-8")
    search(home, "add", str(root), "--collection", "docs")

    ranked = search(home, "clauses", "docs", "msa.md", ASKED, "--limit", "3")
    assert ranked["ranked"][0]["clause"]["headings"][-1] == "6. Termination"
    assert len(ranked["ranked"]) == 3 and ranked["clauses"] == 3 + len(ranked["below"])
    told = search(home, "clauses", "docs", "master services agreement", ASKED, as_json=False)
    assert "6. Termination" in told and f"All {ranked['clauses']} clauses were scored" in told

    packed = search(home, "context", "docs", "msa.md", ASKED, "--budget", "150")
    assert packed["exact"] and packed["tokens"] <= 150 and "for convenience" in packed["text"]
    assert search(home, "context", "docs", "msa.md", ASKED, "--budget", "150", as_json=False).strip() == packed["text"]

    summary = search(home, "summary", "docs", "msa.md")
    assert {one["headings"][-1].partition(". ")[2] for one in summary["sections"]} >= set(SUBJECTS)
    assert "6. Termination" in search(home, "summary", "docs", "msa.md", as_json=False)

    hidden = search(home, "clauses", "docs", "msa.md", ASKED, "--as", "user:nobody-here", status=3)
    assert hidden["error"]["code"] == "not-found"
    refused = search(home, "summary", "docs", "msa.md", "--written", status=2)
    assert refused["error"]["code"] == "unsupported"


def test_a_model_of_the_settings_writes_and_each_sentence_leads_to_its_place(home: Path, tmp_path: Path) -> None:
    root, settings = tmp_path / "root", tmp_path / "rightsized.toml"
    root.mkdir()
    (root / "msa.md").write_text(contract(2), "utf-8")
    cited = "".join(f"[{number}]" for number in range(1, 40))
    settings.write_text(TIER.format(said=f"{ENDS.removesuffix('.')} {cited}."), "utf-8")
    search(home, "add", str(root), "--collection", "docs")
    asked = ("summary", "docs", "msa.md", "--written", "--config", str(settings))
    found = search(home, *asked)
    (one,) = found["sentences"]
    assert (found["method"], found["status"], one["text"]) == ("write", "written", ENDS)
    assert all(ENDS in " ".join(place["quote"].split()) for place in one["citations"])
    assert [step["kind"] for step in found["steps"]].count("map") > 1 and found["left_out"] > 0
    assert all(step["done"] and step["decision"] for step in found["steps"])
    settings.write_text(TIER.format(said="The supplier may end it at once [1]."), "utf-8")
    refused = search(home, *asked, status=1)
    assert refused["status"] == "abstained" and refused["sentences"] == []
