"""Writes docs/reference/ from the code, and the README's table of figures from the benchmarks' results.

`--check` writes nothing and fails where a page is stale.

python dev/make_reference.py [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from reference import api, command_line, errors, figures, http, policy, roles, safety_rules, settings

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
README = Path(__file__).parents[1] / "README.md"
NOTE = "<!-- Written by dev/make_reference.py from the code. Change the code, then run `make docs`. -->\n\n"
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": command_line.page,
    "config.md": settings.page,
    "errors.md": errors.page,
    "http.md": http.page,
    "policy.md": policy.page,
    "python.md": api.page,
    "roles.md": roles.page,
    "safety-rules.md": safety_rules.page,
}


def stale() -> list[str]:
    """Names of pages that differ from what the code says."""
    found = []
    for name, write in PAGES.items():
        path = FOLDER / name
        if not path.exists() or path.read_text("utf-8") != NOTE + write():
            found.append(name)
    text = README.read_text("utf-8")
    return [*found, README.name] if figures.readme(text) != text else found


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        names = stale()
        if names:
            sys.stderr.write(f"Stale: {', '.join(names)}. Run: make docs\n")
        return 1 if names else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (FOLDER / name).write_text(NOTE + write(), "utf-8")
    README.write_text(figures.readme(README.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
