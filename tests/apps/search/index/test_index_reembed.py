"""Another encoder: the old vectors serve until the new ones are all there; space that is freed goes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from index_samples import STEPS, CountingEncoder, MemorySource

from rightsized.apps.search.index import database, dense
from rightsized.apps.search.index.check import check
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.index.kernels import quantised
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.sync.reembed import reembed
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.types import Filters

DOCUMENTS = 40


@pytest.fixture
def source() -> MemorySource:
    source = MemorySource()
    for number in range(DOCUMENTS):
        source.put(f"{number:02}.txt", f"Title {number}\n\nOne word{number}.\n\nTwo other{number}.")
    return source


@pytest.fixture
def collection(tmp_path: Path, source: MemorySource) -> Iterator[Collection]:
    collection = open_collection(tmp_path, "docs", CountingEncoder(32), create=True)
    sync(collection, source, STEPS)
    yield collection
    collection.close()


def nearest(collection: Collection, encoder: CountingEncoder, text: str) -> str:
    view = collection.view([])
    (found,) = view.found(view.dense(encoder.encode_now(text).vector, Filters(), 1).rows)
    return found.passage.text


def test_the_old_vectors_serve_until_the_new_ones_are_whole(tmp_path: Path, collection: Collection) -> None:
    old, new = CountingEncoder(32), CountingEncoder(48)
    stopped = reembed(collection, new, cancelled=lambda: len(new.texts) > 50)
    assert not stopped.swapped
    assert collection.view([]).encoder == old.digest
    assert nearest(collection, old, "Title 7\nOne word7.") == "One word7."
    already = set(new.texts)
    new.texts.clear()
    done = reembed(collection, new)
    assert done.swapped
    assert not already & set(new.texts)
    assert len(already) + len(new.texts) == 3 * DOCUMENTS
    assert collection.view([]).encoder == new.digest
    assert nearest(collection, new, "Title 7\nOne word7.") == "One word7."
    assert check(collection.folder) == []
    with open_again(tmp_path, new) as again:
        assert nearest(again, new, "Title 9\nTwo other9.") == "Two other9."


class open_again:  # noqa: N801 - reads as a statement
    """The collection, opened with another encoder."""

    def __init__(self, home: Path, encoder: CountingEncoder) -> None:
        self._collection = open_collection(home, "docs", encoder)

    def __enter__(self) -> Collection:
        return self._collection

    def __exit__(self, *_: object) -> None:
        self._collection.close()


def test_what_is_added_meanwhile_has_vectors_after_the_swap(collection: Collection, source: MemorySource) -> None:
    new = CountingEncoder(48)
    reembed(collection, new, cancelled=lambda: len(new.texts) > 50)
    source.put("late.txt", "Late\n\nArrived meanwhile.")
    sync(collection, source, STEPS)
    assert reembed(collection, new).swapped
    assert nearest(collection, new, "Late\nArrived meanwhile.") == "Arrived meanwhile."
    assert check(collection.folder) == []


def test_an_encoder_that_is_taken_back_fills_what_came_meanwhile(
    tmp_path: Path, collection: Collection, source: MemorySource
) -> None:
    new = CountingEncoder(48)
    source.put("late.txt", "Late\n\nArrived meanwhile.")
    with open_again(tmp_path, new) as other:
        assert sync(other, source, STEPS, cancelled=lambda: len(new.texts) > 20).cancelled
        assert check(collection.folder) == []
    collection.refresh()
    assert collection.view([]).lexical(Terms("meanwhile"), Filters(), 5).rows.tolist() != []
    sync(collection, source, STEPS)
    assert nearest(collection, CountingEncoder(32), "Late\nArrived meanwhile.") == "Arrived meanwhile."
    assert check(collection.folder) == []


def test_deleted_vectors_and_words_are_gone_from_the_disk(collection: Collection, source: MemorySource) -> None:
    secret = "Title 3\nOne word3."
    vector, _ = quantised(CountingEncoder(32).encode_now(secret).vector[None])
    held = [path for path in collection.folder.rglob("*") if path.is_file()]
    assert any(vector.tobytes() in path.read_bytes() for path in held)
    source.remove("03.txt")
    sync(collection, source, STEPS)
    collection.compact()
    for path in collection.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert vector.tobytes() not in data, path
            assert b"word3" not in data or b"word30" in data, path
    assert collection.view([]).lexical(Terms("word3"), Filters(), 5).rows.tolist() == []
    assert check(collection.folder) == []


def test_space_is_given_back(collection: Collection, source: MemorySource) -> None:
    for number in range(100):
        source.put(
            f"big{number}.txt", "\n\n".join(f"{number} {at} " + hex(number * at**9)[2:] * 60 for at in range(20))
        )
    sync(collection, source, STEPS)
    before = size(collection.folder)
    vectors = dense.load(collection.folder / dense.FOLDER)
    for number in range(100):
        source.remove(f"big{number}.txt")
    sync(collection, source, STEPS)
    assert size(collection.folder) < before / 2
    after = dense.load(collection.folder / dense.FOLDER)
    assert (len(vectors.rows), len(after.rows)) == (3 * DOCUMENTS + 2000, 3 * DOCUMENTS)
    assert np.all(after.contents > 0)
    assert (collection.folder / database.FILE).stat().st_size < 1_000_000
    assert check(collection.folder) == []


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
