"""Predictive coding: how many documents are read until 80 and 95% of what is relevant is found, beside other orders.

    python -m benchmarks.tar --json

Passages of contracts (CUAD), each topic a kind of clause. Every learner begins with the same one relevant passage and
reads in batches of 20; the product is started from a second one as well. Orders by the topic's question (BM25, cosine)
learn nothing. Random order is what is expected of it. Features, model and shares of a batch are those that serve.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, models, search_peers
from benchmarks.peer import Peer, PeerUnavailable
from benchmarks.tar_data import Corpus, Topic, read
from rightsized.apps.search.discovery.coding.cache import Part
from rightsized.apps.search.discovery.coding.choosing import RANDOM_SHARE
from rightsized.apps.search.discovery.coding.ranking import scores
from rightsized.apps.search.discovery.coding.terms import joined, terms
from rightsized.tasks.embeddings import Embedder

BATCH = 20
SHARES = (0.8, 0.95)
SEEDS = 2
NUMPY = "numpy==2.2.6"
SKLEARN = ("scikit-learn==1.7.2", NUMPY)
PEERS: dict[str, Callable[[], Peer]] = {
    "asreview": partial(Peer, "asreview", ("asreview==3.0.8",), "asreview_peer.py"),
    "scikit-learn CAL": partial(Peer, "sklearn-cal", SKLEARN, "cal_peer.py"),
}
Topics = dict[str, dict[str, list[int]]]  # documents read, by topic and share, one a start
Order = Callable[[Topic, int, int], Sequence[int]]  # topic, first passage, seed: passages in the order of reading


class Features:
    """Stands for the product's cache, in memory: contents are numbers of passages."""

    def __init__(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self._terms, self._vectors = [terms(text) for text in texts], vectors

    def parts(self, contents: Sequence[str]) -> Iterator[Part]:
        rows = [int(one) for one in contents]
        yield Part(list(contents), joined([self._terms[row] for row in rows]), self._vectors[rows])


def ours(features: Features, count: int, topic: Topic, first: int, seed: int) -> list[int]:
    """Passages in the order in which the product gives them out, until the larger share is found."""
    relevant, order = set(topic.relevant.tolist()), [first]
    draw = np.random.default_rng(seed)
    while sum(one in relevant for one in order) < SHARES[-1] * len(relevant) and len(order) < count:
        unread = np.setdiff1d(np.arange(count), order)
        decided = {str(one): one in relevant for one in order}
        found = scores(features, decided, [str(one) for one in unread], seed)  # type: ignore[arg-type]  # see Features
        assert found is not None
        ranked = sorted(unread.tolist(), key=lambda one: -found[str(one)])
        random = min(math.ceil(BATCH * RANDOM_SHARE), max(len(ranked) - 1, 0))
        likely, rest = ranked[: BATCH - random], ranked[BATCH - random :]
        order += [*likely, *(rest[at] for at in draw.permutation(len(rest))[:random])]
    return order


def reached(order: Sequence[int], topic: Topic) -> dict[str, int]:
    """Documents read until each share of the relevant ones is found; all of them where it never is."""
    found = np.cumsum(np.isin(np.array(order), topic.relevant))
    wanted = {share: math.ceil(share * len(topic.relevant)) for share in SHARES}
    return {f"{share:.0%}": int(np.searchsorted(found, wanted[share]) + 1) for share in SHARES}


def expected(count: int, topic: Topic) -> dict[str, float]:
    """What random order needs in the mean: the k-th of R among N stands at k (N + 1) / (R + 1)."""
    total = len(topic.relevant)
    return {f"{share:.0%}": round(math.ceil(share * total) * (count + 1) / (total + 1), 1) for share in SHARES}


class Kept:
    """Topics that are done, a file for each order, so that a run that was interrupted goes on."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def of(self, name: str) -> Topics:
        path = self._path(name)
        return json.loads(path.read_bytes()) if path and path.exists() else {}

    def keep(self, name: str, topics: Topics) -> None:
        path = self._path(name)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(topics), "utf-8")

    def _path(self, name: str) -> Path | None:
        return self._folder / f"{name}.json" if self._folder else None


def measure(corpus: Corpus, name: str, order: Order, seeds: int, kept: Kept) -> dict[str, Any]:
    """Every topic from `seeds` different first passages."""
    topics = kept.of(name)
    for topic in corpus.topics:
        if topic.name in topics:
            continue
        starts = np.random.default_rng(len(topic.relevant)).permutation(topic.relevant)[:seeds].tolist()
        runs = [reached(order(topic, first, seed), topic) for seed, first in enumerate(starts)]
        topics[topic.name] = {share: [run[share] for run in runs] for share in runs[0]}
        kept.keep(name, topics)
        harness.note(f"{name}: {topic.name} {topics[topic.name]}")
    first = {topic: {share: runs[:1] for share, runs in one.items()} for topic, one in topics.items()}
    return {"name": name, "topics": topics, "from the first start": summary(first), "from all": summary(topics)}


def summary(topics: Topics) -> dict[str, float]:
    """Mean and median over topics of the mean over first passages."""
    found: dict[str, float] = {}
    for share in (f"{one:.0%}" for one in SHARES):
        means = [statistics.mean(runs[share]) for runs in topics.values()]
        found |= {f"{share} mean": round(statistics.mean(means), 1), f"{share} median": statistics.median(means)}
    return found


def by_question(corpus: Corpus, vectors: NDArray[np.float32], questions: NDArray[np.float32]) -> Order:
    """By cosine to the topic's question."""
    place = {topic.name: at for at, topic in enumerate(corpus.topics)}
    return lambda topic, _, __: np.argsort(-(vectors @ questions[place[topic.name]]), kind="stable").tolist()


def by_words(corpus: Corpus, folder: Path) -> Order:
    """By BM25 (bm25s as its documentation shows it) of the topic's question. Raises PeerUnavailable."""
    rows = [{"id": at, "text": text, "document": ""} for at, text in enumerate(corpus.texts)]
    questions = [{"text": topic.question, "document": ""} for topic in corpus.topics]
    (folder / "rows.json").write_text(json.dumps(rows), "utf-8")
    (folder / "questions.json").write_text(json.dumps(questions), "utf-8")
    for name in ("rows", "questions"):  # it asks for vectors and does not use them
        np.save(folder / f"{name}.npy", np.zeros((1, 1), dtype=np.float32), allow_pickle=False)
    with search_peers.PEERS["bm25s"]() as peer:
        ranked: list[list[int]] = peer.call("rank", folder=str(folder), depth=len(corpus.texts))
    everything = range(len(corpus.texts))
    whole = (list(dict.fromkeys([*one, *everything])) for one in ranked)  # without any of the words: last
    orders = {topic.name: order for topic, order in zip(corpus.topics, whole, strict=True)}
    return lambda topic, _, __: orders[topic.name]


def by_peer(corpus: Corpus, peer: Peer, folder: Path, *, seeded: bool) -> Order:
    texts = folder / "texts.json"
    texts.write_text(json.dumps(corpus.texts), "utf-8")

    def order(topic: Topic, first: int, seed: int) -> list[int]:
        more: dict[str, Any] = {"seed": seed} if seeded else {}
        found: list[int] = peer.call(
            "review", texts=str(texts), relevant=topic.relevant.tolist(), prior=first, batch=BATCH, share=SHARES[-1],
            **more,
        )  # fmt: skip
        return found

    return order


def peers(corpus: Corpus, kept: Kept, only: str) -> Iterator[dict[str, Any]]:
    """Each from the first of the starts."""
    with tempfile.TemporaryDirectory() as folder:
        if not only:
            try:
                yield measure(corpus, "BM25 of the question", by_words(corpus, Path(folder)), 1, kept)
            except PeerUnavailable as error:
                yield {"name": "BM25 of the question", "unavailable": str(error)}
        for name, make in PEERS.items():
            if not name.startswith(only):
                continue
            try:
                with make() as peer:
                    yield measure(corpus, name, by_peer(corpus, peer, Path(folder), seeded="CAL" in name), 1, kept)
            except PeerUnavailable as error:
                yield {"name": name, "unavailable": str(error)}


def main(arguments: Sequence[str] | None = None) -> int:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--keep", type=Path, help="folder for what is done: an interrupted run goes on from it")
        parser.add_argument("--only-peer", default="", help="measure the peer whose name begins so, and write nothing")

    asked = harness.options("tar", "Documents read to reach a share of the relevant ones.", configure, arguments)
    corpus = read(asked.data)
    corpus = corpus._replace(topics=corpus.topics[::6]) if asked.quick else corpus
    seeds, kept = 1 if asked.quick else SEEDS, Kept(asked.extra.keep)
    if asked.extra.only_peer:
        missing = [one["unavailable"] for one in peers(corpus, kept, asked.extra.only_peer) if "unavailable" in one]
        harness.note("\n".join(missing) or "done")
        return len(missing)
    encoder = models.encoder(sessions=1)
    cached = Embedder(models.home(), encoder)
    vectors = cached.vectors(corpus.texts), cached.vectors([topic.question for topic in corpus.topics])
    features, count = Features(corpus.texts, vectors[0]), len(corpus.texts)
    found = [
        measure(corpus, "rightsized", partial(ours, features, count), seeds, kept),
        measure(corpus, "cosine to the question", by_question(corpus, *vectors), 1, kept),
        *peers(corpus, kept, ""),
    ]
    random = {topic.name: expected(count, topic) for topic in corpus.topics}
    data = {
        "encoder": encoder.digest,
        "documents": count,
        "topics": {topic.name: len(topic.relevant) for topic in corpus.topics},
        "batch": BATCH,
        "seeds": seeds,
        "random order, expected": random,
        "random order, expected, mean": {
            share: round(statistics.mean(one[share] for one in random.values()), 1) for share in ("80%", "95%")
        },
        "orders": found,
    }
    return harness.finish(
        asked, data, [f"{one['name']}: {one.get('from all', one.get('unavailable'))}" for one in found]
    )


if __name__ == "__main__":
    sys.exit(main())
