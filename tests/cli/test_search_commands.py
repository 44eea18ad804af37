"""`rightsized search`: what is asked on the command line, with a real encoder and a tier that reranks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rightsized import data
from tests.command_line import command
from tests.conftest import copy_home, share_encoder, share_vectors, shared_folder
from tests.engines.tiny_gguf import folder, write_reranker

NAMES = ("policies/annual-leave.pdf", "policies/remote-work.html", "hr/salary-bands-2026.xlsx")
TIER = """
[search]
reranker = "ranker"
reranker_seconds = 60.0
reranker_passages = {passages}

[[tiers]]
name = "ranker"
engine = "llamacpp"
model = "{model}"
operations = ["rerank"]
context = 2048
options = {{threads = 1, batch = 2048}}
"""


def search(home: Path, *words: str | Path, status: int = 0) -> Any:
    done = command("search", *words, "--home", home, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def taken_in(encoder_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three of the sample documents under their own rules of access. Never write to it."""
    folder = tmp_path_factory.mktemp("company")
    home = share_vectors(shared_folder(tmp_path_factory), share_encoder(encoder_home, folder / "home"))
    root, samples = folder / "documents", data.folder("documents")
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(samples / name, root / name)
    access = Path(shutil.copy(samples / ".rightsized-access.toml", root))
    access.chmod(0o644)
    search(home, "add", root, "--collection", "company")
    return home


@pytest.fixture
def company(taken_in: Path, tmp_path: Path) -> Path:
    return copy_home(taken_in, tmp_path / "home")


def test_suggestions_and_similar_documents_are_the_askers(company: Path) -> None:
    typed = search(company, "suggest", "company", "salary ban", "--as", "group:hr")
    assert any("bands" in one["text"].lower() for one in typed["suggestions"])
    hidden = search(company, "suggest", "company", "salary ban", "--as", "everyone")
    assert not any("bands" in one["text"].lower() for one in hidden["suggestions"])
    meant = search(company, "suggest", "company", "anual leave ", "--as", "everyone")
    assert {"text": "annual leave ", "kind": "spelling", "document": ""} in meant["suggestions"]
    like = search(company, "similar", "company", "policies/annual-leave.pdf", "--as", "everyone")
    assert [hit["document"]["key"] for hit in like["hits"]] == ["policies/remote-work.html"]
    search(company, "similar", "company", "hr/salary-bands-2026.xlsx", "--as", "everyone", status=3)


def test_a_tier_reranks_what_is_asked(company: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    settings = tmp_path / "rightsized.toml"
    settings.write_text(TIER.format(model=write_reranker(folder() / "reranker.gguf", context=2048), passages=3))
    found = search(company, "query", "company", "carried over leave", "--as", "everyone", "--config", settings)
    assert found["notes"] == []
    scored = [hit for hit in found["hits"] if "reranker" in hit["scores"]]
    assert len(scored) == 3 and found["hits"][:3] == scored
    by_model = [hit["scores"]["reranker"] for hit in scored]
    assert by_model == sorted(by_model, reverse=True)
