"""The scan is exact; the graph is masked before anything is handed out, and follows changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_samples import STEPS, CountingEncoder, MemorySource
from numpy.typing import NDArray

from rightsized.apps.search.index import graph, kernels
from rightsized.apps.search.index.check import check
from rightsized.apps.search.index.collection import open_collection
from rightsized.apps.search.index.dense import Vectors, search
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.types import Filters

DIMENSION = 48


def unit(count: int, seed: int) -> NDArray[np.float32]:
    """Vectors with near ones among them."""
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((20, DIMENSION))
    rows = centres[draw.integers(0, 20, count)] + 0.6 * draw.standard_normal((count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(1, 400), st.integers(1, 30), st.integers(0, 10_000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_scan_is_that_of_the_exact_question(count: int, limit: int, seed: int, masked: bool) -> None:
    vectors, scales = kernels.quantised(unit(count, seed))
    question = unit(1, seed + 1)[0]
    slots = np.flatnonzero(np.random.default_rng(seed).random(count) < 0.4) if masked else None
    cosines = kernels.restored(vectors, scales) @ question
    some = np.arange(count) if slots is None else slots
    expected = some[np.lexsort((some, -cosines[some]))][:limit]
    places, scores = kernels.nearest(vectors, scales, question, limit, slots)
    assert places.tolist() == expected.tolist()
    np.testing.assert_allclose(scores, cosines[expected], rtol=1e-5, atol=1e-6)


def test_without_numkong_the_same_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, scales = kernels.quantised(unit(3000, 5))
    question = unit(1, 6)[0]
    fast = kernels.nearest(vectors, scales, question, 25)
    monkeypatch.setattr(kernels, "_numkong", lambda: None)
    slow = kernels.nearest(vectors, scales, question, 25)
    assert fast[0].tolist() == slow[0].tolist()


def test_a_vector_of_zeros_is_no_error() -> None:
    vectors, scales = kernels.quantised(np.zeros((2, DIMENSION), dtype=np.float32))
    assert kernels.nearest(vectors, scales, unit(1, 0)[0], 5)[1].tolist() == [0.0, 0.0]


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vectors:
    """4,000 vectors, the first 3,000 of them in a graph."""
    monkeypatch.setattr(graph, "GRAPH_FROM", 100)
    vectors, scales = kernels.quantised(unit(4000, 1))
    name = graph.grow(tmp_path, "", 0, vectors[:2000], scales[:2000])
    name = graph.grow(tmp_path, name, 2000, vectors[:3000], scales[:3000])
    rows = np.arange(100, 4100)
    return Vectors("", vectors, scales, rows, rows, graph.load(tmp_path, name, 3000))


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.03])
def test_the_graph_finds_what_the_scan_finds_and_nothing_hidden(held: Vectors, share: float) -> None:
    draw = np.random.default_rng(2)
    assert held.graph is not None
    found = wanted = 0
    for question in unit(40, 9):
        allowed = draw.random(4000) < share
        near = search(held, allowed, question, 10)
        exact, scores = kernels.nearest(held.vectors, held.scales, question, 10, np.flatnonzero(allowed))
        assert allowed[near.rows - 100].all()
        assert len(near.rows) == 10
        assert near.scores[0] <= scores[0] + 1e-6
        found += len(set((near.rows - 100).tolist()) & set(exact.tolist()))
        wanted += 10
    assert found >= 0.98 * wanted


def test_few_allowed_are_scanned(held: Vectors) -> None:
    allowed = np.zeros(4000, dtype=np.bool_)
    allowed[[5, 3999]] = True
    question = unit(1, 3)[0]
    assert set(search(held, allowed, question, 10).rows.tolist()) == {105, 4099}


def test_a_damaged_graph_is_left_aside(tmp_path: Path) -> None:
    (tmp_path / "torn").write_bytes(b"usearch")
    assert graph.load(tmp_path, "torn", 10) is None
    assert graph.load(tmp_path, "absent", 10) is None
    vectors, scales = kernels.quantised(unit(300, 1))
    name = graph.grow(tmp_path, "torn", 10, vectors, scales)
    made = graph.load(tmp_path, name, 300)
    assert made is not None
    assert made.size == 300


def test_a_collection_with_many_vectors_has_a_graph_that_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "GRAPH_FROM", 50)
    encoder, source = CountingEncoder(), MemorySource()
    for number in range(40):
        source.put(f"{number}.txt", f"Title {number}\n\nOne word{number}.\n\nTwo other{number}.", f"group:{number % 2}")
    collection = open_collection(tmp_path, "docs", encoder, create=True)
    sync(collection, source, STEPS)
    first = collection.vectors()
    assert first.graph is not None
    assert first.graph.size == len(first.rows) == 120
    for number in range(40, 80):
        source.put(f"{number}.txt", f"Title {number}\n\nOne word{number}.", "group:0")
    for number in range(5):
        source.remove(f"{number}.txt")
    sync(collection, source, STEPS)
    held = collection.vectors()
    assert held.graph is not None
    assert held.graph.size > 120
    assert len(list((collection.folder / "vectors").glob("*/graph-*"))) == 1
    assert check(collection.folder) == []
    for number in (7, 24, 60):
        question = encoder.encode_now(f"Title {number}\nOne word{number}.").vector
        for principals in (["group:0", "group:1"], ["group:0"]):
            view = collection.view(principals)
            (found,) = view.found(view.dense(question, Filters(), 1).rows)
            mine = number % 2 == 0 or number >= 40 or len(principals) == 2
            assert (found.document.key == f"{number}.txt") == mine
            assert set(found.document.principals) <= set(principals)
    collection.close()


def test_searches_go_on_while_a_sync_writes(tmp_path: Path) -> None:
    encoder, source = CountingEncoder(), MemorySource()
    source.put("a.txt", "Alpha\n\nFirst words.")
    collection = open_collection(tmp_path, "docs", encoder, create=True)
    sync(collection, source, STEPS)
    reading = open_collection(tmp_path, "docs", CountingEncoder())
    with collection.writing() as writer, writer.transaction():
        writer.source("another")
        view = reading.view([])
        assert len(view.lexical(Terms("first"), Filters(), 5).rows) == 1
        assert len(view.dense(encoder.encode_now("first").vector, Filters(), 5).rows) == 2
        assert [document.key for document in view.documents(Filters())] == ["a.txt"]
    source.put("b.txt", "Beta\n\nSecond words.")
    sync(collection, source, STEPS)
    reading.refresh()
    assert len(reading.view([]).lexical(Terms("second"), Filters(), 5).rows) == 1
    for one in (collection, reading):
        one.close()
