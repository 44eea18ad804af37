"""Our rewriting with ggml's quantiser: types, sizes, error of every block type, and files that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from gguf import GGUFReader
from gguf.quants import dequantize

from rightsized.compress.gguf.quantise import quantise
from rightsized.core.errors import InputError, IntegrityError
from rightsized.core.protocols import no_progress
from rightsized.store.gguf import read_header
from rightsized.store.gguf_recipes import Facts, Placed, assign
from rightsized.store.gguf_types import named
from rightsized.store.gguf_write import Planned, record, write_gguf

pytest.importorskip("xllamacpp")
# Largest mean error of a normal variate, in standard deviations: about half a step of so many bits.
ERROR = {"Q8_0": 0.005, "Q6_K": 0.02, "Q5_K": 0.04, "Q4_K": 0.075, "Q4_0": 0.09, "Q5_0": 0.05, "Q5_1": 0.045}


def _model(path: Path, *, width: int = 256, kind: str = "F32", experts: int = 0) -> Path:
    """A Llama of eight layers with random weights."""
    random = np.random.default_rng(5)
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (width, 96), "output.weight": (width, 96)}
    for i in range(8):
        shapes |= {f"blk.{i}.attn_{n}.weight": (width, width) for n in ("q", "k", "v", "output")}
        shapes |= {f"blk.{i}.attn_norm.weight": (width,)}
        if experts:
            shapes |= {f"blk.{i}.ffn_down_exps.weight": (width, width, experts)}
            shapes |= {f"blk.{i}.ffn_gate_inp.weight": (width, experts)}
        else:
            shapes |= {f"blk.{i}.ffn_down.weight": (width, width)}
    stored = {"F32": np.float32, "F16": np.float16}
    planned = [Planned(n, d, named(kind if len(d) > 1 else "F32")) for n, d in shapes.items()]

    def fill(position: int, file: BinaryIO) -> None:
        tensor = planned[position]
        numbers = random.standard_normal(int(np.prod(tensor.dimensions))).astype(np.float32)
        if tensor.kind.name == "BF16":
            file.write((numbers.view(np.uint32) >> 16).astype(np.uint16).tobytes())
        else:
            file.write(numbers.astype(stored[tensor.kind.name]).tobytes())

    facts: dict[str, Any] = {"block_count": 8, "embedding_length": width, "context_length": 512}
    facts |= {"attention.head_count": 4, "expert_count": experts, "feed_forward_length": width}
    records = [record("general.architecture", "llama"), record("general.file_type", 0), record("kept", ["a", "b"])]
    records += [record(f"llama.{key}", value) for key, value in facts.items()]
    write_gguf(path, records, planned, fill)
    return path


@pytest.mark.parametrize("recipe", ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0"])
@pytest.mark.parametrize("width", [256, 96])
def test_every_tensor_comes_back_close(tmp_path: Path, recipe: str, width: int) -> None:
    source = _model(tmp_path / "m.gguf", width=width)
    quantise(source, tmp_path / "q.gguf", recipe, no_progress)
    before = {t.name: t for t in GGUFReader(source).tensors}
    after = {t.name: t for t in GGUFReader(tmp_path / "q.gguf").tensors}
    assert before.keys() == after.keys()
    packed = set()
    for name, tensor in after.items():
        found = dequantize(tensor.data, tensor.tensor_type).reshape(-1)
        expected = np.asarray(before[name].data, dtype=np.float32).reshape(-1)
        kind = tensor.tensor_type.name
        if kind == "F32":
            np.testing.assert_array_equal(found, expected)
        else:
            packed.add(kind)
            assert np.abs(found - expected).mean() < ERROR[kind], (name, kind)
    assert packed == _expected_types(recipe, width)


def _expected_types(recipe: str, width: int) -> set[str]:
    if width == 256:
        return {"Q5_K_M": {"Q5_K", "Q6_K"}, "Q4_K_M": {"Q4_K", "Q6_K"}, "Q4_0": {"Q4_0", "Q6_K"}}.get(recipe, {recipe})
    small = {"Q6_K": {"Q8_0"}, "Q5_K_M": {"Q5_1", "Q8_0"}, "Q4_K_M": {"Q5_0", "Q8_0"}, "Q4_0": {"Q4_0", "Q8_0"}}
    return small.get(recipe, {recipe})


def test_the_mixture_of_q4_k_m() -> None:
    tensors = [
        Placed(f"blk.{i}.{n}.weight", (256, 256), named("F32")) for i in range(32) for n in ("attn_v", "ffn_down")
    ]
    kinds = assign("Q4_K_M", tensors, Facts("llama", 32, 32, 32, 0))
    finer = {t.name for t, kind in zip(tensors, kinds, strict=True) if kind.name == "Q6_K"}
    layers = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]  # as `llama-quantize` lists a 32-layer Llama
    assert finer == {f"blk.{i}.{n}.weight" for i in layers for n in ("attn_v", "ffn_down")}


def test_experts_and_their_gates(tmp_path: Path) -> None:
    quantise(_model(tmp_path / "m.gguf", experts=8), tmp_path / "q.gguf", "Q4_K_M", no_progress)
    kinds = {t.name: t.kind.name for t in read_header(tmp_path / "q.gguf").tensors}
    assert kinds["blk.0.ffn_gate_inp.weight"] == "F32"
    assert kinds["blk.0.ffn_down_exps.weight"] == "Q6_K"
    assert kinds["blk.3.ffn_down_exps.weight"] == "Q6_K"
    assert kinds["blk.2.ffn_down_exps.weight"] == "Q4_K"
    assert (kinds["blk.2.attn_k.weight"], kinds["blk.2.attn_v.weight"]) == ("Q8_0", "Q8_0")
    assert kinds["blk.2.attn_output.weight"] == "Q5_K"


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_half_precision_sources(tmp_path: Path, kind: str) -> None:
    quantise(_model(tmp_path / "m.gguf", kind=kind), tmp_path / "q.gguf", "Q8_0", no_progress)
    quantise(_model(tmp_path / "m.gguf", kind="F32"), tmp_path / "r.gguf", "Q8_0", no_progress)
    ours, exact = (GGUFReader(tmp_path / n).tensors for n in ("q.gguf", "r.gguf"))
    for a, b in zip(ours, exact, strict=True):
        found, expected = (dequantize(t.data, t.tensor_type) for t in (a, b))
        assert np.abs(found - expected).max() < 0.07


def test_metadata_is_carried_over_and_the_type_is_told(tmp_path: Path) -> None:
    source = _model(tmp_path / "m.gguf")
    quantise(source, tmp_path / "q.gguf", "q4_k_m", no_progress)
    before, after = read_header(source).metadata, read_header(tmp_path / "q.gguf").metadata
    assert after["general.file_type"] == 15
    assert after["general.quantization_version"] == 2
    assert {k: v for k, v in after.items() if k in before} | {"general.file_type": 0} == dict(before)


def test_what_is_refused(tmp_path: Path) -> None:
    source = _model(tmp_path / "m.gguf")
    quantise(source, tmp_path / "q.gguf", "Q8_0", no_progress)
    with pytest.raises(InputError, match="packed already"):
        quantise(tmp_path / "q.gguf", tmp_path / "z.gguf", "Q4_0", no_progress)
    with pytest.raises(InputError, match="no quantisation known"):
        quantise(source, tmp_path / "z.gguf", "Q9_X", no_progress)
    large = tmp_path / "large.gguf"
    planned = [Planned("token_embd.weight", (32, 2), named("F32"))]
    facts = {"block_count": 1, "embedding_length": 32, "attention.head_count": 1}
    records = [record("general.architecture", "llama")] + [record(f"llama.{k}", v) for k, v in facts.items()]
    write_gguf(large, records, planned, lambda _, file: file.write(np.full(64, 1e6, np.float32).tobytes()) and None)
    with pytest.raises(InputError, match="does not fit into F16"):
        quantise(large, tmp_path / "z.gguf", "F16", no_progress)
    write_gguf(large, [*records, record("split.count", 2)], planned, lambda _, file: file.write(bytes(256)) and None)
    with pytest.raises(InputError, match="one of 2 parts"):
        quantise(large, tmp_path / "z.gguf", "Q8_0", no_progress)
    header = read_header(source)
    data = bytearray(source.read_bytes())
    matrix = next(t for t in header.tensors if t.name == "blk.0.attn_q.weight")
    at = header.data_start + matrix.offset
    data[at : at + 4] = np.float32(np.nan).tobytes()
    (tmp_path / "nan.gguf").write_bytes(data)
    with pytest.raises(InputError, match="not a number"):
        quantise(tmp_path / "nan.gguf", tmp_path / "z.gguf", "Q8_0", no_progress)
    (tmp_path / "cut.gguf").write_bytes(data[:-5000])
    with pytest.raises(IntegrityError, match="cut short"):
        quantise(tmp_path / "cut.gguf", tmp_path / "z.gguf", "Q8_0", no_progress)
