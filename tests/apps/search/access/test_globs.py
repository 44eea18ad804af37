from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.apps.search.access.globs import Glob
from rightsized.core.errors import ConfigError


@pytest.mark.parametrize(
    ("pattern", "path", "holds"),
    [
        ("contracts/**/*.pdf", "contracts/a.pdf", True),
        ("contracts/**/*.pdf", "contracts/2024/x/a.pdf", True),
        ("contracts/**/*.pdf", "old/contracts/a.pdf", False),
        ("contracts/**/*.pdf", "contracts/a.docx", False),
        ("*.pdf", "deep/down/a.pdf", True),
        ("/*.pdf", "deep/a.pdf", False),
        ("/*.pdf", "a.pdf", True),
        ("**", "anything/at/all", True),
        ("*", "anything/at/all", True),
        ("salaries", "hr/salaries/2024.xlsx", True),
        ("salaries/", "hr/salaries/2024.xlsx", True),
        ("salaries/", "hr/salaries", False),
        ("hr/*/a.txt", "hr/x/y/a.txt", False),
        ("a?c.txt", "abc.txt", True),
        ("a?c.txt", "a/c.txt", False),
        ("[0-9]*.txt", "7b.txt", True),
        ("[!0-9]*.txt", "7b.txt", False),
        ("[]x].txt", "].txt", True),
        ("a.b", "aXb", False),
        (r"\*.txt", "*.txt", True),
        (r"\*.txt", "a.txt", False),
        ("Grüße*.md", "Grüße an alle.md", True),
        ("a\nb", "a\nb", True),
    ],
)
def test_patterns(pattern: str, path: str, holds: bool) -> None:
    assert Glob(pattern).matches(path) is holds


@pytest.mark.parametrize("pattern", ["", "/", "//", "[z-a]x", "x" * 1001])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError):
        Glob(pattern)


_NAMES = st.text("ab.*?", min_size=1, max_size=4)
_PATTERN = st.lists(
    st.one_of(st.just("**"), _NAMES, st.text("ab*?[]!", min_size=1, max_size=5)), min_size=1, max_size=4
)


@given(_PATTERN.map("/".join), st.lists(st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join))
def test_any_pattern_either_compiles_and_answers_or_is_refused(pattern: str, path: str) -> None:
    try:
        glob = Glob(pattern)
    except ConfigError:
        return
    assert glob.matches(path) in (True, False)


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
def test_it_agrees_with_git(tmp_path: Path) -> None:
    patterns = ["*.pdf", "/top.txt", "a/**/z", "**/b/c", "x/", "a/*", "[ab]?", "!x", "d/**", "e/f", r"\!g", "**"]
    paths = ["k.pdf", "q/k.pdf", "top.txt", "q/top.txt", "a/z", "a/1/2/z", "b/c", "1/b/c", "x/1", "1/x/2", "a/1", "b1",
             "c1", "d/1/2", "d", "e/f", "1/e/f", "!g", "1/x"]  # fmt: skip
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for pattern in patterns:
        if pattern.startswith("!"):
            continue
        (tmp_path / ".gitignore").write_text(pattern + "\n")
        for path in paths:
            command = ["git", "-C", str(tmp_path), "check-ignore", "-q", "--no-index", path]
            by_git = subprocess.run(command, check=False).returncode == 0
            assert Glob(pattern).matches(path) is by_git, (pattern, path)
