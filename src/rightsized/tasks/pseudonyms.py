"""Puts pseudonymising around the tiers whose settings ask for it, with the detector of personal data of this home.

The detector is opened when such a tier starts, or at the first text; tiers of one home share it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections import OrderedDict

import msgspec

from rightsized.core.config import Config
from rightsized.core.generation import Generator
from rightsized.core.pii import Detector, Findings, PiiConfig
from rightsized.core.tiers import TierConfig
from rightsized.guard.pseudonym import Pseudonymised
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.names import open_detector

REMEMBERED = 8192  # texts whose findings are kept, a few hundred bytes each


def pseudonymised(generator: Generator, tier: TierConfig, config: Config) -> Generator:
    """The tier's engine, behind pseudonymising where its settings ask for that."""
    return Pseudonymised(generator, _detector(config), tier.pseudonyms) if tier.pseudonymise else generator


def detector_digest(config: Config) -> str:
    """What decides which values are hidden. Raises as `names.open_detector`."""
    return _detector(config).digest


def detector_of(config: Config) -> Detector:
    """The detector of this home, shared by all that look into texts; opened at its first use."""
    return _detector(config)


def _detector(config: Config) -> LateDetector:
    return _shared(config.home, msgspec.json.encode(config.pii))


@functools.lru_cache(maxsize=8)
def _shared(home: str, settings: bytes) -> LateDetector:
    return LateDetector(home, msgspec.json.decode(settings, type=PiiConfig))


class LateDetector:
    """The detector of a home, opened when it is first needed. Raises as `names.open_detector` until it can be.

    A conversation is sent whole at each turn, so what was found in a text is remembered: the places, by a keyed digest
    of the text, never the text.
    """

    def __init__(self, home: str, settings: PiiConfig) -> None:
        self._home, self._settings = home, settings
        self._opening, self._keeping = threading.Lock(), threading.Lock()
        self._opened: Detector | None = None
        self._key = os.urandom(32)
        self._known: OrderedDict[bytes, Findings] = OrderedDict()

    @property
    def digest(self) -> str:
        return self._open().digest

    def detect(self, text: str) -> Findings:
        """See `core.pii.Detector`; raises where the detector cannot be opened."""
        name = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32).digest()
        with self._keeping:
            found = self._known.get(name)
            if found is not None:
                self._known.move_to_end(name)
                return found
        found = self._open().detect(text)
        if found.complete:  # what failed once may not fail again
            with self._keeping:
                self._known[name] = found
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return found

    def _open(self) -> Detector:
        with self._opening:
            if self._opened is None:
                self._opened = open_detector(ModelStore(Home(self._home)), self._settings)
            return self._opened
