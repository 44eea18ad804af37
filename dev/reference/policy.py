"""policy.toml: every table and key, from guard/policy/file.py; rules about outputs have a page of their own."""

from __future__ import annotations

import msgspec

from reference.markdown import cell, code, table
from reference.settings import _shown, _type, comments
from rightsized.guard.policy import file

OPENING = """# policy.toml

The policy lies in the home folder, or where `[guard] policy` says. It begins with `version = 1`. An unknown key, a
wrong value, two rules with one id, or a check that nothing performs is an error that names the rule and the file.
[Write a policy](../how-to/write-a-policy.md) says how; [what a policy means](../explanation/policy.md) says which rule
binds.

"""
TABLES = (
    ("[defaults]", file.Defaults),
    ("[[requests]]", file.RequestRule),
    ("[[flows]]", file.FlowRule),
    ("[[residency]]", file.ResidencyRule),
)


def page() -> str:
    """The page."""
    parts = [OPENING]
    for title, kind in TABLES:
        parts.append(f"## `{title}`\n\n{kind.__doc__}\n\n{_table(kind)}\n")
    parts.append("## `[[outputs]]`\n\nRules about what models write: [the kinds of safety rules](safety-rules.md).\n")
    return "".join(parts)


def _table(kind: type[msgspec.Struct]) -> str:
    meaning, rows = comments(kind), []
    for field in msgspec.structs.fields(kind):
        default = "" if field.required else code(_shown(field.default))
        rows.append((code(field.name), cell(_type(field.type)), default, cell(meaning[field.name])))
    return table(("key", "type", "default", "meaning"), rows)
