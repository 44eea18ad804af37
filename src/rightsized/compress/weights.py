"""The weights of an installed encoder, read back out of its fp32 graph, and the same graphs with other weights.

A graph of ours holds the checkpoint's numbers unchanged, under names of ours: to train an encoder further, nothing is
needed that is not in the store. What comes back goes into both precisions, quantised as in `int8`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from rightsized.compress.int8 import quantise
from rightsized.compress.network import FloatArray
from rightsized.core.errors import IntegrityError

PROJECTION = "projection"  # (dimension, dimension), between pooling and normalisation; graphs of checkpoints have none
_TABLES = ("words", "positions")  # have a scale a row; matrices have one a column


class Blueprint(NamedTuple):
    """What the weights do not say of the network. `activation` is `none` or `tanh` (forms of GELU), or `relu`."""

    layers: int
    heads: int
    activation: str
    epsilon: float
    pooling: Literal["mean", "cls"]
    first_position: int


def read_weights(path: Path) -> tuple[Blueprint, dict[str, FloatArray]]:
    """The network of an fp32 graph and its arrays by name.

    Raises:
        IntegrityError: the file is not a graph of an encoder of ours.
    """
    try:
        graph = onnx.load(str(path)).graph
        arrays = {one.name: np.asarray(numpy_helper.to_array(one)) for one in graph.initializer}
        plan = _blueprint(graph, arrays)
    except Exception as error:  # noqa: BLE001 - protobuf's own error has no home that its versions share
        raise IntegrityError(f"{path} holds no encoder that could be read back: {error!r}.") from None
    large = {name: value for name, value in arrays.items() if value.dtype == np.float32 and value.ndim}
    return plan, large


def reweighed(path: Path, arrays: Mapping[str, FloatArray]) -> onnx.ModelProto:
    """The graph of a file, fp32 or INT8, with these arrays in place of its own; a projection is added if it has none.

    Raises:
        IntegrityError: an array has another shape than the one it replaces, or none to replace.
    """
    model = onnx.load(str(path))
    if PROJECTION in arrays and all(one.name != PROJECTION for one in model.graph.initializer):
        _add_projection(model.graph, arrays[PROJECTION])
    places = {one.name: at for at, one in enumerate(model.graph.initializer)}
    for name, value in arrays.items():
        for stored, array in _stored(name, value, places).items():
            old = model.graph.initializer[places[stored]]
            if tuple(old.dims) != array.shape:
                raise IntegrityError(f"{name!r} has shape {array.shape}, and in {path} {tuple(old.dims)}.")
            old.CopyFrom(numpy_helper.from_array(array, stored))
    return model


def _add_projection(graph: onnx.GraphProto, matrix: FloatArray) -> None:
    """A product with the pooled states, before their length is taken. It stays fp32: one row a text costs nothing."""
    at, length = next((i, node) for i, node in enumerate(graph.node) if node.op_type == "ReduceL2")
    pooled = length.input[0]
    for node in graph.node[at:]:
        node.input[:] = ["projected" if one == pooled else one for one in node.input]
    graph.node.insert(at, helper.make_node("MatMul", [pooled, PROJECTION], ["projected"], name="project"))
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(matrix), PROJECTION))


def _stored(name: str, value: FloatArray, places: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """What a graph keeps of an array: itself, or its 8-bit form."""
    if name in places:
        return {name: value}
    if f"{name}.int8" not in places:
        raise IntegrityError(f"The graph holds no weight {name!r}.")
    rows = name in _TABLES
    steps, scale = quantise(value, axis=1 if rows else 0)
    return {f"{name}.int8": steps, f"{name}.scale": scale[:, None] if rows else scale}


def _blueprint(graph: onnx.GraphProto, arrays: Mapping[str, FloatArray]) -> Blueprint:
    kinds = {node.op_type: node for node in reversed(graph.node)}
    heads = next(value for value in arrays.values() if value.dtype == np.int64 and len(value.reshape(-1)) == 4)
    (epsilon,) = [one.f for one in kinds["LayerNormalization"].attribute if one.name == "epsilon"]
    first = 0
    if "CumSum" in kinds:  # positions are counted from behind the padding's index
        first = int(arrays[kinds["Equal"].input[1]].reshape(-1)[0]) + 1
    layers = sum(name.endswith(".qkv.weight") for name in arrays)
    if not layers:
        raise ValueError("no layers in fp32")
    return Blueprint(
        layers=layers,
        heads=int(heads[2]),
        activation="relu" if "Gelu" not in kinds else kinds["Gelu"].attribute[0].s.decode(),
        epsilon=float(epsilon),
        pooling="mean" if "ReduceMean" in kinds else "cls",
        first_position=first,
    )
