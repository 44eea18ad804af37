"""The generated reference is fresh, and nothing that a user meets is missing from the documentation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import ROOT

from rightsized.core import config
from rightsized.core.errors import RightsizedError
from rightsized.server import problems
from rightsized.server.routes import OPERATIONS

REFERENCE = ROOT / "docs" / "reference"


def text(page: str) -> str:
    return (ROOT / "docs" / page).read_text("utf-8")


def error_classes(kind: type[RightsizedError] = RightsizedError) -> list[type[RightsizedError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == RightsizedError.__module__]
    return [*children, *(inner for child in children for inner in error_classes(child))]


def test_reference_is_fresh() -> None:
    command = [sys.executable, str(ROOT / "dev" / "make_reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_stale_page_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "dev"))
    import make_reference

    readme = tmp_path / "README.md"
    readme.write_text((ROOT / "README.md").read_text("utf-8"), "utf-8")
    monkeypatch.setattr(make_reference, "FOLDER", tmp_path)
    monkeypatch.setattr(make_reference, "README", readme)
    assert make_reference.main([]) == 0 and make_reference.stale() == []
    page = tmp_path / "config.md"
    page.write_text(page.read_text("utf-8").replace("server.port", "server.gate"), "utf-8")
    assert make_reference.stale() == ["config.md"] and make_reference.main(["--check"]) == 1


def test_every_command_and_option_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "dev"))
    from reference.command_line import commands

    page = text("reference/cli.md")
    found = commands()
    assert len(found) >= 15
    for path, command in found:
        section = page.split(f"## `{path}`\n", 1)[1].split("\n## ", 1)[0]
        assert command.help, path
        for parameter in command.params:
            written = parameter.opts[0] if parameter.param_type_name == "option" else (parameter.name or "").upper()
            assert f"`{written}" in section or f"{written}`" in section, f"{path}: {written}"
            assert parameter.name == "help" or getattr(parameter, "help", None), f"{path}: {written} has no help"


@pytest.mark.parametrize("key", config.keys())
def test_every_setting_is_documented(key: str) -> None:
    row = next(line for line in text("reference/config.md").splitlines() if line.startswith(f"| `{key}` |"))
    assert config.variable(key) in row
    assert row.rstrip(" |").rpartition("|")[2].strip(), f"{key} has no meaning"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
def test_every_route_is_documented(operation: object) -> None:
    assert f"## `{operation.method} {operation.path}`" in text("reference/http.md")  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", error_classes(), ids=lambda k: k.__name__)
def test_every_error_is_documented_with_what_to_do(kind: type[RightsizedError]) -> None:
    assert f"| `{kind.__name__}` | `{kind('').code}` | {kind.status} |" in text("reference/errors.md")
    assert f"\n## {kind.__name__} (`{kind('').code}`)\n" in text("how-to/troubleshoot.md")


@pytest.mark.parametrize("code", problems.HTTP_KINDS)
def test_every_http_problem_is_documented(code: str) -> None:
    assert f"| `{code}` | {problems.HTTP_KINDS[code][0]} |" in text("reference/errors.md")


def test_every_public_name_is_documented() -> None:
    import rightsized

    page = text("reference/python.md")
    assert [name for name in rightsized.__all__ if f"\n## `{name}`\n" not in page] == []


def test_every_folder_of_the_package_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    folders = sorted(p.parent.name for p in (ROOT / "src" / "rightsized").glob("*/__init__.py"))
    assert [folder for folder in folders if f"`{folder}/`" not in readme] == []


def test_every_adr_is_in_their_index() -> None:
    index = text("adr/README.md")
    files = sorted(p.name for p in (ROOT / "docs" / "adr").glob("0*.md"))
    assert [file for file in files if f"({file})" not in index] == []
    for file in files:
        page = text(f"adr/{file}")
        parts = [
            page.find(f"**{part}.**") for part in ("Context", "Decision", "Consequences", "What would change our mind")
        ]
        assert -1 not in parts and parts == sorted(parts), file
