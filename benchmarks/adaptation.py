"""What adapting the search encoder brings, without labels: before and after on judged questions that decide.

The product's own path: pairs are mined from the collection alone, maps are fitted on them, one is chosen on the half of
the judged questions that may be looked at, and the figures are of the other half, documents whole. Nothing is swapped.
The sets come cut into passages; of the sample documents, files are read and cut as a user's are.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from benchmarks import harness, models
from benchmarks.search import TASKS, Task, _sample
from rightsized import data
from rightsized.apps.search.adapt.adapting import adapt
from rightsized.apps.search.adapt.judging import SHOWN
from rightsized.apps.search.adapt.questions import read_questions
from rightsized.apps.search.adapt.records import AdaptOptions
from rightsized.apps.search.adapt.training import Base
from rightsized.apps.search.collections import Collections
from rightsized.apps.search.evaluate import beir
from rightsized.apps.search.evaluate.asking import Bench
from rightsized.apps.search.evaluate.collected import collect, texts_to_encode
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.rank.tuning import JudgedQuestion
from rightsized.core.egress import Egress
from rightsized.core.protocols import Encoded
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.embeddings import Embedder

SAMPLE = "sample documents"
KEPT_TOGETHER = 100  # vectors written to the cache in one go
SETS = tuple(task for task in TASKS if not task.named)
NOTES = {
    "cranfield": "titles with abstracts; there are no headings",
    "policyqa": "rows have neither headings nor titles: first sentences with the rest of their passage",
    "cuad": "rows have no headings: numbered headings that run into their clause, and titles",
    "obliqa": "headings read off the ids of rows",
    SAMPLE: "headings and titles as the parsers find them",
}


def main() -> int:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--questions", type=int, default=0, help="at most so many a set, drawn at random (0 = all)")
        parser.add_argument("--only", nargs="*", default=[], help="sets whose name begins so")

    given = harness.options("adaptation", __doc__ or "", configure)
    most = given.extra.questions or (60 if given.quick else 0)
    chosen = tuple(given.extra.only) or ("",)
    result: dict[str, Any] = {
        "seed": AdaptOptions().seed,
        "looked_at": "rates, epochs and shares of the maps were set on policyqa, cranfield and 600 questions of obliqa",
        "sets": {},
    }
    encoder = models.encoder(sessions=1)
    cached = Embedder(models.home(), encoder)
    result["encoder"] = encoder.digest
    if SAMPLE.startswith(chosen):
        harness.note(SAMPLE)
        result["sets"][SAMPLE] = of_sample(cached)
    for task in SETS:
        if task.name.startswith(chosen):
            harness.note(task.name)
            found = result["sets"][task.name] = of_set(task, given.data, cached, most)
            harness.note(found["reason"])
    encoder.close()
    return harness.finish(given, result, _lines(result))


def of_set(task: Task, folder: Path, cached: Embedder, most: int) -> dict[str, Any]:
    """Figures of one set."""
    judged = _sample(beir.read(folder / "search" / task.data), most)
    cached.prepare([*texts_to_encode(judged), *(task.asking.text(one) for one in judged.questions)])
    with tempfile.TemporaryDirectory() as place:
        collected = collect(Path(place), "judged", judged, cached)
        questions = Bench(judged, collected, cached, task.asking).questions()
        found = measured(collected.collection, cached, questions)
        collected.collection.close()
    return {"pairs_are": NOTES[task.data], "rows": len(judged.rows), **found}


def of_sample(cached: Embedder) -> dict[str, Any]:
    """Figures of the sample documents, taken in from their files."""
    documents = data.folder("documents")
    with tempfile.TemporaryDirectory() as place:
        home = Home(Path(place)).ensure()
        opened = models.encoder(sessions=1)
        collections = Collections(home, lambda: opened)
        collections.take_in("sample", [str(documents)], Egress())
        collection = collections.open("sample")
        view = collection.view(collection.all_principals())
        read = read_questions(documents / "questions.jsonl", view)
        rows = collection.counts()[1]
        found = measured(collection, cached, read.questions)
        collections.close()
        opened.close()
    return {"pairs_are": NOTES[SAMPLE], "rows": rows, "questions_not_placed": len(read.problems), **found}


def measured(collection: Collection, cached: Embedder, questions: Sequence[JudgedQuestion]) -> dict[str, Any]:
    """One adaptation whose outcome is looked at and not kept."""
    with tempfile.TemporaryDirectory() as place:
        store = ModelStore(Home(Path(place)).ensure())
        shutil.copytree(models.home().models / "minilm", store.home.models / "minilm")
        report = adapt(
            collection,
            Base(store, "minilm", Remembered(cached)),
            questions,
            AdaptOptions(threads=1),
            swap=False,
            progress=_Stages(),
        )
    plain: dict[str, Any] = msgspec.to_builtins(replace(report, model="", digest=""))
    kept = {name: plain[name] for name in ("trained", "deciding", "other", "kept", "reason")}
    for name in ("seconds", "memory_mb"):  # of a process that does other things as well
        kept["trained"].pop(name)
    return {"questions": len(questions), **kept}


class Remembered:
    """The encoder, whose vectors of mined texts are kept from run to run: each is a function of its text alone."""

    def __init__(self, cached: Embedder) -> None:
        self._cached = cached
        self.digest, self.dimension, self.max_tokens = cached.digest, cached.dimension, cached.max_tokens
        self._fresh: dict[str, Encoded] = {}
        self._known: dict[str, Encoded] = {}

    def encode_now(self, text: str) -> Encoded:
        if text not in self._known:
            found = self._cached.known([text])
            self._known |= found
            if not found:
                self._known[text] = self._fresh[text] = self._cached.encode_now(text)
                if len(self._fresh) >= KEPT_TOGETHER:
                    self.close()
        return self._known[text]

    async def encode(self, text: str) -> Encoded:
        return self.encode_now(text)

    def close(self) -> None:
        """Keep what is new."""
        self._cached.keep(self._fresh)
        self._fresh = {}


class _Stages:
    """Says each stage once."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._last:
            self._last = stage
            harness.note(f"  {stage}")


def _lines(result: dict[str, Any]) -> list[str]:
    lines = []
    for name, one in result["sets"].items():
        lines.append(f"{name}: {one['trained']['pairs']}; {one['trained']['chosen']}")
        for half in ("deciding", "other"):
            if one[half] is None:
                continue
            for way in ("served", "meaning"):
                for metric in SHOWN:
                    before, after, gain = one[half][way][metric]
                    lines.append(
                        f"  {half:9} {one[half]['questions']:5} {way:8} {metric:10} {before['mean']:.3f} to "
                        f"{after['mean']:.3f}: {gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
                    )
        lines.append(f"  kept: {'yes' if one['kept'] else 'no'}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
