"""Nearest examples: exact against brute force, and files that cannot be altered unseen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rightsized.core.errors import DataError, IntegrityError, NotFoundError
from rightsized.explain import neighbours
from rightsized.explain.neighbours import Examples, nearest, open_examples, quantised, save_examples


def _unit(rows: int, dimension: int, seed: int) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=(rows, dimension))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def _brute_force(vector: NDArray[np.float32], rows: NDArray[np.float64], k: int) -> list[tuple[int, float]]:
    query = vector.astype(np.float64)
    cosines = [float(row @ query / np.linalg.norm(row) / np.linalg.norm(query)) for row in rows]
    return sorted(enumerate(cosines), key=lambda pair: (-pair[1], pair[0]))[:k]


@pytest.mark.parametrize("kind", [np.int8, np.float16, np.float32])
@pytest.mark.parametrize("rows", [1, 3, 500, 9000])
def test_the_scan_is_exact(kind: type, rows: int) -> None:
    vectors = _unit(rows, 32, 1)
    stored = quantised(vectors) if kind is np.int8 else vectors.astype(kind)
    names = [f"row {i}" for i in range(rows)]
    for vector in _unit(5, 32, 2):
        found = nearest(vector, stored, names, names, 5)
        expected = _brute_force(vector, stored.astype(np.float64), 5)
        assert [n.text for n in found] == [f"row {i}" for i, _ in expected]
        assert [n.similarity for n in found] == pytest.approx([c for _, c in expected], abs=1e-5)


def test_int8_finds_what_float32_finds() -> None:
    vectors = _unit(2000, 384, 3)
    names = [str(i) for i in range(2000)]
    for vector in _unit(20, 384, 4):
        exact, small = nearest(vector, vectors, names, names, 1), nearest(vector, quantised(vectors), names, names, 3)
        assert exact[0].text in {n.text for n in small}
        assert small[0].similarity == pytest.approx(exact[0].similarity, abs=0.01)


def test_equal_rows_come_in_their_order_and_a_row_is_like_itself() -> None:
    vectors = np.tile(_unit(1, 8, 5), (4, 1))
    found = nearest(vectors[0], vectors, ["a", "b", "c", "d"], ["x"] * 4, 3)
    assert [n.text for n in found] == ["a", "b", "c"]
    assert found[0].similarity == pytest.approx(1.0) and found[0].similarity <= 1.0


def test_nothing_stored_and_zero_vectors() -> None:
    assert nearest(np.ones(4, np.float32), np.zeros((0, 4), np.int8), [], []) == ()
    assert nearest(np.zeros(4, np.float32), np.ones((1, 4), np.int8), ["a"], ["x"])[0].similarity == 0.0


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be compared"):
        nearest(np.ones(3, np.float32), np.ones((1, 4), np.int8), ["a"], ["x"])
    with pytest.raises(DataError, match="do not go together"):
        Examples(["a"], ["x", "y"], np.ones((1, 4), np.int8))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    texts = ["naïve 👍", 'a "quoted"\nline', "third\u2028line"]
    save_examples(tmp_path, Examples(texts, ["x", "y", "x"], quantised(_unit(3, 16, 6))))
    return tmp_path


def test_examples_come_back_as_they_were(saved: Path) -> None:
    examples = open_examples(saved)
    assert list(examples.texts) == ["naïve 👍", 'a "quoted"\nline', "third\u2028line"]
    assert examples.vectors.dtype == np.int8
    found = examples.nearest(_unit(3, 16, 6)[1], k=2)
    assert (found[0].text, found[0].label) == ('a "quoted"\nline', "y")


@pytest.mark.parametrize("name", [neighbours.ROWS_FILE, neighbours.VECTORS_FILE])
@pytest.mark.parametrize("harm", ["truncate", "alter", "remove"])
def test_a_harmed_file_is_not_opened(saved: Path, name: str, harm: str) -> None:
    path = saved / name
    data = path.read_bytes()
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(data[:-2] if harm == "truncate" else data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    with pytest.raises(IntegrityError, match="examples"):
        open_examples(saved)


def test_a_broken_index_and_an_empty_folder(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (saved / neighbours.INDEX_FILE).write_text("{", "utf-8")
    with pytest.raises(IntegrityError):
        open_examples(saved)
    with pytest.raises(NotFoundError):
        open_examples(tmp_path_factory.mktemp("empty"))
