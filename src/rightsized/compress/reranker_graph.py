"""Builds the ONNX graph of a cross-encoder: one encoder reads question and passage together and gives one score.

Inputs are `input_ids` and, in families that have them, `token_types`, both int64 (1, tokens); the output is `score`
(1,), the logit: what stands after it (a sigmoid, or nothing) changes no order. One pair a call, so there is no padding.
"""

from __future__ import annotations

from typing import NamedTuple

import onnx
from onnx import TensorProto, helper

from rightsized.compress.checkpoint import Checkpoint
from rightsized.compress.graph import last_states
from rightsized.compress.network import Float32, Network, Precision
from rightsized.core.errors import StoreError

TYPES_INPUT = "token_types"
ARCHITECTURE = "ForSequenceClassification"  # how the checkpoint's class is named


class _Dense(NamedTuple):
    """A dense layer of the head by its name in the checkpoint, and what follows it."""

    name: str
    activation: str = ""


# What stands between the first token's state and the score, by family.
_BERT = (_Dense("bert.pooler.dense", "Tanh"), _Dense("classifier"))
_ROBERTA = (_Dense("classifier.dense", "Tanh"), _Dense("classifier.out_proj"))
_HEADS = {
    "bert": _BERT,
    "distilbert": (_Dense("pre_classifier", "Relu"), _Dense("classifier")),
    "roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}


def is_reranker(checkpoint: Checkpoint) -> bool:
    """Whether the checkpoint says of itself that it scores texts, with one score."""
    named = [str(name) for name in checkpoint.config.get("architectures") or ()]
    labels = checkpoint.config.get("id2label")
    single = checkpoint.config.get("num_labels") == 1 or (isinstance(labels, dict) and len(labels) == 1)
    return single and any(name.endswith(ARCHITECTURE) for name in named)


def build_reranker(checkpoint: Checkpoint, precision: Precision | None = None) -> onnx.ModelProto:
    """The cross-encoder as an ONNX model; its head stays in float32, whatever the precision.

    Raises:
        StoreError: the head gives more than one score, or the family has no known head.
        IntegrityError: the checkpoint is damaged.
    """
    net = Network(precision or Float32())
    typed = reads_types(checkpoint)
    states = last_states(net, checkpoint, types=TYPES_INPUT if typed else "")
    first = net.op("Gather", states, net.integers(0), axis=0)  # (1, dimension)
    net.rename(net.op("Reshape", _head(net, checkpoint, first), net.integers(1)), "score")
    model = net.model(f"{checkpoint.family.name}-reranker", {"score": (1,)})
    if typed:
        model.graph.input.append(helper.make_tensor_value_info(TYPES_INPUT, TensorProto.INT64, [1, "tokens"]))
    return model


def reads_types(checkpoint: Checkpoint) -> bool:
    """Whether the encoder tells the two texts apart by token types."""
    return checkpoint.family.token_types and len(checkpoint.tensor("types")) > 1


def _head(net: Network, checkpoint: Checkpoint, x: str) -> str:
    for layer in _HEADS.get(checkpoint.family.name, ()):
        weight, bias = checkpoint.stored(f"{layer.name}.weight"), checkpoint.stored(f"{layer.name}.bias")
        product = net.op("MatMul", x, net.constant(f"{layer.name}.weight", weight.T))
        x = net.op("Add", product, net.constant(f"{layer.name}.bias", bias))
        x = net.op(layer.activation, x) if layer.activation else x
    if checkpoint.family.name not in _HEADS:
        raise StoreError(f"Cross-encoders of type {checkpoint.family.name!r} are not supported.")
    if len(bias) != 1:
        raise StoreError(
            f"{checkpoint.folder} gives {len(bias)} scores of a pair; a reranker gives one.",
            fix="Choose a cross-encoder with one label, such as cross-encoder/ms-marco-MiniLM-L6-v2.",
        )
    return x
