"""Graphs of tiny encoders, and checkpoints that cannot be used. Equality with the original is in test_parity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import load_file, save_file

from rightsized.compress.checkpoint import Checkpoint
from rightsized.compress.graph import build_encoder
from rightsized.compress.int8 import Int8
from rightsized.core.errors import InputError, IntegrityError, StoreError
from tiny_encoder import HEADS, LAYERS, POSITIONS, WIDTH, write_tiny_encoder

IDS = np.array([[2, 4, 9, 5, 3]])


def _run(model: onnx.ModelProto, *outputs: str, ids: np.ndarray = IDS) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results: list[np.ndarray] = session.run(list(outputs), {"input_ids": ids})
    return results


def _set_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    settings = {**json.loads(path.read_text("utf-8")), **changes}
    path.write_text(json.dumps({k: v for k, v in settings.items() if v is not None}), "utf-8")


def test_outputs_and_shapes(tmp_path: Path) -> None:
    checkpoint = Checkpoint(write_tiny_encoder(tmp_path))
    model = build_encoder(checkpoint, outputs=("sentence", "tokens", "layer.0", "attention.2"))
    onnx.checker.check_model(model, full_check=True)
    sentence, tokens, first, attention = _run(model, "sentence", "tokens", "layer.0", "attention.2")
    assert sentence.shape == (1, WIDTH)
    assert tokens.shape == first.shape == (5, WIDTH)
    assert attention.shape == (1, HEADS, 5, 5)
    np.testing.assert_allclose(attention.sum(axis=-1), 1, atol=1e-5)
    mean = tokens.mean(axis=0)
    np.testing.assert_allclose(sentence[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_facts_of_a_checkpoint(tmp_path: Path) -> None:
    checkpoint = Checkpoint(write_tiny_encoder(tmp_path, context=16))
    assert (checkpoint.shape.layers, checkpoint.shape.dimension, checkpoint.context) == (LAYERS, WIDTH, 16)
    assert checkpoint.parameters == sum(w.size for w in load_file(tmp_path / "model.safetensors").values())
    (tmp_path / "sentence_bert_config.json").unlink()
    assert Checkpoint(tmp_path).context == POSITIONS


def test_context_is_never_more_than_the_positions(tmp_path: Path) -> None:
    checkpoint = Checkpoint(write_tiny_encoder(tmp_path, context=10_000))
    assert checkpoint.context == POSITIONS
    ids = np.full((1, POSITIONS), 5)
    assert np.isfinite(_run(build_encoder(checkpoint), "sentence", ids=ids)[0]).all()


def test_same_checkpoint_gives_the_same_bytes(tmp_path: Path) -> None:
    checkpoint = Checkpoint(write_tiny_encoder(tmp_path))
    for precision in (Int8, lambda: None):
        first, second = (build_encoder(checkpoint, precision()).SerializeToString() for _ in range(2))
        assert first == second


def test_unknown_output_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no output 'layer\.9'") as caught:
        build_encoder(Checkpoint(write_tiny_encoder(tmp_path)), outputs=("layer.9",))
    assert "sentence" in caught.value.fix


def test_unknown_family_lists_the_supported(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path)
    _set_config(tmp_path, model_type="mamba")
    with pytest.raises(StoreError, match="'mamba'") as caught:
        Checkpoint(tmp_path)
    for family in ("bert", "distilbert", "roberta"):
        assert family in caught.value.fix


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": None}, "has no 'hidden_size'"),
        ({"num_hidden_layers": "many"}, "cannot be used"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"num_hidden_layers": LAYERS + 1}, "no tensor 'encoder.layer.2"),
        ({"hidden_act": "swish"}, "'swish'"),
        ({"num_attention_heads": 5}, "5 heads"),
        ({"hidden_size": 64}, "word_embeddings"),
    ],
)
def test_unusable_settings_are_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    write_tiny_encoder(tmp_path)
    _set_config(tmp_path, **changes)
    with pytest.raises(StoreError, match=message):
        build_encoder(Checkpoint(tmp_path))


def test_config_that_is_absent_or_broken(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no config\.json"):
        Checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{", "utf-8")
    with pytest.raises(IntegrityError, match="not valid JSON"):
        Checkpoint(tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(StoreError, match=r"no model\.safetensors") as caught:
        Checkpoint(tmp_path)
    assert "pickled" in caught.value.fix


@pytest.mark.parametrize("keep", [0, 4, 100, 5_000])
def test_truncated_weights(tmp_path: Path, keep: int) -> None:
    path = write_tiny_encoder(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(IntegrityError, match="is damaged"):
        Checkpoint(tmp_path)


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    path = write_tiny_encoder(tmp_path) / "model.safetensors"
    weights = load_file(path)
    weights["encoder.layer.1.output.dense.bias"][3] = np.nan
    save_file(weights, path)
    with pytest.raises(IntegrityError, match=r"layer\.1\.output\.dense\.bias.*not finite"):
        build_encoder(Checkpoint(tmp_path))


def test_weights_in_several_files_give_the_same_graph(tmp_path: Path) -> None:
    whole = write_tiny_encoder(tmp_path / "whole")
    split = write_tiny_encoder(tmp_path / "split")
    weights = load_file(split / "model.safetensors")
    (split / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, members in parts.items():
        save_file({name: weights[name] for name in members}, split / file)
    index = {"weight_map": {name: file for file, members in parts.items() for name in members}}
    (split / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    first, second = (build_encoder(Checkpoint(folder)).SerializeToString() for folder in (whole, split))
    assert first == second


def test_layers_after_the_encoder_are_refused(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path)
    modules = [{"type": "sentence_transformers.models.Dense"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules), "utf-8")
    with pytest.raises(StoreError, match="'Dense'"):
        Checkpoint(tmp_path)


def test_unknown_pooling_is_refused(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}', "utf-8")
    with pytest.raises(StoreError, match="pooling_mode_max_tokens"):
        Checkpoint(tmp_path)
