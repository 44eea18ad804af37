"""A review set of many documents: memory and seconds of opening it, ranking, the next batch, and where it stands.

    python -m benchmarks.review_scale --json

The collection is synthetic and says so: documents of one passage of 80 words drawn by Zipf's law, with the vectors of
`benchmarks.search_latency`. All of them are in one set, everybody may see them; a tenth has been read, in batches, and
a tenth of that is responsive. Each step runs in a process of its own, which opens the collection and the set as a
request of the server does; memory is what the step adds to the resident set of a process that has opened the
collection and nothing else. `rank and next batch` is what `search set next` does once the features of all documents
are cached; making those, once a document, is `features`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import harness
from benchmarks.search_latency import AT_ONCE, DIMENSION, WORDS, Synthetic, content_of, place
from rightsized.apps.search.discovery import desk
from rightsized.apps.search.discovery.coding.cache import FeatureCache
from rightsized.apps.search.discovery.records import DECIDING, Asker, Criterion, Member
from rightsized.apps.search.discovery.review import Review, Wanted
from rightsized.apps.search.discovery.stopping.samples import Samples
from rightsized.apps.search.discovery.stopping.standing import standing
from rightsized.apps.search.discovery.store import ReviewStore
from rightsized.apps.search.index import kernels
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.index.records import Put
from rightsized.apps.search.types import EVERYONE, Filters, Item
from rightsized.engines.fake import FakeEncoder

SIZES, QUICK_SIZES = (10_000, 100_000), (2_000,)
SET, REVIEWER = "everything", Asker("reviewer", ())
READ, RESPONSIVE = 10, 10  # one in so many was read, and one in so many of those is responsive
BATCH, SAMPLE = 20, 300
MB = 1e6


def build(home: Path, documents: int) -> dict[str, Any]:
    """The collection and its set; returns how long each part took."""
    encoder, made = FakeEncoder(dimension=DIMENSION), Synthetic()
    collection = open_collection(home, _name(documents), encoder, create=True)
    began = time.perf_counter()
    with collection.writing() as writer, contextlib.closing(collection.sidecars(writer)) as sidecars:
        source, number = writer.source("synthetic"), writer.encoder(encoder.digest, DIMENSION)
        for start in range(0, documents, AT_ONCE):
            count = min(AT_ONCE, documents - start)
            rows, scales = kernels.quantised(made.vectors(count, 1))
            with writer.transaction():
                for at in range(count):
                    fresh, key = content_of(made, start + at, 1), f"papers/{start + at:07}.txt"
                    content = writer.add_content(fresh).number
                    writer.add_vectors(number, [(content, 0, rows[at : at + 1], scales[at : at + 1])])
                    writer.complete(content)
                    item = Item(key, "1", WORDS, float(start + at), (EVERYONE,))
                    writer.put_documents(source, [Put(item, content, "", key)])
        sidecars.update()
        writer.reclaim()
    stored = time.perf_counter()
    _fill(collection)
    collection.close()
    return {"seconds_collection": stored - began, "seconds_set": time.perf_counter() - stored}


def _fill(collection: Collection) -> None:
    """A set of all documents, a tenth of them read and tagged, a hundred at a time."""
    everything = collection.view(()).documents(Filters())
    members = [Member(one.id, one.content, one.key, one.source, 0, 0.0) for one in everything]
    with contextlib.closing(ReviewStore(collection.folder)) as store:
        store.create(SET, REVIEWER, "papers about what is looked for", [(Criterion("filter"), members)])
        review = Review(store, collection.view(()), SET, REVIEWER)
        read = [one.id for one in everything][::READ]
        for start in range(0, len(read), 100):
            review.tag_all(
                [
                    Wanted(one, (DECIDING[bool((start + at) % RESPONSIVE)],))
                    for at, one in enumerate(read[start : start + 100])
                ]
            )


def opening(collection: Collection) -> dict[str, Any]:
    """The set, and how many of its documents were decided: what the page of a set reads."""
    with desk.opened(collection, SET, REVIEWER) as review:
        return {"documents": len(review.documents), "decided": len(review.decided())}


def tagging(collection: Collection) -> dict[str, Any]:
    """One decision, as the form of a page gives it."""
    with desk.opened(collection, SET, REVIEWER) as review:
        one = next(iter(review.documents))
        return {"added": review.tag_all([Wanted(one, (DECIDING[0],), note="seen again")])}


def features(collection: Collection) -> dict[str, Any]:
    """Words, mean vector and signature of every document, once."""
    with desk.opened(collection, SET, REVIEWER) as review:
        view = review.view
        with contextlib.closing(FeatureCache(collection.folder, view.encoder, DIMENSION)) as cache:
            cache.fill(view, {one.content: one.id for one in review.documents.values()})
    return {}


def ranking(collection: Collection) -> dict[str, Any]:
    """The next batch by a model that is fitted anew."""
    with desk.opened(collection, SET, REVIEWER) as review:
        return {"lent": len(desk.lend(collection, review, BATCH))}


def sampling(collection: Collection) -> dict[str, Any]:
    """A sample of what nobody read, to say when to stop."""
    with desk.opened(collection, SET, REVIEWER) as review:
        return {"drawn": len(Samples(review).draw(SAMPLE, target=0.8, delta=0.05).drawn)}


def stopping(collection: Collection) -> dict[str, Any]:
    """Where the review stands, with the bound on recall."""
    with desk.opened(collection, SET, REVIEWER) as review:
        return {"reviewed": standing(review, time.time()).reviewed}


STEPS: dict[str, Callable[[Collection], dict[str, Any]]] = {
    "open": opening,
    "one tagging": tagging,
    "features": features,
    "rank and next batch": ranking,
    "sample": sampling,
    "stand and stop": stopping,
}


def step(home: Path, documents: int, name: str) -> dict[str, Any]:
    """One step, in a process of its own: seconds, and megabytes added at its peak and kept at its end."""
    collection = open_collection(home, _name(documents), FakeEncoder(dimension=DIMENSION))
    collection.view(())
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here (proc(5))
    began, worked = time.perf_counter(), time.process_time()
    found = STEPS[name](collection)
    took, worked = time.perf_counter() - began, time.process_time() - worked
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) * 1024
    collection.close()
    return {
        "seconds": took,
        "processor_seconds": worked,
        "mb_before": before / MB,
        "mb_added_at_peak": max(0, peak - before) / MB,
        **found,
    }


def _apart(home: Path, documents: int, name: str) -> dict[str, Any]:
    code = (
        "import json; from pathlib import Path; from benchmarks.review_scale import step; "
        f"print(json.dumps(step(Path({str(home)!r}), {documents}, {name!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=harness.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _name(documents: int) -> str:
    return f"d{documents}"


def main(arguments: Sequence[str] | None = None) -> int:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--sizes", type=int, nargs="+", default=None, help=f"documents (default {SIZES})")
        parser.add_argument("--keep", type=Path, default=None, help="folder of collections to make once and use again")

    given = harness.options("review_scale", "A review set of many documents.", configure, arguments)
    result: dict[str, Any] = {"text_and_vectors": "synthetic", "batch": BATCH, "sample": SAMPLE}
    with place(given.extra.keep) as home:
        for documents in given.extra.sizes or (QUICK_SIZES if given.quick else SIZES):
            made = {} if (home / "search" / _name(documents)).exists() else build(home, documents)
            harness.note(f"{documents:,} documents: made")
            result[_name(documents)] = {"built": made}
            for name in STEPS:
                result[_name(documents)][name] = _apart(home, documents, name)
                harness.note(f"{documents:,} documents, {name}: {result[_name(documents)][name]}")
    harness.finish(given, result, [f"{key:10} {value}" for key, value in result.items()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
