"""Weights read back out of a graph, and the same graphs with other weights or a linear map behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from rightsized.compress.checkpoint import Checkpoint
from rightsized.compress.graph import build_encoder
from rightsized.compress.int8 import Int8
from rightsized.compress.weights import PROJECTION, read_weights, reweighed
from rightsized.core.errors import IntegrityError
from tiny_encoder import HEADS, LAYERS, WIDTH, write_tiny_encoder

IDS = [[2, 5, 9, 30, 3], [2, 3], [2, *range(4, 20), 3]]


@pytest.fixture
def graphs(tmp_path: Path) -> dict[str, Path]:
    """Both precisions of one encoder, and of another under the same name with a dash."""
    found = {}
    for seed, suffix in ((0, ""), (1, "-other")):
        checkpoint = Checkpoint(write_tiny_encoder(tmp_path / f"raw{seed}", seed=seed))
        for name, precision in (("fp32", None), ("int8", Int8())):
            path = tmp_path / f"{name}{suffix}.onnx"
            path.write_bytes(build_encoder(checkpoint, precision).SerializeToString())
            found[f"{name}{suffix}"] = path
    return found


def vectors(model: bytes) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["sentence"], {"input_ids": np.array([ids])})[0] for ids in IDS])


def test_the_network_is_read_back(graphs: dict[str, Path], tmp_path: Path) -> None:
    plan, arrays = read_weights(graphs["fp32"])
    assert (plan.layers, plan.heads, plan.activation, plan.pooling, plan.first_position) == (
        LAYERS,
        HEADS,
        "none",
        "mean",
        0,
    )
    assert plan.epsilon == pytest.approx(1e-12)
    checkpoint = Checkpoint(tmp_path / "raw0")
    assert np.array_equal(arrays["words"], checkpoint.tensor("words"))
    assert np.array_equal(arrays["layer.1.widen.weight"], checkpoint.linear("widen", 1)[0])
    joined = np.concatenate([checkpoint.linear(name, 0)[0] for name in ("query", "key", "value")], axis=1)
    assert np.array_equal(arrays["layer.0.qkv.weight"], joined)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_other_weights_make_the_other_encoder(precision: str, graphs: dict[str, Path]) -> None:
    _, other = read_weights(graphs["fp32-other"])
    found = vectors(reweighed(graphs[precision], other).SerializeToString())
    assert np.array_equal(found, vectors(graphs[f"{precision}-other"].read_bytes()))
    assert not np.allclose(found, vectors(graphs[precision].read_bytes()), atol=1e-2)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_linear_map_stands_behind_the_encoder(precision: str, graphs: dict[str, Path], tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).standard_normal((WIDTH, WIDTH)).astype(np.float32)
    model = reweighed(graphs[precision], {PROJECTION: matrix})
    mapped = vectors(graphs[precision].read_bytes()) @ matrix
    expected = mapped / np.linalg.norm(mapped, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors(model.SerializeToString()), expected, atol=1e-5)
    again = tmp_path / "again.onnx"
    again.write_bytes(model.SerializeToString())
    same = reweighed(again, {PROJECTION: np.eye(WIDTH, dtype=np.float32)})
    np.testing.assert_allclose(vectors(same.SerializeToString()), vectors(graphs[precision].read_bytes()), atol=1e-6)


def test_weights_that_do_not_fit_are_refused(graphs: dict[str, Path]) -> None:
    with pytest.raises(IntegrityError, match="has shape"):
        reweighed(graphs["fp32"], {"words": np.zeros((3, WIDTH), np.float32)})
    with pytest.raises(IntegrityError, match="no weight"):
        reweighed(graphs["int8"], {"layer.9.mix.bias": np.zeros(WIDTH, np.float32)})


def test_what_is_no_encoder_is_refused(tmp_path: Path, graphs: dict[str, Path]) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(graphs["fp32"].read_bytes()[:-5000])
    for path in (cut, tmp_path / "absent.onnx", graphs["int8"]):
        with pytest.raises(IntegrityError, match="read back"):
            read_weights(path)
