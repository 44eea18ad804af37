"""`[fields]` of inbox.toml: which fields are looked for, one's own patterns, and lists of names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from rightsized.core.errors import ConfigError
from rightsized.core.patterns import checked
from rightsized.core.tables import read_table

BUILT_IN = ("order", "invoice", "ticket", "customer", "reference", "amount", "date", "email", "phone", "iban")


class FieldSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a message is extracted."""

    off: tuple[str, ...] = ()  # built-in fields that are not looked for
    patterns: dict[str, tuple[str, ...]] = {}  # field -> regular expressions; group `value`, where there is one, counts
    lists: dict[str, dict[str, tuple[str, ...]] | tuple[str, ...]] = {}  # field -> names, with other ways to write them
    fuzzy: bool = True  # names of lists also with a slip of the pen
    day_first: bool = True  # 03/04 is the third of April
    region: str = "US"  # whose telephone numbers need no country code
    quoted: bool = False  # also look at what the message quotes
    model: bool = True  # use a model of tokens, where one was fitted


def read_settings(table: Mapping[str, Any], origin: str = "inbox.toml") -> FieldSettings:
    """The table `[fields]`. Raises ConfigError: an unknown key, or a pattern that cannot be used."""
    where = f"[fields] in {origin}"
    settings = read_table(FieldSettings, dict(table), where)
    for name in settings.off:
        if name not in BUILT_IN:
            raise ConfigError(
                f"off of {where} names {name!r}, which is no field.", fix=f"Known: {', '.join(BUILT_IN)}."
            )
    for name, patterns in settings.patterns.items():
        for one in patterns:
            compiled(one, f"the pattern of {name!r} in {where}")
    return settings


def compiled(pattern: str, where: str) -> re.Pattern[str]:
    """A pattern, checked (`core/patterns`). `where` names it. Raises ConfigError, also if an empty text fits it."""
    found = checked(pattern, f"{pattern!r}, {where},")
    if found.match(""):
        raise ConfigError(f"{pattern!r}, {where}, also matches an empty text.", fix="Make it say what must be there.")
    return found
