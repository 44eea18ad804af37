"""`[fields]` of inbox.toml: which fields are looked for, one's own patterns, and lists of names.

A pattern of one's own is refused where hostile text could make it run for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from re import _constants as codes  # type: ignore[attr-defined] # not in the stubs
from re import _parser as parser  # type: ignore[attr-defined] # as above
from typing import Any

import msgspec

from rightsized.core.errors import ConfigError
from rightsized.core.tables import read_table

BUILT_IN = ("order", "invoice", "ticket", "customer", "reference", "amount", "date", "email", "phone", "iban")
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)


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
    """A pattern, checked. Raises ConfigError: it is none, matches nothing, or repeats what repeats."""
    try:
        found = re.compile(pattern)
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{pattern!r}, {where}, is no regular expression: {error}.") from None
    if found.match(""):
        raise ConfigError(f"{pattern!r}, {where}, also matches an empty text.", fix="Make it say what must be there.")
    if _runs_away(tree, False):
        raise ConfigError(
            f"{pattern!r}, {where}, repeats something that itself repeats: some texts would take for ever.",
            fix=r"Give the inner part a fixed length, such as (?:[A-Z]{2}-)?\d{5}.",
        )
    return found


def _runs_away(tree: Iterable[Any], repeated: bool) -> bool:
    """Whether an unbounded repeat stands inside another."""
    for code, value in tree:
        unbounded = code in _REPEATS and value[1] > 50
        if unbounded and repeated:
            return True
        inner: list[Any] = []
        if code in _REPEATS:
            inner = [value[2]]
        elif code is codes.SUBPATTERN:
            inner = [value[-1]]
        elif code is codes.BRANCH:
            inner = list(value[1])
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            inner = [value[1]]
        if any(_runs_away(one, repeated or unbounded) for one in inner):
            return True
    return False
