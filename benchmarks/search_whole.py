"""What somebody waits for a search, from the question to marked passages, by size and permissions.

The collections are those of `benchmarks.search_latency`. Asked is `SearchService.search` as the server calls it: names,
syntax and spelling read, the question encoded by the installed MiniLM (one thread), both rankings, the first 60
candidates read and ordered, ten shown with their words marked, facets counted. `processor` is the processor time of
all threads for that, which other work on the machine moves little; `computed` is the same on the clock, and `waited`
with the rest of the step of time at which answers leave; `processor_of_encoding` is the encoder's part of `processor`,
for questions of eight made-up words that are cut into some 35 tokens. The first question of an asker also reads the
names of all that they may see; it is given apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import harness, models
from benchmarks.search_latency import (
    QUESTION_WORDS,
    QUICK_SIZES,
    SIZES,
    Synthetic,
    build,
    name_of,
    place,
)
from rightsized.apps.search.collections import Collections
from rightsized.apps.search.service import Question, SearchService
from rightsized.core.protocols import Encoded
from rightsized.engines.fake import FakeEncoder
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home

PARTS = ("prepare", "encode", "rank", "show")
QUERIES, QUICK_QUERIES = 300, 20


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
    """Milliseconds of one question: waited for, of the processor, and by part."""

    waited: float
    processor: float
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
        encoding = harness.percentiles([_processor(true, question) for question in questions], (50, 95))
    finally:
        service.close()
        true.close()
    return found | {"tokens_of_a_question": sum(tokens) / len(tokens), "processor_of_encoding": encoding}


def _processor(encoder: OnnxEncoder, question: str) -> float:
    """Milliseconds of the processor that the encoder takes for a question, alone."""
    busy = time.process_time()
    encoder.encode_now(question)
    return 1000 * (time.process_time() - busy)


async def _ask(service: SearchService, name: str, principals: Sequence[str], questions: Sequence[str]) -> list[Asked]:
    asked = []
    for question in (questions[0], *questions):
        began, busy = time.perf_counter(), time.process_time()
        found = await service.search(name, Question(question), principals)
        waited, used = 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - busy)
        assert found.hits
        asked.append(Asked(waited, used, {part: 1000 * seconds for part, seconds in found.seconds.items()}))
    return asked


def _summary(asked: Sequence[Asked]) -> dict[str, Any]:
    first, *others = asked
    columns = {"processor": [one.processor for one in others], "waited": [one.waited for one in others]}
    columns |= {"computed": [sum(one.parts.values()) for one in others]}
    columns |= {part: [one.parts[part] for one in others] for part in PARTS}
    return {"first": first.waited} | {name: harness.percentiles(values, (50, 95)) for name, values in columns.items()}


def _apart(home: Path, passages: int, queries: int) -> dict[str, Any]:
    """`measure` in a fresh process."""
    made = Synthetic(seed=99)
    questions = [made.words(QUESTION_WORDS) for _ in range(queries)]
    code = (
        "import json, sys; from pathlib import Path; from benchmarks.search_whole import measure; "
        "from benchmarks.search_latency import principals_of_askers; "
        f"print(json.dumps(measure(Path({str(home)!r}), {name_of(passages)!r}, principals_of_askers(), "
        "json.load(sys.stdin))))"
    )
    given = json.dumps(questions)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=harness.ROOT, input=given, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Entry of `python -m benchmarks.search_whole`."""

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--sizes", type=int, nargs="+", default=None, help=f"passages (default {SIZES})")
        parser.add_argument("--keep", type=Path, default=None, help="folder of collections to make once and use again")

    given = harness.options("search_whole", "What somebody waits for a search.", configure)
    queries = QUICK_QUERIES if given.quick else QUERIES
    result: dict[str, Any] = {"queries": queries, "text_and_vectors": "synthetic", "encoder": "MiniLM, INT8"}
    with place(given.extra.keep) as home:
        for passages in given.extra.sizes or (QUICK_SIZES if given.quick else SIZES):
            if not (home / "search" / name_of(passages)).exists():
                build(home, passages)
            result[name_of(passages)] = _apart(home, passages, queries)
            harness.note(f"{passages:,} passages: {result[name_of(passages)]}")
    harness.finish(given, result, [f"{key:20} {value}" for key, value in result.items()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
