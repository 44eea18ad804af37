"""One transformer layer as ONNX operators: attention over a sequence that stands alone, and the two dense layers.

Knows neither where the weights come from nor what stands before the first layer or after the last.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rightsized.compress.checkpoint import Shape
from rightsized.compress.network import FloatArray, Network
from rightsized.core.errors import StoreError

_GELU = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}


class LayerWeights(Protocol):
    """Weights of layers, by our names: query, key, value, mix, mix_norm, widen, narrow, narrow_norm."""

    @property
    def shape(self) -> Shape: ...

    def linear(self, name: str, layer: int) -> tuple[FloatArray, FloatArray]:
        """Weight (in, out) and bias (out,)."""
        ...

    def norm(self, name: str, layer: int = 0) -> tuple[FloatArray, FloatArray]:
        """Scale and bias of a layer normalisation."""
        ...


class Layers:
    """Adds layers to a graph."""

    def __init__(self, net: Network, weights: LayerWeights) -> None:
        self._net = net
        self._layer_weights = weights
        self._shape = weights.shape

    def layer(self, states: str, layer: int) -> tuple[str, str]:
        """States after layer number `layer`, counted from 0, and its attention weights."""
        mixed, attention = self._attend(states, layer)
        return self._widen(mixed, layer), attention

    def _attend(self, states: str, layer: int) -> tuple[str, str]:
        net, shape = self._net, self._shape
        width = shape.dimension // shape.heads
        linears = [self._layer_weights.linear(name, layer) for name in ("query", "key", "value")]
        # The three projections are one product: fewer calls, and one quantisation of the states.
        weight, bias = (np.concatenate([part[i] for part in linears], axis=-1) for i in (0, 1))
        joined = net.linear(states, f"layer.{layer}.qkv", weight, bias)
        heads = net.op("Reshape", joined, net.integers(-1, 3, shape.heads, width))
        parts = net.op("Transpose", heads, perm=[1, 2, 0, 3])
        query, key, value = net.ops("Split", parts, count=3, axis=0, num_outputs=3)  # each (1, heads, tokens, width)
        scores = net.op("MatMul", query, net.op("Transpose", key, perm=[0, 1, 3, 2]))
        weights = net.op("Softmax", net.op("Mul", scores, net.number(width**-0.5)), axis=-1)
        mixed = net.op("Transpose", net.op("MatMul", weights, value), perm=[0, 2, 1, 3])
        mixed = net.op("Reshape", mixed, net.integers(-1, shape.dimension))
        out = net.linear(mixed, f"layer.{layer}.mix", *self._layer_weights.linear("mix", layer))
        return self.norm(net.op("Add", out, states), "mix_norm", layer), weights

    def _widen(self, states: str, layer: int) -> str:
        net = self._net
        wide = net.linear(states, f"layer.{layer}.widen", *self._layer_weights.linear("widen", layer))
        out = net.linear(self._activate(wide), f"layer.{layer}.narrow", *self._layer_weights.linear("narrow", layer))
        return self.norm(net.op("Add", out, states), "narrow_norm", layer)

    def _activate(self, x: str) -> str:
        kind = self._shape.activation
        if kind == "relu":
            return self._net.op("Relu", x)
        if kind not in _GELU:
            raise StoreError(f"The activation {kind!r} is not supported.", fix=f"Supported: relu, {', '.join(_GELU)}.")
        return self._net.op("Gelu", x, approximate=_GELU[kind])

    def norm(self, x: str, name: str, layer: int = 0) -> str:
        """Layer normalisation by its name in the checkpoint."""
        parts = self._layer_weights.norm(name, layer)
        return self._net.normalise(x, f"layer.{layer}.{name}", *parts, epsilon=self._shape.epsilon)
