"""Builds the ONNX graph of an encoder straight from its safetensors, without the framework that trained it.

One sequence a call, so there is no padding and no attention mask. Outputs are asked for by name:

    sentence       (1, dimension)   pooled and L2-normalised
    tokens         (tokens, dimension)   the last layer's states
    layer.K        (tokens, dimension)   states after layer K (0 = the embeddings)
    attention.K    (1, heads, tokens, tokens)   attention weights of layer K, counted from 1
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from rightsized.compress.checkpoint import Checkpoint
from rightsized.compress.layers import Layers
from rightsized.compress.network import Float32, Network, Precision
from rightsized.core.errors import InputError, IntegrityError

_NORM_FLOOR = 1e-12  # least norm divided by, as in sentence-transformers


def build_encoder(
    checkpoint: Checkpoint, precision: Precision | None = None, outputs: Sequence[str] = ("sentence",)
) -> onnx.ModelProto:
    """The encoder as an ONNX model.

    Args:
        checkpoint: weights and settings.
        precision: `Float32()` unless given, or `int8.Int8()`.
        outputs: names as listed above.
    Raises:
        InputError: an output that this encoder does not have.
        StoreError, IntegrityError: the checkpoint is unsupported or damaged.
    """
    net = Network(precision or Float32())
    values = _Builder(net, checkpoint).values()
    shapes: dict[str, tuple[int | str, ...]] = {}
    for name in outputs:
        if name not in values:
            raise InputError(f"This encoder has no output {name!r}.", fix=f"It has: {', '.join(values)}.")
        net.rename(values[name], name)
        shapes[name] = _shape_of(name, checkpoint)
    return net.model(checkpoint.family.name, shapes)


def last_states(net: Network, checkpoint: Checkpoint, *, types: str = "") -> str:
    """The states (tokens, dimension) after the last layer.

    Args:
        net: the graph that is under construction.
        checkpoint: weights and settings.
        types: name of an input int64 (1, tokens) that says which of two texts each token belongs to; all to the first
            where empty.
    """
    return _Builder(net, checkpoint, types).values()["tokens"]


def _shape_of(name: str, checkpoint: Checkpoint) -> tuple[int | str, ...]:
    if name == "sentence":
        return (1, checkpoint.shape.dimension)
    if name.startswith("attention."):
        return (1, checkpoint.shape.heads, "tokens", "tokens")
    return ("tokens", checkpoint.shape.dimension)


class _Builder(Layers):
    def __init__(self, net: Network, checkpoint: Checkpoint, types: str = "") -> None:
        super().__init__(net, checkpoint)
        self._weights: Checkpoint = checkpoint
        self._types = types
        self._values: dict[str, str] = {}

    def values(self) -> dict[str, str]:
        """All values that can be an output, by output name."""
        states = self._values["layer.0"] = self._embed()
        for layer in range(self._shape.layers):
            states, attention = self.layer(states, layer)
            self._values[f"attention.{layer + 1}"] = attention
            self._values[f"layer.{layer + 1}"] = states
        self._values["tokens"] = states
        self._values["sentence"] = self._pool(states)
        return self._values

    def _embed(self) -> str:
        net, weights = self._net, self._weights
        ids = net.op("Reshape", "input_ids", net.integers(-1))
        table = weights.tensor("words")
        if table.ndim != 2 or table.shape[1] != self._shape.dimension:
            raise IntegrityError(f"word_embeddings has shape {table.shape}; its width is not {self._shape.dimension}.")
        words = net.precision.rows(net, ids, "words", table)
        places = net.precision.rows(net, self._positions(ids), "positions", weights.tensor("positions"))
        total = net.op("Add", words, places)
        if weights.family.token_types:
            total = net.op("Add", total, self._typed())
        return self.norm(total, "norm")

    def _typed(self) -> str:
        net, table = self._net, self._weights.tensor("types")
        if not self._types:  # one text: every token has type 0
            return net.constant("type", table[0])
        return net.op("Gather", net.constant("types", table), net.op("Reshape", self._types, net.integers(-1)))

    def _positions(self, ids: str) -> str:
        net, padding = self._net, self._shape.padding
        if self._weights.family.positions == "plain":
            count = net.op("Size", ids)
            return net.op("Range", net.constant("zero", np.array(0)), count, net.constant("one", np.array(1)))
        real = net.op("Cast", net.op("Not", net.op("Equal", ids, net.integers(padding))), to=7)
        counted = net.op("CumSum", real, net.constant("axis", np.array(0)))
        return net.op("Add", net.op("Mul", counted, real), net.integers(padding))

    def _pool(self, states: str) -> str:
        net = self._net
        if self._weights.pooling == "cls":
            pooled = net.op("Gather", states, net.integers(0), axis=0)
        else:
            pooled = net.op("ReduceMean", states, net.integers(0), keepdims=1)
        length = net.op("ReduceL2", pooled, net.integers(1), keepdims=1)
        return net.op("Div", pooled, net.op("Max", length, net.number(_NORM_FLOOR)))
