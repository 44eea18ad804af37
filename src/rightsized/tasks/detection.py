"""The class of a request's data by what is found in it: the strictest of what was declared, the key's, and this.

Findings only ever raise a class; where nothing is found the declared one stands. A detector that fails, and content
that it cannot read, count as the most restrictive class. Types and counts go on record, never values.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from rightsized.core.config import Config
from rightsized.core.generation import DATA_CLASSES, DataClass, strictest
from rightsized.core.pii import MOST_RESTRICTIVE, Detector
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Request
from rightsized.core.verdicts import Detected
from rightsized.guard.policy.store import PolicyStore
from rightsized.tasks.pseudonyms import detector_of

UNREAD = ("image_url", "input_audio", "file", "input_image", "input_file")  # parts of a message that are no text
MAX_DEPTH = 64  # of a body; what lies deeper was not read


class Detection:
    """Looks into requests, as `[guard] detect` asks.

    Args:
        policy: the policy in force; `auto` looks where one is, since its rules may ask for the class.
        detector: None opens that of the home at the first look.
    """

    def __init__(self, config: Config, policy: PolicyStore, detector: Detector | None = None) -> None:
        self._mode, self._config, self._policy = config.guard.detect, config, policy
        self._detector = detector
        self._leaving = [
            tier for tier in config.tiers if not _stays(tier) and not tier.unreachable(config.egress.allow)
        ]

    @property
    def may_matter(self) -> bool:
        """Whether what is found in a request could change where it goes, under these settings and this policy."""
        if self._mode == "auto":
            return self._policy.current is not None or bool(self._leaving)
        return self._mode == "always"

    async def look(self, request: Request) -> Request:
        """The request with what was found, its class raised where that asks for it; as it is where nobody looks."""
        if self._mode == "off":
            return request
        held = request.held
        if self._mode == "auto" and not self._matters(held):
            return request
        detected = await asyncio.to_thread(self._detected, request)
        counts = bool(detected.counts) or bool(detected.failures)
        raised = strictest(held, detected.data_class) if counts else held
        if request.generation is None:
            return msgspec.structs.replace(request, detected=detected, data_class=raised)
        generation = request.generation
        if raised is not None and raised != generation.data_class:
            generation = msgspec.structs.replace(generation, data_class=raised)
        return msgspec.structs.replace(request, detected=detected, generation=generation)

    def _matters(self, held: DataClass | None) -> bool:
        """Whether a stricter class could change anything: it can be raised, and something depends on it."""
        if held == DATA_CLASSES[-1]:
            return False
        return self._policy.current is not None or any(
            held is None or tier.allows(held, on_premises=False) for tier in self._leaving
        )

    def _detected(self, request: Request) -> Detected:
        """Look through every text of the request, in the calling thread. Never raises on account of the text."""
        counts: Counter[str] = Counter()
        failures: list[str] = []
        classes: list[DataClass] = []
        digest = ""
        body: Any = request.text if request.generation is None else request.generation.body
        try:
            if self._detector is None:
                self._detector = detector_of(self._config)
            digest = self._detector.digest
            for text in texts_of(body, failures):
                found = self._detector.detect(text)
                counts.update(one.type for one in found.found)
                failures += found.failures
                if found.found or found.failures:
                    classes.append(found.data_class)
        except Exception as error:  # noqa: BLE001 - a detector that breaks must close, not open
            failures.append(f"detector: {type(error).__name__}")
        if failures:
            classes.append(MOST_RESTRICTIVE)
        stated = strictest(*classes) if classes else "public"
        return Detected(stated, dict(sorted(counts.items())), tuple(dict.fromkeys(failures)), digest)


def texts_of(value: Any, failures: list[str], depth: int = 0) -> Iterator[str]:
    """Every text and number of a body, at any depth, names of fields included; what cannot be read is a failure."""
    if depth > MAX_DEPTH:
        failures.append("content: nested too deep")
    elif isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int | float):
        yield str(value)
    elif isinstance(value, dict):
        kind = value.get("type")
        if kind in UNREAD:
            failures.append(f"content: {kind} is not read")
            return
        for name, inner in value.items():
            if isinstance(name, str) and not name.isidentifier():
                yield name
            yield from texts_of(inner, failures, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_of(inner, failures, depth + 1)
    else:
        failures.append(f"content: {type(value).__name__} is not read")


def _stays(tier: TierConfig) -> bool:
    """Whether a tier certainly runs here. One behind an address may be a tunnel, so it counts as leaving."""
    return not tier.url
