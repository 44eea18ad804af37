"""Runs all recognisers and the tagger over a text and settles what they found.

Fails closed: a recogniser that raises, or a text that takes longer than `[pii] budget_ms`, gives the most restrictive
class. The class is taken from everything that was found, before overlaps are settled.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from rightsized.core import registry
from rightsized.core.errors import ConfigError
from rightsized.core.generation import DataClass, strictest
from rightsized.core.pii import MOST_RESTRICTIVE, Finding, Findings, PiiConfig, Tagger
from rightsized.guard.pii.classes import data_class
from rightsized.guard.pii.overlaps import disjoint
from rightsized.guard.pii.own import DenyList, OwnPattern, allowed
from rightsized.guard.pii.recogniser import GROUP, Hit, Recogniser
from rightsized.guard.pii.view import View

TAGGER = "tagger"
TAGGED: Mapping[str, DataClass] = {"person": "personal", "organisation": "internal", "place": "internal"}
VERSION = 1  # raised when a change of the recognisers changes what is found


class PiiDetector:
    """Implements `core.pii.Detector`."""

    def __init__(self, config: PiiConfig | None = None, tagger: Tagger | None = None) -> None:
        """Open the recognisers.

        Args:
            config: the settings of `[pii]`.
            tagger: marks names in running text; without one, people are found by titles and labels only.
        Raises:
            ConfigError: `off` names no recogniser, or a pattern cannot be used.
        """
        self.config = config or PiiConfig()
        self.tagger = None if TAGGER in self.config.off else tagger
        self.recognisers = opened(self.config)
        classes = [one.classes for one in self.recognisers]
        self.classes = merged([*classes, TAGGED])
        parts = [str(VERSION), self.tagger.digest if self.tagger else "", *(one.name for one in self.recognisers)]
        parts.append(msgspec.json.encode(self.config, order="deterministic").decode())
        self._digest = "sha256:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def digest(self) -> str:
        """`sha256:...` over the recognisers, the settings and the tagger's weights."""
        return self._digest

    def detect(self, text: str) -> Findings:
        """See `core.pii.Detector`."""
        deadline = time.monotonic() + self.config.budget_ms / 1000

        def expired() -> bool:
            return time.monotonic() > deadline

        found: list[Finding] = []
        failures: list[str] = []
        for name, work in self._work(text, expired):
            try:
                if expired():
                    raise TimeoutError
                found += work()
            except Exception as error:  # noqa: BLE001 - whatever fails, the text counts as the most restrictive class
                failures.append(f"{name}: {type(error).__name__}")
        found = [one for one in allowed(found, text, self.config) if one.score >= self.config.min_score]
        stated = MOST_RESTRICTIVE if failures else data_class(found, self.classes)
        return Findings(disjoint(found, text), stated, tuple(failures))

    def _work(self, text: str, expired: Callable[[], bool]) -> Iterable[tuple[str, Callable[[], Iterable[Finding]]]]:
        view = View(text)
        for one in self.recognisers:
            yield one.name, _bound(one, view, expired)
        if self.tagger is not None:
            tagger = self.tagger
            yield TAGGER, lambda: tagger.tag(text, expired)


def _bound(recogniser: Recogniser, view: View, expired: Callable[[], bool]) -> Callable[[], list[Finding]]:
    def work() -> list[Finding]:
        found = []
        for hit in recogniser.find(view):
            if expired():
                raise TimeoutError
            found.append(_finding(hit, recogniser.name, view))
        return found

    return work


def _finding(hit: Hit, source: str, view: View) -> Finding:
    start, end = view.place(hit.start, hit.end)
    return Finding(start, end, hit.type, hit.score, source)


def opened(config: PiiConfig) -> list[Recogniser]:
    """All registered recognisers but those that are off, and one's own. Raises ConfigError."""
    known = registry.names(GROUP)
    if not known:  # an installation without its entry points would find nothing and call every text internal
        raise ConfigError(
            f"No recogniser is registered in {GROUP}.", fix="Install rightsized again: its entry points are gone."
        )
    for name in config.off:
        if name not in (*known, TAGGER):
            raise ConfigError(
                f"[pii] off names {name!r}, which is no recogniser.", fix=f"Known: {', '.join([*known, TAGGER])}."
            )
    found: list[Recogniser] = [registry.resolve(GROUP, name)(config) for name in known if name not in config.off]
    if config.deny:
        found.append(DenyList(config))
    return [*found, *map(OwnPattern, config.patterns)]


def merged(classes: Iterable[Mapping[str, DataClass]]) -> dict[str, DataClass]:
    """The class of each type; the most restrictive where two recognisers differ."""
    found: dict[str, DataClass] = {}
    for one in classes:
        for kind, given in one.items():
            found[kind] = strictest(given, found.get(kind))
    return found
