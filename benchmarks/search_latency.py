"""Figure 2 of document search: latency and memory of a query at 10,000, 100,000 and more passages, by what one may see.

The collection is synthetic and says so: passages of 80 words drawn by Zipf's law from 30,000, ten a document, and unit
vectors around 2,000 topics with a spectrum like that of sentence encoders (component i has variance 1 / i). Each
document belongs to one of 100 groups: a member of one group may see 1%, of fifty groups half, of all everything.

A query is what the index does after the question has been encoded: `View.lexical` and `View.dense` for 100 passages
each, then `View.found` for ten. Views are made anew for each query, as a server does; what somebody waits for is in
`benchmarks.search_whole`. Every size is measured in a process of its own; its resident memory counts mapped pages,
which the system takes back when it needs them.
The graph's recall is measured against the exact scan of the same int8 vectors.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks import harness
from rightsized.apps.search.index import graph, kernels
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.index.dense import search
from rightsized.apps.search.index.records import Fresh, Put
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.types import Filters, Item, Passage
from rightsized.engines.fake import FakeEncoder
from rightsized.parsers.types import Parsed

SIZES, QUICK_SIZES = (10_000, 100_000), (2_000,)
QUERIES, QUICK_QUERIES = 300, 30
RECALL_QUERIES = 100
DIMENSION, WORDS, VOCABULARY, TOPICS, GROUPS = 384, 80, 30_000, 2_000, 100
ASKERS = {"everything": GROUPS, "half": GROUPS // 2, "1%": 1}
A_DOCUMENT = 10  # passages
AT_ONCE = 200  # documents a transaction
QUESTION_WORDS = 8


class Synthetic:
    """Texts and vectors; the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._draw = np.random.default_rng(seed)
        weights = 1.0 / np.arange(1, VOCABULARY + 1)
        self._words = np.array([_word(number) for number in range(VOCABULARY)])
        self._cumulated = np.cumsum(weights / weights.sum())
        self._spectrum = (np.arange(1, DIMENSION + 1) ** -0.5).astype(np.float32)
        self._turn = np.linalg.qr(np.random.default_rng(0).standard_normal((DIMENSION, DIMENSION)))[0].astype(
            np.float32
        )
        self._topics = np.random.default_rng(0).standard_normal((TOPICS, DIMENSION)).astype(np.float32)

    def words(self, count: int) -> str:
        at = np.searchsorted(self._cumulated, self._draw.random(count))
        return " ".join(self._words[np.minimum(at, VOCABULARY - 1)])

    def vectors(self, documents: int, passages: int) -> NDArray[np.float32]:
        """Unit vectors (documents * passages, DIMENSION): near their document's, which is near a topic's."""
        draw = self._draw
        topics = self._topics[draw.integers(0, TOPICS, documents)]
        centres = topics + 0.8 * draw.standard_normal((documents, DIMENSION))
        near = np.repeat(centres, passages, axis=0)
        near += 0.9 * draw.standard_normal(near.shape)
        turned = (near.astype(np.float32) * self._spectrum) @ self._turn
        found: NDArray[np.float32] = turned / np.linalg.norm(turned, axis=1, keepdims=True)
        return found


def build(home: Path, passages: int) -> dict[str, Any]:
    """Fill a collection; returns how long each part took."""
    encoder, made = FakeEncoder(dimension=DIMENSION), Synthetic()
    collection = open_collection(home, name_of(passages), encoder, create=True)
    began = time.perf_counter()
    with collection.writing() as writer, contextlib.closing(collection.sidecars(writer)) as sidecars:
        source, number = writer.source("synthetic"), writer.encoder(encoder.digest, DIMENSION)
        documents = passages // A_DOCUMENT
        for start in range(0, documents, AT_ONCE):
            count = min(AT_ONCE, documents - start)
            rows, scales = kernels.quantised(made.vectors(count, A_DOCUMENT))
            with writer.transaction():
                for at in range(count):
                    fresh, key = content_of(made, start + at), f"{start + at:07}"
                    content = writer.add_content(fresh).number
                    own = slice(at * A_DOCUMENT, (at + 1) * A_DOCUMENT)
                    writer.add_vectors(number, [(content, 0, rows[own], scales[own])])
                    writer.complete(content)
                    item = Item(key, "1", WORDS * A_DOCUMENT, float(start + at), (f"group:{(start + at) % GROUPS}",))
                    writer.put_documents(source, [Put(item, content, "", key)])
        stored = time.perf_counter()
        sidecars.update()
        writer.reclaim()
    collection.close()
    size = sum(path.stat().st_size for path in collection.folder.rglob("*") if path.is_file())
    database = (collection.folder / "index.sqlite").stat().st_size
    return {
        "passages": passages,
        "seconds_database": stored - began,
        "seconds_sidecars": time.perf_counter() - stored,
        "bytes_a_passage": size / passages,
        "bytes_a_passage_in_the_database": database / passages,
    }


