"""The second row of `benchmarks.search_latency`: what somebody waits for, from the question to marked passages.

`SearchService.search` as the server calls it: names, syntax and spelling read, the question encoded by the installed
MiniLM (one thread), both rankings, the first 60 candidates read and ordered, ten shown with their words marked, facets
counted. `computed` is that, `waited` with the rest of the step of time at which answers leave. The first question of
an asker also reads the names of all that they may see; it is given apart.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import harness, models
from rightsized.apps.search.collections import Collections
from rightsized.apps.search.service import Question, SearchService
from rightsized.core.protocols import Encoded
from rightsized.engines.fake import FakeEncoder
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home

PARTS = ("prepare", "encode", "rank", "show")


class Standing:
    """The true encoder under the digest of the one that the synthetic vectors are said to be of."""

    def __init__(self, true: OnnxEncoder) -> None:
        self._true, self.dimension, self.max_tokens = true, true.dimension, true.max_tokens
        self.digest = FakeEncoder(dimension=true.dimension).digest

    async def encode(self, text: str) -> Encoded:
        return await self._true.encode(text)

    def encode_now(self, text: str) -> Encoded:
        return self._true.encode_now(text)

    def close(self) -> None:
        """Nothing: whoever opened the true one closes it."""


class Asked(NamedTuple):
    """Milliseconds of one question: waited for, and by part."""

    waited: float
    parts: dict[str, float]


def measure(home: Path, name: str, askers: dict[str, Sequence[str]], questions: Sequence[str]) -> dict[str, Any]:
    """Percentiles by asker; `askers` are principals by name. Each asks all questions, one after the other."""
    true = models.encoder(sessions=1)
    encoder = Standing(true)
    collections = Collections(Home(home), lambda: encoder)
    service = SearchService(collections)
    try:
        found: dict[str, Any] = {
            asker: _summary(asyncio.run(_ask(service, name, principals, questions)))
            for asker, principals in askers.items()
        }
        tokens = [true.prepare(question).total for question in questions]
    finally:
        service.close()
        true.close()
    return found | {"tokens_of_a_question": sum(tokens) / len(tokens)}


async def _ask(service: SearchService, name: str, principals: Sequence[str], questions: Sequence[str]) -> list[Asked]:
    asked = []
    for question in (questions[0], *questions):
        began = time.perf_counter()
        found = await service.search(name, Question(question), principals)
        waited = 1000 * (time.perf_counter() - began)
        assert found.hits
        asked.append(Asked(waited, {part: 1000 * seconds for part, seconds in found.seconds.items()}))
    return asked


def _summary(asked: Sequence[Asked]) -> dict[str, Any]:
    first, *others = asked
    columns = {"waited": [one.waited for one in others], "computed": [sum(one.parts.values()) for one in others]}
    columns |= {part: [one.parts[part] for one in others] for part in PARTS}
    return {"first": first.waited} | {name: harness.percentiles(values, (50, 95)) for name, values in columns.items()}
