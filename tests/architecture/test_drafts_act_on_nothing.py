"""Drafts reach nobody by themselves: what acts outside knows of no drafts, and drafts of nothing that acts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import rightsized.apps.triage as triage

ROOT = Path(triage.__file__).parent
DRAFTS = "rightsized.apps.triage.drafts"
ACTING = ("actions", "acting", "imap", "zammad", "desk", "rules", "running", "handling", "tending")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def files(name: str) -> list[Path]:
    return sorted((ROOT / name).rglob("*.py")) if (ROOT / name).is_dir() else [ROOT / f"{name}.py"]


def test_drafts_import_nothing_that_acts() -> None:
    found = {name for path in files("drafts") for name in imported(path)}
    assert any(name.startswith("rightsized.tasks.writing") for name in found)
    acting = tuple(f"rightsized.apps.triage.{name}" for name in ACTING)
    assert not [name for name in found if name.startswith((*acting, "smtplib", "socket", "httpx", "urllib"))]


def test_nothing_that_acts_imports_drafts() -> None:
    paths = [path for name in ACTING for path in files(name)]
    assert len(paths) > 20
    assert not [path for path in paths for name in imported(path) if name.startswith(DRAFTS)]
