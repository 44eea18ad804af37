"""`rules.toml` of an inbox: read, with errors that name the key, the rule and the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from rightsized.apps.triage.rules.records import Rule, Rulebook, Trial, Urgency
from rightsized.core.errors import ConfigError
from rightsized.core.tables import meant, read_tables, read_toml

FILE_NAME = "rules.toml"
_KNOWN = ("rule", "priority", "test", "lists", "default")
_SINGLE = ("sender", "to", "lists", "fields", "priority", "language", "automatic", "words")


def load(folder: Path) -> Rulebook:
    """The rules of the inbox in `folder`; none where it has no file. Raises ConfigError."""
    path = folder / FILE_NAME
    return load_file(path) if path.exists() else Rulebook()


def load_file(path: Path) -> Rulebook:
    """The rules of a file. Raises ConfigError."""
    document, _ = read_toml(path, "rules")
    return parse(document, str(path))


def parse(document: dict[str, Any], origin: str) -> Rulebook:
    """Rules from a TOML document. `origin` names it in errors. Raises ConfigError."""
    for key in document:
        if key not in _KNOWN:
            raise ConfigError(f"Unknown key {key!r} in {origin}.", fix=meant(key, _KNOWN))
    lists = _lists(document.get("lists", {}), origin)
    rules = read_tables(Rule, _listed(document.get("rule", [])), "rule", origin)
    urgencies = read_tables(Urgency, _listed(document.get("priority", [])), "priority", origin)
    trials = read_tables(Trial, document.get("test", []), "test", origin)
    default = document.get("default", "")
    if not isinstance(default, str):
        raise ConfigError(f"default in {origin} is {default!r}, not the name of a queue.")
    for names, what in (([one.name for one in rules], "rule"), ([one.name for one in trials], "test")):
        twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
        if twice is not None:
            raise ConfigError(f"Two [[{what}]] tables in {origin} have the name {twice!r}.", fix="Rename one.")
    for one in rules:
        if not one.then.queue and not one.then.close:
            raise ConfigError(f"[[rule]] {one.name!r} in {origin} names no queue.", fix='Write then.queue = "...".')
    _check_lists(rules, urgencies, lists, origin)
    return Rulebook(rules, urgencies, trials, lists, default, origin)


def _listed(value: Any) -> Any:
    """Tables whose conditions may be given as one value where a list is meant: `sender = "*@example.com"`."""
    if not isinstance(value, list):
        return value
    return [_one(table) if isinstance(table, dict) else table for table in value]


def _one(table: dict[str, Any]) -> dict[str, Any]:
    when = table.get("when")
    if not isinstance(when, dict):
        return table
    made: dict[str, Any] = {
        key: [value] if key in _SINGLE and isinstance(value, str) else value for key, value in when.items()
    }
    labels = made.get("labels")
    if isinstance(labels, dict):
        made["labels"] = {role: [one] if isinstance(one, str) else one for role, one in labels.items()}
    return {**table, "when": made}


def _lists(value: Any, origin: str) -> dict[str, tuple[str, ...]]:
    try:
        return msgspec.convert(value, dict[str, tuple[str, ...]])
    except msgspec.ValidationError as error:
        raise ConfigError(f"[lists] in {origin} cannot be used: {error}.", fix='vip = ["*@example.com"]') from None


def _check_lists(
    rules: tuple[Rule, ...], urgencies: tuple[Urgency, ...], lists: dict[str, tuple[str, ...]], origin: str
) -> None:
    """Every list that a condition names is there. Raises ConfigError."""
    named = [(f"[[rule]] {one.name!r}", one.when) for one in rules]
    named += [(f"[[priority]] number {at}", one.when) for at, one in enumerate(urgencies, 1)]
    for where, when in named:
        for name in when.lists:
            if name not in lists:
                raise ConfigError(f"{where} in {origin} names the list {name!r}.", fix=meant(name, tuple(lists)))
