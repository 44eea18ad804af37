"""Patterns that the owner of an inbox writes, checked before hostile mail meets them.

Python's matcher tries every way in which a text can be divided among the parts of a pattern. Where a repeat holds
something that can match in more than one way, the ways multiply with each round, and forty letters are enough to keep
it busy for years. Such patterns are refused by their form, so some harmless ones are too. What is let through takes a
time that is bounded by a power of the text's length: each unlimited repeat in a row adds one to the power.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants as codes  # type: ignore[attr-defined]  # private, not in the stubs; a test holds its shape
from re import _parser as parser  # type: ignore[attr-defined]  # as above
from typing import Any

from rightsized.core.errors import ConfigError

UNLIMITED = 50  # rounds from which on a repeat counts as one without an end
MOST_WAYS = 10_000  # in which the limited choices of a pattern may divide a text
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


class _RunsAwayError(Exception):
    """The pattern could take for ever."""


def compiled(pattern: str, where: str) -> re.Pattern[str]:
    """A pattern, checked. `where` names it in errors. Raises ConfigError: it is none, matches nothing, or runs away."""
    try:
        found = re.compile(pattern)
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{pattern!r}, {where}, is no regular expression: {error}.") from None
    if found.match(""):
        raise ConfigError(f"{pattern!r}, {where}, also matches an empty text.", fix="Make it say what must be there.")
    try:
        _ways(tree)
    except _RunsAwayError:
        raise ConfigError(
            f"{pattern!r}, {where}, repeats something that itself repeats or has a choice: some texts would take "
            "for ever.",
            fix=r"Give what is repeated one form of one length, such as (?:[A-Z]{2}-)?\d{5}.",
        ) from None
    return found


def _ways(tree: Iterable[Any]) -> tuple[int, bool]:
    """In how many ways limited choices can divide a text, and whether there is a repeat without an end.

    Raises _RunsAwayError where the ways multiply with the length of the text, or are too many.
    """
    total, endless = 1, False
    for code, value in tree:
        if code in _REPEATS:
            low, high, inner = value
            ways, inside = _ways(inner)
            if (high > 1 and inside) or (high > UNLIMITED and ways > 1):
                raise _RunsAwayError
            ways = 1 if high > UNLIMITED else ways**high * (high - low + 1)
            endless = endless or inside or high > UNLIMITED
        else:
            found = [_ways(one) for one in _inside(code, value)]
            ways = max(1, sum(one for one, _ in found))
            endless = endless or any(inside for _, inside in found)
        total *= ways
        if total > MOST_WAYS:
            raise _RunsAwayError
    return total, endless


def _inside(code: Any, value: Any) -> list[Any]:
    """The patterns within one item: alternatives, or the one that it encloses."""
    if code is codes.SUBPATTERN:
        return [value[-1]]
    if code is codes.ATOMIC_GROUP:
        return [value]
    if code is codes.BRANCH:
        return list(value[1])
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return [value[1]]
    if code is codes.GROUPREF_EXISTS:
        return [one for one in value[1:] if one is not None]
    return []
