"""Figure 3 of document search: how fast documents are taken in, beside the encoder alone, and what a sync costs later.

    python -m benchmarks.search_index --json [--quick]

Documents are text files made of messages of the banking77 training set, so that the encoder has real words to read. One
encoder thread; rates are per second of processor time of the whole process, parsers included. The encoder alone reads
the same passages in the same process. Then ten of many small files are changed, and the folder is synced again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import psutil

from benchmarks import harness, models
from rightsized.apps.search.collections import steps_of
from rightsized.apps.search.connectors.folder import FolderConnector
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.sync.steps import Limits, SyncReport
from rightsized.apps.search.types import Filters
from rightsized.core.types import Frozen
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home

LONG, QUICK_LONG = 120, 10  # documents of the measurement of the rate
SENTENCES = 60  # of each
SMALL, QUICK_SMALL = 10_000, 300  # files of the folder that is synced again
CHANGED = 10


class Spent(Frozen, frozen=True):
    """A sync: its report, and the seconds it took, wall-clock and processor (children included)."""

    report: SyncReport
    wall: float
    cpu: float


def take_in(collection: Collection, folder: Path) -> Spent:
    """One sync with one encoder thread."""
    steps = steps_of(cast(OnnxEncoder, collection.encoder))
    wall, cpu = time.perf_counter(), processor()
    report = sync(collection, FolderConnector(folder), steps, limits=Limits(threads=1))
    return Spent(report, time.perf_counter() - wall, processor() - cpu)


def processor() -> float:
    """Processor seconds of this process, its children that have ended, and those that live: the parsers."""
    living = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return harness.cpu_seconds() + float(sum(times.user + times.system for times in living))


def write_documents(folder: Path, sentences: Sequence[str], count: int, each: int, draw: random.Random) -> None:
    """`count` text files of `each` sentences, no two of them equal."""
    folder.mkdir(parents=True)
    for number in range(count):
        lines = [f"Report {number}", ""]
        for at in range(0, each, 4):
            lines += [" ".join(draw.sample(sentences, min(4, each - at))), ""]
        (folder / f"{number:05}.txt").write_text("\n".join(lines), "utf-8")


def rate(home: Home, encoder: OnnxEncoder, folder: Path) -> dict[str, Any]:
    """Passages a processor second of a whole sync, and of the encoder alone on the same passages."""
    collection = open_collection(home, "rate", encoder, create=True)
    spent = take_in(collection, folder)
    view = collection.view(collection.all_principals())
    texts = [found.passage.indexed for one in view.documents(Filters()) for found in view.passages(one.id)]
    cpu = harness.cpu_seconds()
    for text in texts:
        encoder.encode_now(text)
    raw = len(texts) / (harness.cpu_seconds() - cpu)
    size = sum(file.stat().st_size for file in collection.folder.rglob("*") if file.is_file())
    collection.close()
    whole = spent.report.passages / spent.cpu
    return {
        "documents": spent.report.added,
        "passages": spent.report.passages,
        "passages_per_cpu_second": whole,
        "passages_per_second": spent.report.passages / spent.wall,
        "encoder_alone_per_cpu_second": raw,
        "of_encoder": whole / raw,
        "bytes_per_passage": size / spent.report.passages,
        "characters_per_passage": sum(map(len, texts)) / len(texts),
    }


def again(home: Home, encoder: OnnxEncoder, folder: Path) -> dict[str, Any]:
    """The first sync of many small files, one with nothing changed, and one with ten changed."""
    collection = open_collection(home, "again", encoder, create=True)
    first = take_in(collection, folder)
    idle = take_in(collection, folder)
    for number in range(CHANGED):
        with (folder / f"{number * 7:05}.txt").open("a", encoding="utf-8") as file:
            file.write("\nOne more sentence was added to this report.\n")
    changed = take_in(collection, folder)
    collection.close()
    return {
        "files": first.report.listed,
        "first": {"seconds": first.wall, "cpu_seconds": first.cpu, "encoded": first.report.encoded},
        "nothing_changed": {"seconds": idle.wall, "cpu_seconds": idle.cpu, "encoded": idle.report.encoded},
        "ten_changed": {
            "seconds": changed.wall,
            "cpu_seconds": changed.cpu,
            "changed": changed.report.changed,
            "unchanged": changed.report.unchanged,
            "encoded": changed.report.encoded,
        },
    }


def main() -> int:
    """Entry of `python -m benchmarks.search_index`."""

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--files", type=int, default=0, help=f"small files synced again (default {SMALL:,})")

    given = harness.options("search_index", "How fast documents are taken in, and what syncing again costs.", configure)
    sentences = sorted(set(harness.banking77(given.data, "train")[0]))
    encoder = models.encoder(sessions=1)
    draw = random.Random(1)
    long, small = (QUICK_LONG, QUICK_SMALL) if given.quick else (LONG, SMALL)
    with tempfile.TemporaryDirectory(prefix="rightsized-bench-") as place:
        root = Path(place)
        write_documents(root / "long", sentences, long, SENTENCES, draw)
        write_documents(root / "small", sentences, given.extra.files or small, 2, draw)
        home = Home(root / "home")
        home.ensure()
        found = {"rate": rate(home, encoder, root / "long")}
        harness.note(str(found["rate"]))
        found["again"] = again(home, encoder, root / "small")
    encoder.close()
    return harness.finish(given, found, [f"{key}: {value}" for key, value in found.items()])


if __name__ == "__main__":
    sys.exit(main())
