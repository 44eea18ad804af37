"""Files, functions and parameter lists stay small. There is no list of exceptions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 400, 60, 8
FILES = sorted(p for top in ("src", "benchmarks", "examples", "tests", "dev") for p in (ROOT / top).rglob("*.py"))


def oversized(source: str) -> list[str]:
    """What in this source is over a limit."""
    found = []
    if (lines := len(source.splitlines())) > MAX_LINES:
        found.append(f"file: {lines} lines")
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > MAX_FUNCTION_LINES:
            found.append(f"{node.name}: {length} lines")
        arguments = node.args
        count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
        count -= bool(arguments.args and arguments.args[0].arg in ("self", "cls"))
        if count > MAX_PARAMETERS:
            found.append(f"{node.name}: {count} parameters")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_within_limits(path: Path) -> None:
    assert oversized(path.read_text("utf-8")) == []


def test_the_check_can_fail() -> None:
    parameters = ", ".join(f"p{i}" for i in range(9))
    assert oversized(f"def f({parameters}): pass") == ["f: 9 parameters"]
    assert oversized("def f():\n" + "    x = 1\n" * 60) == ["f: 61 lines"]
    assert oversized("x = 1\n" * 401) == ["file: 401 lines"]
