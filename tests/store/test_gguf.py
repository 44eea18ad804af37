"""Our reader and writer of GGUF beside the format's own library, and files that lie about themselves."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from gguf_files import TINYLLAMA, hollow_gguf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightsized.core.errors import IntegrityError, NotFoundError
from rightsized.store.gguf import LongArray, is_gguf, read_header
from rightsized.store.gguf_types import BY_NUMBER, named
from rightsized.store.gguf_write import Planned, record, write_gguf


def _theirs(path: Path, words: int = 5) -> Path:
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_bool("tokenizer.ggml.add_bos_token", True)
    writer.add_array("tokenizer.ggml.tokens", [f"word{i}" for i in range(words)])
    writer.add_array("tokenizer.ggml.scores", [float(i) for i in range(words)])
    writer.add_tensor("token_embd.weight", np.arange(12, dtype=np.float32).reshape(3, 4))
    writer.add_tensor("blk.0.attn_q.weight", np.ones((4, 4), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_reads_what_the_formats_own_library_writes(tmp_path: Path) -> None:
    path = _theirs(tmp_path / "theirs.gguf")
    header = read_header(path)
    assert is_gguf(path)
    assert (header.architecture, header.integer("block_count"), header.parameters) == ("llama", 2, 28)
    assert header.metadata["tokenizer.ggml.tokens"] == ("word0", "word1", "word2", "word3", "word4")
    assert header.metadata["tokenizer.ggml.scores"] == (0.0, 1.0, 2.0, 3.0, 4.0)
    assert header.metadata["tokenizer.ggml.add_bos_token"] is True
    embeddings = header.tensors[0]
    assert (embeddings.name, embeddings.dimensions, embeddings.kind.name) == ("token_embd.weight", (4, 3), "F32")
    start = header.data_start + embeddings.offset
    assert np.frombuffer(path.read_bytes()[start : start + embeddings.size], np.float32).tolist() == list(range(12))


def test_vocabularies_stay_in_the_file(tmp_path: Path) -> None:
    header = read_header(_theirs(tmp_path / "long.gguf", words=5000))
    assert header.metadata["tokenizer.ggml.tokens"] == LongArray(8, 5000)
    assert header.metadata["tokenizer.ggml.scores"] == LongArray(6, 5000)
    assert len(header.tensors) == 2


def test_the_formats_own_library_reads_what_we_write(tmp_path: Path) -> None:
    path = tmp_path / "ours.gguf"
    weights = np.arange(8, dtype=np.float32).reshape(2, 4)
    tensors = [Planned("a.weight", (4, 2), named("F32")), Planned("b.weight", (3,), named("F16"))]
    contents = [weights.tobytes(), np.ones(3, np.float16).tobytes()]

    def fill(position: int, file: BinaryIO) -> None:
        file.write(contents[position])

    records = [record("general.architecture", "llama"), record("list", ["x", "é"]), record("n", [1, 2])]
    write_gguf(path, records, tensors, fill)
    reader = GGUFReader(path)
    assert reader.fields["general.architecture"].contents() == "llama"
    assert reader.fields["list"].contents() == ["x", "é"]
    assert reader.fields["n"].contents() == [1, 2]
    assert reader.tensors[0].data.tolist() == weights.tolist()
    assert reader.tensors[1].data.tolist() == [1.0, 1.0, 1.0]


def test_a_tensor_of_the_wrong_size_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 bytes were written, not 16"):
        write_gguf(tmp_path / "x", [], [Planned("a", (4,), named("F32"))], lambda _, file: _short(file))


def _short(file: BinaryIO) -> None:
    file.write(b"abc")


def test_types_are_those_of_the_format() -> None:
    for kind, (block, size) in GGML_QUANT_SIZES.items():
        ours = BY_NUMBER[int(kind)]
        assert (ours.name, ours.block, ours.size) == (GGMLQuantizationType(kind).name, block, size)


def test_shapes_of_a_real_size_are_read_at_once(tmp_path: Path) -> None:
    plan = hollow_gguf(tmp_path / "tinyllama.gguf", TINYLLAMA, "Q4_K_M")
    header = read_header(tmp_path / "tinyllama.gguf")
    assert header.parameters == plan.parameters == 1_100_048_384
    assert sum(tensor.size for tensor in header.tensors) == 667_078_656


@pytest.mark.parametrize("keep", [0, 3, 4, 23, 24, 40, 100, 300, -1])
def test_cut_short_anywhere(tmp_path: Path, keep: int) -> None:
    whole = _theirs(tmp_path / "whole.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[:keep] if keep >= 0 else whole[:-20])
    with pytest.raises(IntegrityError):
        read_header(cut)


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (4, struct.pack("<I", 99), "version 99"),
        (8, struct.pack("<Q", 1 << 60), "cut short"),
        (16, struct.pack("<Q", 1 << 60), "cut short"),
        (24, struct.pack("<Q", 1 << 40), "name of"),
    ],
)
def test_impossible_numbers(tmp_path: Path, at: int, value: bytes, reason: str) -> None:
    data = bytearray(_theirs(tmp_path / "whole.gguf").read_bytes())
    data[at : at + len(value)] = value
    (tmp_path / "bad.gguf").write_bytes(data)
    with pytest.raises(IntegrityError, match=reason):
        read_header(tmp_path / "bad.gguf")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 420), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_changed_header_is_read_or_refused(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    path = tmp_path / "changed.gguf"
    data = bytearray(_theirs(tmp_path / "whole.gguf").read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    path.write_bytes(data)
    try:
        header = read_header(path)
    except IntegrityError:
        return
    assert all(t.offset + t.size + header.data_start <= len(data) for t in header.tensors)


def test_what_is_no_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"not a model, but long enough to have a header")
    with pytest.raises(IntegrityError, match="not a GGUF file"):
        read_header(tmp_path / "x.gguf")
    with pytest.raises(NotFoundError):
        read_header(tmp_path / "absent.gguf")
    with pytest.raises(NotFoundError, match="folder"):
        read_header(tmp_path)
    assert not is_gguf(tmp_path)
