"""Settings and policies shown in the documentation are ones that this program takes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from doc_pages import Block, blocks, name, pages

from rightsized.core.config import load
from rightsized.guard.policy.file import build
from rightsized.guard.safety import ENFORCED

PRIVACY = ("docs/how-to/hide-personal-data.md", "docs/how-to/safety-rules.md")
SHOWN = [(page, one) for page in pages() if name(page) in PRIVACY for one in blocks(page) if one.language == "toml"]


@pytest.mark.parametrize(("page", "block"), SHOWN, ids=[f"{name(page)}-{one.line}" for page, one in SHOWN])
def test_what_is_shown_is_taken(page: Path, block: Block, tmp_path: Path) -> None:
    document = tomllib.loads(block.text)
    if "version" in document:
        policy = build(document, block.text.encode(), name(page), enforced=ENFORCED)
        assert policy.ids
    else:
        file = tmp_path / "rightsized.toml"
        file.write_text(block.text)
        assert load(file, environment={}).tiers


def test_there_are_some() -> None:
    assert len(SHOWN) >= 3
