"""Builds the graph of the name tagger: the first layers of an installed encoder as they are, our own weights on top.

The frozen layers are copied operator by operator out of the encoder's graph that serves, so the tagger reads exactly
what was measured. Inputs `input_ids` (1, tokens) and `features` (tokens, slots); output `scores` (tokens, tags).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rightsized.compress.checkpoint import Shape
from rightsized.compress.int8 import Int8
from rightsized.compress.layers import Layers
from rightsized.compress.network import FloatArray, Network, Precision
from rightsized.core.errors import IntegrityError, StoreError

_PARTS = ("query", "key", "value")


class CutNetwork(Network):
    """The graph of an encoder up to the states after a layer, open for more operators."""

    def __init__(self, model: onnx.ModelProto, layers: int, precision: Precision) -> None:
        """Copy what the states after layer `layers` depend on.

        Raises:
            StoreError: the model was not built by `compress.graph`, or has fewer layers.
        """
        super().__init__(precision)
        last = f"layer.{layers - 1}.narrow_norm.weight"
        places = [i for i, node in enumerate(model.graph.node) if last in node.input]
        if len(places) != 1:
            raise StoreError(f"The encoder's graph has no layer {layers} that the tagger could read.")
        self._nodes = list(model.graph.node[: places[0] + 1])  # the builder writes operators in order of need
        self.states = self._nodes[-1].output[0]
        used = {name for node in self._nodes for name in node.input}
        self._constants = {one.name: one for one in model.graph.initializer if one.name in used}

    def finish(self, outputs: dict[str, tuple[int | str, ...]], *, slots: int = 0) -> onnx.ModelProto:
        """The model; with an input `features` int64 (tokens, slots) where `slots` is not 0."""
        model = self.model("tagger", outputs)
        if slots:
            shape = ["tokens", slots]
            model.graph.input.append(helper.make_tensor_value_info("features", TensorProto.INT64, shape))
        return model


class TaggerWeights:
    """The tagger's own weights as `LayerWeights`. Matrices are int8 with one scale a column."""

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]], shape: Shape) -> None:
        self._arrays = arrays
        self.shape = shape

    def array(self, name: str) -> FloatArray:
        """An array as float32, its scale multiplied in. Raises IntegrityError where it is absent."""
        if name not in self._arrays:
            raise IntegrityError(f"The tagger's weights hold no {name!r}.", fix="Install rightsized again.")
        value = self._arrays[name].astype(np.float32)
        scale = self._arrays.get(f"{name}.scale")
        return value if scale is None else value * scale.astype(np.float32)

    def linear(self, name: str, layer: int) -> tuple[FloatArray, FloatArray]:
        if name not in _PARTS:
            return self.array(f"layer.{layer}.{name}.weight"), self.array(f"layer.{layer}.{name}.bias")
        place = _PARTS.index(name)
        weight, bias = self.array(f"layer.{layer}.qkv.weight"), self.array(f"layer.{layer}.qkv.bias")
        return np.split(weight, 3, axis=1)[place], np.split(bias, 3)[place]

    def norm(self, name: str, layer: int = 0) -> tuple[FloatArray, FloatArray]:
        return self.array(f"layer.{layer}.{name}.weight"), self.array(f"layer.{layer}.{name}.bias")


def frozen_part(model: onnx.ModelProto, layers: int) -> onnx.ModelProto:
    """The encoder's first layers alone; output `states` (tokens, dimension)."""
    net = CutNetwork(model, layers, Int8())
    net.rename(net.states, "states")
    return net.finish({"states": ("tokens", "dimension")})


def build_tagger(
    model: onnx.ModelProto, arrays: Mapping[str, NDArray[np.generic]], *, frozen: int, own: int, slots: int
) -> onnx.ModelProto:
    """The whole tagger.

    Args:
        model: the encoder's graph, INT8.
        arrays: our weights.
        frozen: layers taken from the encoder.
        own: layers of our own on top of them.
        slots: features of a word.
    Raises:
        StoreError, IntegrityError: encoder and weights do not belong together, or weights are missing.
    """
    net = CutNetwork(model, frozen, Int8())
    weights = TaggerWeights(arrays, _shape(model, frozen + own))
    layers = Layers(net, weights)
    table = weights.array("features")
    rows = net.op("Gather", net.constant("features.table", table), "features")  # (tokens, slots, width)
    written = net.op("Gelu", net.op("ReduceSum", rows, net.integers(1), keepdims=0), approximate="none")
    states = net.op(
        "Add", net.states, net.op("MatMul", written, net.constant("lift.weight", weights.array("lift.weight")))
    )
    for layer in range(frozen, frozen + own):
        states, _ = layers.layer(states, layer)
    both = net.op("Concat", states, written, axis=-1)
    hidden = net.op("Gelu", _dense(net, weights, both, "hidden"), approximate="none")
    net.rename(_dense(net, weights, hidden, "out"), "scores")
    return net.finish({"scores": ("tokens", weights.array("out.bias").shape[0])}, slots=slots)


def _dense(net: Network, weights: TaggerWeights, x: str, name: str) -> str:
    """A small dense layer, kept in float32."""
    weight = net.constant(f"{name}.weight", weights.array(f"{name}.weight"))
    return net.op("Add", net.op("MatMul", x, weight), net.constant(f"{name}.bias", weights.array(f"{name}.bias")))


def _shape(model: onnx.ModelProto, layers: int) -> Shape:
    """Sizes read off the encoder's graph: how the states are split among heads, their width, the norms' epsilon."""
    constants = {one.name: one for one in model.graph.initializer}
    splits = [numpy_helper.to_array(one) for name, one in constants.items() if name.startswith("int_-1_3_")]
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    if not splits or not norms:
        raise StoreError("The encoder's graph does not say how many heads it has.")
    heads, width = int(splits[0][2]), int(splits[0][3])
    epsilon = next(one.f for one in norms[0].attribute if one.name == "epsilon")
    return Shape(layers, heads, heads * width, 0, "gelu", epsilon, 0)
