"""The kinds of `[[outputs]]` rules of policy.toml, from guard/policy/outputs.py."""

from __future__ import annotations

import inspect

from reference.settings import comments, tables_of
from rightsized.guard.policy.outputs import KINDS, OutputRule

OPENING = """# Safety rules

An `[[outputs]]` table in `policy.toml` is one rule about what models write. `check` says which kind; every kind knows
the settings below, and its own. [How to use them](../how-to/safety-rules.md).

"""


def page() -> str:
    """The page."""
    shared = comments(OutputRule)
    parts = [OPENING, f"## Every rule\n\n{inspect.getdoc(OutputRule)}\n\n{tables_of(OutputRule)}"]
    for name, kind in KINDS.items():
        parts.append(f'\n## `check = "{name}"`\n\n{inspect.getdoc(kind)}\n\n{_own(kind, shared)}')
    return "".join(parts)


def _own(kind: type[OutputRule], shared: dict[str, str]) -> str:
    """The settings that only this kind has, and those whose default differs."""
    common = set(tables_of(OutputRule).splitlines()[2:])
    lines = tables_of(kind, shared).splitlines()
    return "\n".join([*lines[:2], *(line for line in lines[2:] if line not in common)]) + "\n"
