"""The settings: each key with its type, default, range, environment variable and meaning, from core/config.py."""

from __future__ import annotations

import ast
import inspect
import typing
from typing import Any, get_args

import msgspec

from reference.markdown import cell, code, table
from rightsized.core import config
from rightsized.core.pseudonyms import PseudonymConfig

OPENING = """# Settings

Settings come from `rightsized.toml` in the current folder (or `--config FILE`), then from environment variables, then
from flags; the later wins. An unknown key, a wrong type or a value out of range is an error that names the key and
where it was set.

"""


def page() -> str:
    """The page."""
    parts = [OPENING, f"## General\n\n{_table('', config.Config, only=('home',))}"]
    for section, kind in config.SECTIONS.items():
        parts.append(f"\n## `[{section}]`\n\n{kind.__doc__}\n\n{_table(section, kind)}")
    parts.append(f"\n## `[[tiers]]`\n\n{config.TierConfig.__doc__}\n\n{tables_of(config.TierConfig)}")
    parts.append(f"\n### `pseudonyms` of a tier\n\n{PseudonymConfig.__doc__}\n\n{tables_of(PseudonymConfig)}")
    parts.append(f"\n## Example\n\n```toml\n{_example()}```\n")
    return "".join(parts)


def comments(kind: type) -> dict[str, str]:
    """The comment beside each field of a settings class."""
    source = inspect.getsource(kind)
    lines = source.splitlines()
    fields = [node for node in ast.parse(source).body[0].body if isinstance(node, ast.AnnAssign)]  # type: ignore[attr-defined]  # a class
    found = {}
    for node in fields:
        line = lines[(node.end_lineno or node.lineno) - 1]
        name = node.target.id if isinstance(node.target, ast.Name) else ""
        found[name] = line.partition("#")[2].strip()
    return found


def _table(section: str, kind: type[msgspec.Struct], only: tuple[str, ...] = ()) -> str:
    meaning = comments(kind)
    rows = []
    for field in msgspec.structs.fields(kind):
        if only and field.name not in only:
            continue
        dotted = f"{section}.{field.name}" if section else field.name
        where = (_range(dotted), code(config.variable(dotted)))
        kind_and_default = (cell(_type(field.type)), code(_shown(_default(field))))
        rows.append((code(dotted), *kind_and_default, *where, cell(meaning[field.name])))
    return table(("key", "type", "default", "range", "environment variable", "meaning"), rows)


def tables_of(kind: type[msgspec.Struct], known: dict[str, str] | None = None) -> str:
    """The fields of a table that is not in the environment. `known`: meanings of fields that it inherits."""
    meaning, rows = {**(known or {}), **comments(kind)}, []
    for field in msgspec.structs.fields(kind):
        default = "" if field.required else _shown(_default(field))
        rows.append(
            (code(field.name), cell(_type(field.type)), code(default) if default else "", cell(meaning[field.name]))
        )
    return table(("key", "type", "default", "meaning"), rows)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _type(kind: Any) -> str:
    if "PatternConfig" in str(kind):
        return "list of tables"
    if "PseudonymConfig" in str(kind):
        return "table"
    if "tuple" in str(kind):
        return "list of text"
    if "dict" in str(kind):
        return "table"
    if "Literal" in str(kind):
        return "one of " + ", ".join(map(str, get_args(kind)))
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(code(_shown(choice)) for choice in typing.get_args(kind))
    words = {"str": "text", "int": "whole number", "bool": "true or false"}
    return words.get(getattr(kind, "__name__", ""), "number")


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _range(dotted: str) -> str:
    limits = config._RANGES.get(dotted)
    return " to ".join(f"{limit:,.0f}" if limit == int(limit) else f"{limit:g}" for limit in limits or ())


def _example() -> str:
    lines = [f"home = {_shown(config.Config().home)}"]
    for section, kind in config.SECTIONS.items():
        lines.append(f"\n[{section}]")
        for field in msgspec.structs.fields(kind):
            lines.append(f"{field.name} = {_shown(_default(field))}  # {comments(kind)[field.name]}")
    return "\n".join(lines) + "\n"
