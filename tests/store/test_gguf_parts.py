"""Models cut into parts: found by any of them, joined into one file, never taken for whole ones."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pytest
from gguf import GGUFReader
from gguf_files import CONFIG, cut, hollow_gguf

from rightsized.core.errors import InputError, IntegrityError, NotFoundError
from rightsized.core.protocols import no_progress
from rightsized.core.tiers import TierConfig
from rightsized.engines.llamacpp.options import find_model
from rightsized.store.gguf import read_header
from rightsized.store.gguf_parts import join, names, read_parts, stem, whole_header
from rightsized.store.gguf_write import Planned, write_gguf
from rightsized.store.planner import open_blueprint, plan


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A model whose tensors hold their own position, so that a mix-up shows."""
    hollow = tmp_path / "hollow.gguf"
    hollow_gguf(hollow, CONFIG)
    header, data = read_header(hollow), hollow.read_bytes()
    records = [data[start:end] for start, end in header.spans.values()]

    def fill(position: int, file: BinaryIO) -> None:
        file.write(bytes([position % 251]) * header.tensors[position].size)

    path = tmp_path / "whole.gguf"
    write_gguf(path, records, [Planned(t.name, t.dimensions, t.kind) for t in header.tensors], fill)
    return path


@pytest.mark.parametrize("count", [2, 3])
def test_the_parts_make_the_whole_again(whole: Path, tmp_path: Path, count: int) -> None:
    parts = cut(whole, tmp_path / "parts", "Small-Q8_0", count)
    assert [path.name for path in parts] == list(names(parts[-1].name))
    assert stem(parts[0].name) == "Small-Q8_0"
    joined = tmp_path / "joined.gguf"
    join(read_parts(parts[-1]), joined, no_progress)
    assert joined.read_bytes() == whole.read_bytes()
    assert {t.name: t.data.tobytes() for t in GGUFReader(joined).tensors} == {
        t.name: t.data.tobytes() for t in GGUFReader(whole).tensors
    }


def test_the_planner_counts_all_parts(whole: Path, tmp_path: Path) -> None:
    parts = cut(whole, tmp_path / "parts", "m", 3)
    expected = plan(open_blueprint(whole), model="m", memory=10**9)
    for place in (parts[1], parts[0].parent):
        assert plan(open_blueprint(place), model="m", memory=10**9) == expected
    assert len(whole_header(parts[2]).tensors) == len(read_header(whole).tensors)
    whole.replace(parts[0].parent / "other.gguf")
    with pytest.raises(InputError, match="holds 4 GGUF files"):
        open_blueprint(parts[0].parent)


def test_a_part_is_not_served_alone(whole: Path, tmp_path: Path) -> None:
    first, _ = cut(whole, tmp_path / "parts", "m", 2)
    with pytest.raises(InputError, match="one of 2 parts") as caught:
        find_model(TierConfig(name="small", engine="llamacpp", model=str(first)).model, str(tmp_path))
    assert f"rightsized models pull {first}" in caught.value.fix


def test_parts_that_are_not_all_there(whole: Path, tmp_path: Path) -> None:
    first, second, third = cut(whole, tmp_path / "parts", "m", 3)
    third.write_bytes(second.read_bytes())
    with pytest.raises(IntegrityError, match="is not part 3 of 3"):
        read_parts(first)
    second.unlink()
    with pytest.raises(NotFoundError, match=r"m-00002-of-00003\.gguf is not beside it"):
        read_parts(first)
    with pytest.raises(InputError, match="does not say which"):
        read_parts(first.rename(first.with_name("renamed.gguf")))


def test_a_tensor_that_is_in_two_parts(whole: Path, tmp_path: Path) -> None:
    first, second = read_parts(cut(whole, tmp_path / "parts", "m", 2)[0])
    with pytest.raises(IntegrityError, match="name a tensor twice"):
        join([first, second, second], tmp_path / "joined.gguf", no_progress)
