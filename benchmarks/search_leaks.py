"""What a person can learn of documents that they may not see, from scores and from the time that answers take.

A collection of synthetic passages; the asker may see 1%. Four kinds of words are asked for, in turn: words of no
passage, words of visible passages only, words that half of the hidden passages hold and no visible one, and such words
held by ten hidden passages. Reported for each: the median time, and how well one query tells hidden words from words
that are nowhere (the probability that a query for a hidden word takes longer, 0.5 is chance), for `View.lexical` alone,
for suggestions, for a whole query (lexical, dense, ten passages read), and for one that leaves at whole steps of time.

Scores: how far those of the asker's own passages move when the hidden passages are put there, with the same collection
without them as the other one. tantivy's own weights are reported beside ours.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.index.kernels import quantised
from rightsized.apps.search.index.pacing import STEP_SECONDS, remaining
from rightsized.apps.search.index.records import Fresh, Put
from rightsized.apps.search.index.view import IndexView
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.types import Filters, Item, Passage
from rightsized.engines.fake import FakeEncoder
from rightsized.parsers.types import Parsed

DOCUMENTS, QUICK_DOCUMENTS = 4_000, 400  # of five passages
ASKED, QUICK_ASKED = 1_500, 100  # of each kind
DIMENSION, WORDS, A_DOCUMENT, VISIBLE_SHARE, KINDS_OF_WORD = 384, 60, 5, 0.01, 40
COMMON = [f"common{number}" for number in range(400)]
KINDS = ("nowhere", "visible", "hidden in half", "hidden in ten")


def text_of(draw: random.Random, visible: bool, number: int) -> list[str]:
    """Passages of a document: common words, and the words that are asked for."""
    passages = []
    for _ in range(A_DOCUMENT):
        words = draw.choices(COMMON, k=WORDS)
        if visible:
            words[:5] = [f"visible{one}" for one in draw.sample(range(KINDS_OF_WORD), 5)]
        else:
            half = draw.sample(range(KINDS_OF_WORD), KINDS_OF_WORD // 2)
            words[: len(half)] = [f"half{one}" for one in half]
            if number < 10 * KINDS_OF_WORD // A_DOCUMENT:
                words[-1] = f"ten{number % KINDS_OF_WORD}"
        passages.append(" ".join(words))
    return passages


def build(home: Path, documents: int, *, hidden: bool) -> Collection:
    """A collection in which the asker sees 1%; without the hidden documents where asked for."""
    draw, encoder = random.Random(1), FakeEncoder(dimension=DIMENSION)
    name = "all" if hidden else "visible"
    collection = open_collection(home, name, encoder, create=True)
    vectors = np.random.default_rng(2).standard_normal((documents * A_DOCUMENT, DIMENSION)).astype(np.float32)
    rows, scales = quantised(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    with collection.writing() as writer, contextlib.closing(collection.sidecars(writer)) as sidecars:
        source, number = writer.source("synthetic"), writer.encoder(encoder.digest, DIMENSION)
        with writer.transaction():
            for at in range(documents):
                visible = at % round(1 / VISIBLE_SHARE) == 0
                texts, own = text_of(draw, visible, at), slice(at * A_DOCUMENT, (at + 1) * A_DOCUMENT)
                if visible or hidden:
                    content = writer.add_content(_fresh(texts, at)).number
                    writer.add_vectors(number, [(content, 0, rows[own], scales[own])])
                    writer.complete(content)
                    item = Item(f"{at}", "1", 1, 0.0, ("group:mine" if visible else "group:theirs",))
                    writer.put_documents(source, [Put(item, content, "", item.key)])
        sidecars.update()
    return collection


def _fresh(texts: Sequence[str], number: int) -> Fresh:
    whole, at, passages = "\n\n".join(texts), 0, []
    for ordinal, text in enumerate(texts):
        passages.append(Passage(ordinal, at, at + len(text), text, text))
        at += len(text) + 2
    sha256 = hashlib.sha256(f"{number} {whole}".encode()).hexdigest()
    return Fresh(sha256, "synthetic", "text/plain", "en", Parsed(whole, title=f"Paper {number}"), passages)


def words_of(kind: str) -> list[str]:
    """The words of a kind."""
    prefix = {"nowhere": "absent", "visible": "visible", "hidden in half": "half", "hidden in ten": "ten"}[kind]
    return [f"{prefix}{number}" for number in range(KINDS_OF_WORD)]


def timed(
    collection: Collection, asked: int, query: Callable[[IndexView, str], object], *, step: float = 0.0
) -> dict[str, Any]:
    """Times of a kind of query, the kinds of words in turn, in random order."""
    draw, times = random.Random(3), {kind: list[float]() for kind in KINDS}
    for _ in range(asked):
        for kind in draw.sample(KINDS, len(KINDS)):
            word = draw.choice(words_of(kind))
            began = time.perf_counter()
            query(collection.view(["group:mine"]), word)
            if step:
                time.sleep(remaining(time.perf_counter() - began, step))
            times[kind].append(1000 * (time.perf_counter() - began))
    absent = np.array(times["nowhere"])
    return {
        kind: {
            "p50_ms": float(np.median(found)),
            "takes_longer_than_nowhere": _longer(np.array(found), absent),
        }
        for kind, found in times.items()
    }


def _longer(one: np.ndarray[Any, np.dtype[np.float64]], other: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Probability that a time of `one` is longer than one of `other`, equal ones counted half."""
    longer, equal = (one[:, None] > other[None]).mean(), (one[:, None] == other[None]).mean()
    return float(longer + equal / 2)


