"""What a configuration adds: patterns of one's own, words always found, texts never reported.

A pattern is checked before it is used (`core/patterns`): whoever writes the text could stop the server with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rightsized.core import patterns
from rightsized.core.errors import ConfigError
from rightsized.core.generation import DataClass
from rightsized.core.pii import Finding, PatternConfig, PiiConfig
from rightsized.guard.pii.recogniser import PROVEN, Example, Hit
from rightsized.guard.pii.view import View

DENIED = "deny_listed"


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
    compiled = patterns.checked(config.pattern, f"The pattern of {where}", re.IGNORECASE if config.ignore_case else 0)
    if not 0.0 <= config.score <= 1.0:
        raise ConfigError(f"The score of {where} is {config.score:g}.", fix="It lies between 0 and 1.")
    return compiled
