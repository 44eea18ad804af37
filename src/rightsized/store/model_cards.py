"""Reads the facts at the top of a model's README: licence and languages. Everything else is left alone."""

from __future__ import annotations

import re
from pathlib import Path

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]+)?")


def front_matter(readme: Path) -> dict[str, list[str]]:
    """Keys between the two `---` lines that start a README, each with its value or the items of its list."""
    try:
        lines = readme.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return {}
    if not lines or lines[0].strip() != "---":
        return {}
    found: dict[str, list[str]] = {}
    key = ""
    for line in lines[1:]:
        if line.strip() == "---":
            return found
        if line.lstrip().startswith("- ") and key:
            found[key].append(_bare(line.lstrip()[2:]))
        elif match := re.match(r"([A-Za-z_]+):\s*(.*)", line):
            key, value = match[1], _bare(match[2])
            found[key] = [_bare(v) for v in value.strip("[]").split(",") if v.strip()]
    return {}  # no second line of dashes: not front matter


def licence_and_languages(readme: Path) -> tuple[str, tuple[str, ...]]:
    """Such as ("apache-2.0", ("en",)); ("", ()) where nothing is stated."""
    facts = front_matter(readme)
    languages = tuple(v for v in facts.get("language", []) if _LANGUAGE.fullmatch(v))
    return next(iter(facts.get("license", [])), ""), languages


def _bare(value: str) -> str:
    return value.strip().strip("\"'")
