"""What the checks need from outside: classifiers, a detector of languages, a score of injection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from rightsized.core.errors import ConfigError

Topics = Callable[[str, str], Awaitable[Mapping[str, float]]]  # task, text -> calibrated probability of each label
Score = Callable[[str], float]


async def _no_topics(task: str, text: str) -> Mapping[str, float]:
    raise ConfigError(f"There is no task {task!r} here to tell topics.")


def _no_language(text: str) -> str:
    raise ConfigError("No detector of languages is open here.")


def _no_score(text: str) -> float:
    raise ConfigError("No model for injected instructions is open here.")


class Means(NamedTuple):
    """What is handed to the checks. What is missing makes the checks that need it fail, never pass.

    Args:
        language: text -> ISO 639-1 code; empty where it cannot tell.
        injection: text -> score in [0, 1], high where the text holds instructions that do not belong there.
        injection_threshold: the score from which it counts, where a rule names none.
        adapters: the adapters of each tier.
    """

    topics: Topics = _no_topics
    language: Callable[[str], str] = _no_language
    injection: Score = _no_score
    injection_threshold: float = 0.5
    adapters: Mapping[str, Collection[str]] = MappingProxyType({})
