"""What a configuration adds: patterns of one's own, words always found, texts never reported.

A pattern is checked before it is used: one whose time may grow faster than the text (a repeat within a repeat) is
refused, because whoever writes the text could stop the server with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from re import _constants as codes  # type: ignore[attr-defined]  # no public way to read a compiled pattern
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from rightsized.core.errors import ConfigError
from rightsized.core.generation import DataClass
from rightsized.core.pii import Finding, PatternConfig, PiiConfig
from rightsized.guard.pii.recogniser import PROVEN, Example, Hit
from rightsized.guard.pii.view import View

DENIED = "deny_listed"
_REPEATS = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT})
_MANY = 64  # from here on a bounded repeat counts as unbounded


class DenyList:
    """Finds the words of `[pii] deny`."""

    name = "deny-list"
    examples: Sequence[Example] = ()

    def __init__(self, config: PiiConfig) -> None:
        self.classes: Mapping[str, DataClass] = {DENIED: config.deny_class}
        denied = {word.casefold().strip() for word in config.deny if word.strip()}
        joined = "|".join(map(re.escape, sorted(denied, key=lambda word: (-len(word), word))))
        self._pattern = re.compile(rf"(?<![^\W_])(?:{joined})(?![^\W_])") if joined else None

    def find(self, view: View) -> Iterator[Hit]:
        if self._pattern:
            for match in self._pattern.finditer(view.lower):
                yield Hit(*match.span(), DENIED, PROVEN)


class OwnPattern:
    """Finds what one `[[pii.patterns]]` table describes."""

    examples: Sequence[Example] = ()

    def __init__(self, config: PatternConfig) -> None:
        self.name = f"pattern:{config.name}"
        self._type = config.type or config.name
        self.classes: Mapping[str, DataClass] = {self._type: config.data_class}
        self._score = config.score
        self._pattern = checked(config)

    def find(self, view: View) -> Iterator[Hit]:
        for match in self._pattern.finditer(view.text):
            if match.end() > match.start():
                yield Hit(*match.span(), self._type, self._score)


def allowed(found: Iterable[Finding], text: str, config: PiiConfig) -> Iterator[Finding]:
    """The findings that `[pii] allow` and `allow_types` do not take away. A denied word is never taken away."""
    texts = {one.casefold() for one in config.allow}
    for one in found:
        free = one.type in config.allow_types or text[one.start : one.end].casefold() in texts
        if one.type == DENIED or not free:
            yield one


def checked(config: PatternConfig) -> re.Pattern[str]:
    """The compiled pattern. Raises ConfigError where it is wrong, or may take more than linear time."""
    where = f"[[pii.patterns]] {config.name!r}"
    try:
        tree = parser.parse(config.pattern)
        compiled = re.compile(config.pattern, re.IGNORECASE if config.ignore_case else 0)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"The pattern of {where} is no regular expression: {error}.") from None
    if not 0.0 <= config.score <= 1.0:
        raise ConfigError(f"The score of {where} is {config.score:g}.", fix="It lies between 0 and 1.")
    if _unbounded(tree) > 1:
        raise ConfigError(
            f"The pattern of {where} repeats within a repeat, or twice without a limit: a hostile text could stop it.",
            fix=r"Give repeats a limit below 64, such as \d{1,12} for \d+; one repeat without a limit may stay.",
        )
    return compiled


def _unbounded(tree: Any) -> int:
    """How many repeats without a limit may compete: one within another counts twice."""
    count = 0
    for kind, value in tree:
        if kind in _REPEATS:
            _, most, inner = value
            within = _unbounded(inner)
            many = most >= _MANY
            count += within + (2 if many and _repeats(inner) else 1 if many else 0)
        else:
            count += sum(map(_unbounded, _parts(value)))
    return count


def _repeats(tree: Any) -> bool:
    """Whether anything inside repeats a number of times that is not fixed, or offers alternatives."""
    for kind, value in tree:
        if kind in _REPEATS and value[0] != value[1]:
            return True
        if kind is codes.BRANCH or any(map(_repeats, _parts(value))):
            return True
    return False


def _parts(value: Any) -> Iterator[Any]:
    """Patterns inside one node, at whatever place of it they stand."""
    if isinstance(value, parser.SubPattern):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _parts(one)