def measure(home: Path, passages: int, queries: int) -> dict[str, Any]:
    """Open the collection and ask; runs in a process of its own."""
    began = time.perf_counter()
    collection = open_collection(home, name_of(passages), FakeEncoder(dimension=DIMENSION))
    collection.view([])
    result: dict[str, Any] = {"seconds_to_open": time.perf_counter() - began}
    for asker, principals in principals_of_askers().items():
        made = Synthetic(seed=99)
        asked = [(made.words(QUESTION_WORDS), made.vectors(1, 1)[0]) for _ in range(queries)]
        parts = [ask(collection, principals, *one) for one in asked]
        result[asker] = {
            name: harness.percentiles([1000 * part[name] for part in parts], (50, 95))
            for name in ("whole", "view", "lexical", "dense", "found")
        }
    result["resident_mb"] = psutil.Process().memory_info().rss / 1e6
    result["recall_at_10"] = recall(collection)
    collection.close()
    return result


def principals_of_askers() -> dict[str, list[str]]:
    """Principals of each asker, by what they may see."""
    return {asker: [f"group:{number}" for number in range(groups)] for asker, groups in ASKERS.items()}


def ask(collection: Collection, principals: Sequence[str], words: str, vector: NDArray[np.float32]) -> dict[str, float]:
    """Seconds of one query and of its parts."""
    times = [time.perf_counter()]
    view = collection.view(principals)
    times.append(time.perf_counter())
    lexical = view.lexical(Terms(words), Filters(), 100)
    times.append(time.perf_counter())
    dense = view.dense(vector, Filters(), 100)
    times.append(time.perf_counter())
    assert view.found([*lexical.rows[:5], *dense.rows[:5]])
    times.append(time.perf_counter())
    spans = dict(zip(("view", "lexical", "dense", "found"), np.diff(times).tolist(), strict=True))
    return spans | {"whole": times[-1] - times[0]}


def recall(collection: Collection) -> dict[str, float] | None:
    """Recall@10 of the graph against the exact scan, with all, half and a tenth allowed; None without a graph."""
    held = collection.vectors()
    if held.graph is None:
        return None
    draw, made, found = np.random.default_rng(5), Synthetic(seed=98), {}
    for share in (1.0, 0.5, 0.3):
        hits = 0
        for vector in made.vectors(RECALL_QUERIES, 1):
            allowed = draw.random(len(held.rows)) < share
            slots = None if share == 1.0 else np.flatnonzero(allowed)
            exact, _ = kernels.nearest(held.vectors, held.scales, vector, 10, slots)
            near = search(held, allowed | (share == 1.0), vector, 10)
            hits += len(set(held.rows[exact].tolist()) & set(near.rows.tolist()))
        found[f"{share:g} allowed"] = hits / (10 * RECALL_QUERIES)
    return found


def name_of(passages: int) -> str:
    return f"p{passages}"


def _word(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))[:7]


def content_of(made: Synthetic, number: int, count: int = A_DOCUMENT) -> Fresh:
    """A document of so many passages."""
    texts = [made.words(WORDS) for _ in range(count)]
    whole, at, passages = "\n\n".join(texts), 0, []
    for ordinal, text in enumerate(texts):
        passages.append(Passage(ordinal, at, at + len(text), text, f"Paper {number}\n{text}"))
        at += len(text) + 2
    sha256 = hashlib.sha256(f"{number} {whole}".encode()).hexdigest()
    return Fresh(sha256, "synthetic", "text/plain", "en", Parsed(whole, title=f"Paper {number}"), passages)


@contextlib.contextmanager
def place(given: Path | None) -> Iterator[Path]:
    """The folder of the collections: the one given, or one that goes at the end."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _apart(home: Path, passages: int, queries: int) -> dict[str, Any]:
    """`measure` in a fresh process."""
    code = (
        "import json; from pathlib import Path; from benchmarks.search_latency import measure; "
        f"print(json.dumps(measure(Path({str(home)!r}), {passages}, {queries})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=harness.ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Entry of `python -m benchmarks.search_latency`."""

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--sizes", type=int, nargs="+", default=None, help=f"passages (default {SIZES})")
        parser.add_argument("--keep", type=Path, default=None, help="folder of collections to make once and use again")

    given = harness.options("search_latency", "Latency and memory of a query by size and permissions.", configure)
    sizes = given.extra.sizes or (QUICK_SIZES if given.quick else SIZES)
    queries = QUICK_QUERIES if given.quick else QUERIES
    result: dict[str, Any] = {"queries": queries, "graph_from": graph.GRAPH_FROM, "text_and_vectors": "synthetic"}
    with place(given.extra.keep) as home:
        for passages in sizes:
            built = {} if (home / "search" / name_of(passages)).exists() else build(home, passages)
            gc.collect()
            result[name_of(passages)] = built | _apart(home, passages, queries)
            harness.note(f"{passages:,} passages: {result[name_of(passages)]}")
    harness.finish(given, result, [f"{key:20} {value}" for key, value in result.items()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
