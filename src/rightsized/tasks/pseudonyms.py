"""Puts pseudonymising around the tiers whose settings ask for it, with the detector of personal data of this home.

The detector is opened when such a tier starts, or at the first text; tiers of one home share it.
"""

from __future__ import annotations

import functools
import threading

import msgspec

from rightsized.core.config import Config
from rightsized.core.generation import Generator
from rightsized.core.pii import Detector, Findings, PiiConfig
from rightsized.core.tiers import TierConfig
from rightsized.guard.pseudonym import Pseudonymised
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.names import open_detector


def pseudonymised(generator: Generator, tier: TierConfig, config: Config) -> Generator:
    """The tier's engine, behind pseudonymising where its settings ask for that."""
    return Pseudonymised(generator, _detector(config), tier.pseudonyms) if tier.pseudonymise else generator


def detector_digest(config: Config) -> str:
    """What decides which values are hidden. Raises as `names.open_detector`."""
    return _detector(config).digest


def _detector(config: Config) -> LateDetector:
    settings: PiiConfig = getattr(config, "pii", PiiConfig())
    return _shared(config.home, msgspec.json.encode(settings))


@functools.lru_cache(maxsize=8)
def _shared(home: str, settings: bytes) -> LateDetector:
    return LateDetector(home, msgspec.json.decode(settings, type=PiiConfig))


class LateDetector:
    """The detector of a home, opened when it is first needed. Raises as `names.open_detector` until it can be."""

    def __init__(self, home: str, settings: PiiConfig) -> None:
        self._home, self._settings = home, settings
        self._opening = threading.Lock()
        self._opened: Detector | None = None

    @property
    def digest(self) -> str:
        return self._open().digest

    def detect(self, text: str) -> Findings:
        """See `core.pii.Detector`; raises where the detector cannot be opened."""
        return self._open().detect(text)

    def _open(self) -> Detector:
        with self._opening:
            if self._opened is None:
                self._opened = open_detector(ModelStore(Home(self._home)), self._settings)
            return self._opened