def whole(vector: np.ndarray[Any, np.dtype[np.float32]]) -> Callable[[IndexView, str], object]:
    """A whole query after the question has been encoded."""

    def query(view: IndexView, word: str) -> object:
        lexical = view.lexical(Terms(word), Filters(), 100)
        dense = view.dense(vector, Filters(), 100)
        return view.found([*lexical.rows[:5], *dense.rows[: 10 - min(5, len(lexical.rows))]])

    return query


def moved(every: Collection, visible: Collection) -> dict[str, float]:
    """The greatest relative difference of scores with and without hidden passages: ours, and by tantivy's weights."""
    found = {}
    for name in ("ours", "tantivy's"):
        views = [collection.view(["group:mine"]) for collection in (every, visible)]
        if name != "ours":
            for view in views:
                view.weigh_as_tantivy()
        worst = 0.0
        for word in [*words_of("visible"), *COMMON[:60]]:
            sides = [view.lexical(Terms(f"{word} common1"), Filters(), 20).scores for view in views]
            worst = max(worst, float(np.abs(sides[0] / sides[1] - 1).max()))
        found[name] = worst
    return found


def main() -> int:
    """Entry of `python -m benchmarks.search_leaks`."""
    given = harness.options("search_leaks", "What scores and times tell of hidden documents.")
    documents = QUICK_DOCUMENTS if given.quick else DOCUMENTS
    asked = QUICK_ASKED if given.quick else ASKED
    vector = FakeEncoder(dimension=DIMENSION).encode_now("common1 common2").vector
    with tempfile.TemporaryDirectory() as folder:
        every = build(Path(folder), documents, hidden=True)
        visible = build(Path(folder), documents, hidden=False)
        result = {
            "passages": documents * A_DOCUMENT,
            "visible_share": VISIBLE_SHARE,
            "queries_of_each_kind": asked,
            "greatest_relative_change_of_a_score": moved(every, visible),
            "lexical": timed(every, asked, lambda view, word: view.lexical(Terms(word), Filters(), 100)),
            "suggestions": timed(every, asked // 3, lambda view, word: view.terms(word, 10)),
            "whole query": timed(every, asked // 3, whole(vector)),
            "whole query in steps of 10 ms": timed(every, asked // 3, whole(vector), step=STEP_SECONDS),
        }
        for collection in (every, visible):
            collection.close()
    harness.finish(given, result, [f"{key:40} {value}" for key, value in result.items()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
