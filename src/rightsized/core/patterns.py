"""Regular expressions that an owner writes, checked before texts of strangers meet them.

Python's matcher tries every way in which a text can be divided among the parts of a pattern. Where a repeat holds
something that can match in more than one way, the ways multiply with each round, and forty letters keep it busy for
years; two repeats without an end in a row make it slower by the length of the text. Both are refused by their form, so
some harmless patterns are too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from re import _constants as codes  # type: ignore[attr-defined]  # there is no public way to read a pattern's parts
from re import _parser as parser  # type: ignore[attr-defined]  # as above; tests of hostile patterns hold their shape
from typing import Any

from rightsized.core.errors import ConfigError

MANY = 64  # rounds from which on a repeat counts as one without an end
MOST_WAYS = 100_000  # in which choices with an end may divide a text
_REPEATS = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT})


class _HostileError(Exception):
    """Some text would keep the pattern busy."""


def checked(pattern: str, what: str, flags: int = 0) -> re.Pattern[str]:
    """The compiled pattern. `what` names it in errors, such as "The pattern of [[pii.patterns]] 'badge'".

    Raises ConfigError where it is none, or may take more than a time that grows with the text.
    """
    try:
        tree = parser.parse(pattern)
        compiled = re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{what} is no regular expression: {error}.") from None
    try:
        ways, endless = _ways(tree)
    except _HostileError:
        ways, endless = MOST_WAYS + 1, 0
    if endless > 1 or ways > MOST_WAYS:
        raise ConfigError(
            f"{what} repeats within a repeat, or twice without a limit: a hostile text could stop it.",
            fix=rf"Give repeats a limit below {MANY}, such as \d{{1,12}} for \d+; one repeat without a limit may stay.",
        )
    return compiled


def _ways(tree: Iterable[Any]) -> tuple[int, int]:
    """In how many ways choices with an end divide a text, and how many repeats without one there are.

    Raises _HostileError where the ways multiply with the length of the text.
    """
    total, endless = 1, 0
    for code, value in tree:
        if code in _REPEATS:
            least, most, inner = value
            ways, inside = _ways(inner)
            if (most > 1 and inside) or (most >= MANY and ways > 1):
                raise _HostileError
            ways = 1 if most >= MANY else ways**most * (most - least + 1)
            endless += inside + (most >= MANY)
        else:
            found = [_ways(one) for one in _parts(value)]
            ways = max(1, sum(one for one, _ in found))
            endless += sum(inside for _, inside in found)
        total *= ways
        if total > MOST_WAYS:
            raise _HostileError
    return total, endless


def _parts(value: Any) -> Iterator[Any]:
    """Patterns inside one node, at whatever place of it they stand."""
    if isinstance(value, parser.SubPattern):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _parts(one)
