"""Every code block that a reader may copy runs, in the order of its page, offline."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import Block, Sitting, blocks, matches, name, pages, runnable, steps

from rightsized.data import path

RUN = [page for page in pages() if page.exists() and runnable(page)]
LANGUAGES = {"python", "console", "text", "toml", "nginx", "json"}


@pytest.fixture
def sitting(tmp_path: Path, home: Path) -> Iterator[Sitting]:
    folder = tmp_path / "work"
    folder.mkdir()
    made = Sitting(folder, home)
    yield made
    made.close()


@pytest.mark.needs_encoder
@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=name)
def test_page_runs(page: Path, sitting: Sitting) -> None:
    if "<!-- needs: samples -->" in page.read_text("utf-8"):
        for file in ("support_train.csv", "support_calibrate.csv"):
            shutil.copy(path(file), sitting.folder)
    for block in runnable(page):
        if "curl " in block.text and not shutil.which("curl"):
            continue
        sitting.run(block)


def test_readme_and_tutorial_are_among_them() -> None:
    assert {"README.md", "docs/tutorial/first-task.md"} <= {name(page) for page in RUN}


@pytest.mark.parametrize("page", [p for p in pages() if p.exists()], ids=name)
def test_blocks_say_what_they_are(page: Path) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{name(page)}, line {block.line}: {block.language!r}"
        if block.language == "console":
            assert block.mode in ("", "run", "serve") and block.text.startswith("$ ")


@pytest.mark.parametrize("page", [p for p in pages() if p.exists()], ids=name)
def test_shown_commands_exist(page: Path) -> None:
    from typer.main import get_command

    from rightsized.cli import app

    root = get_command(app)
    for words in re.findall(r"rightsized ((?:[a-z][a-z-]* ?){1,2})", "\n".join(_commands(blocks(page)))):
        first, *rest = words.split()
        command = root.commands.get(first)  # type: ignore[attr-defined]
        assert command is not None, f"{name(page)}: rightsized {first}"
        inner = getattr(command, "commands", None)
        assert inner is None or not rest or rest[0] in inner, f"{name(page)}: rightsized {words}"


def _commands(found: list[Block]) -> list[str]:
    return [
        line for block in found if block.language == "console" for line in block.text.splitlines() if line[:2] == "$ "
    ]


def test_the_matcher_can_fail() -> None:
    assert matches("Certified ... at most 5%\n...", "Certified 2026-11-22 by a test: at\nmost 5% of it\nand more")
    assert not matches("Certified ... at most 5%\n...", "Estimated, at most 5% of it")
    assert not matches("answer delivery", "answer  delivery\nconfidence 0.9")
    assert steps("$ a\n1\n2\n$ b\n") == [("a", "1\n2\n"), ("b", "")]


def test_a_failing_block_is_noticed(tmp_path: Path) -> None:
    made = Sitting(tmp_path, tmp_path / "home")
    try:
        made.run(Block("python", "", "x = 1", 1))
        made.run(Block("python", "", "assert x == 1", 2))
        with pytest.raises(AssertionError, match="ZeroDivisionError"):
            made.run(Block("python", "", "x / 0", 3))
        with pytest.raises(AssertionError, match="no-such-command"):
            made.run(Block("console", "run", "$ no-such-command\n", 4))
        with pytest.raises(AssertionError, match="expected"):
            made.run(Block("console", "run", "$ echo one\ntwo\n", 5))
    finally:
        made.close()
