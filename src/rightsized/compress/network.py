"""Writes an ONNX graph node by node. Knows operators, not models; weights are stored as the precision decides."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rightsized.core.errors import StoreError

OPSET = 20  # first with Gelu; ONNX Runtime reads it from 1.17 on
IR_VERSION = 9
MAX_BYTES = (1 << 31) - 1  # protobuf's limit for one file
FloatArray = NDArray[np.float32]


class Precision(Protocol):
    """How the two kinds of large weights are stored and applied."""

    @property
    def name(self) -> str:
        """Such as `fp32` or `int8`."""
        ...

    def matmul(self, net: Network, x: str, name: str, weight: FloatArray) -> str:
        """x (n, in) times weight (in, out)."""
        ...

    def rows(self, net: Network, ids: str, name: str, table: FloatArray) -> str:
        """Rows of table (count, width) at ids (n,)."""
        ...


class Float32:
    """Weights as they are."""

    name = "fp32"

    def matmul(self, net: Network, x: str, name: str, weight: FloatArray) -> str:
        return net.op("MatMul", x, net.constant(name, weight))

    def rows(self, net: Network, ids: str, name: str, table: FloatArray) -> str:
        return net.op("Gather", net.constant(name, table), ids)


class Network:
    """A graph under construction. Methods return the name of the value they add."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._bytes = 0

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Store an array under a name, once."""
        if name not in self._constants:
            self._bytes += value.nbytes
            if self._bytes > MAX_BYTES:
                raise StoreError(f"The weights exceed {MAX_BYTES} bytes, the most one ONNX file can hold.")
            self._constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def integers(self, *values: int) -> str:
        """An int64 vector."""
        return self.constant("int_" + "_".join(map(str, values)), np.array(values, dtype=np.int64))

    def number(self, value: float) -> str:
        """A float32 scalar."""
        return self.constant(f"float_{value!r}", np.array(value, dtype=np.float32))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output."""
        return self.ops(kind, *inputs, count=1, **attributes)[0]

    def ops(self, kind: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """Add an operator with several outputs."""
        number = len(self._nodes)
        outputs = [f"{kind}_{number}" if count == 1 else f"{kind}_{number}_{i}" for i in range(count)]
        self._nodes.append(helper.make_node(kind, inputs, outputs, name=f"{kind}_{number}", **attributes))
        return outputs

    def rename(self, value: str, name: str) -> None:
        """Give a value the name of a graph output."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))

    def linear(self, x: str, name: str, weight: FloatArray, bias: FloatArray) -> str:
        """x weight + bias, with weight (in, out)."""
        product = self.precision.matmul(self, x, f"{name}.weight", weight)
        return self.op("Add", product, self.constant(f"{name}.bias", bias))

    def normalise(self, x: str, name: str, scale: FloatArray, bias: FloatArray, *, epsilon: float) -> str:
        """Layer normalisation over the last axis."""
        parts = self.constant(f"{name}.weight", scale), self.constant(f"{name}.bias", bias)
        return self.op("LayerNormalization", x, *parts, axis=-1, epsilon=epsilon)

    def model(self, name: str, outputs: dict[str, tuple[int | str, ...]]) -> onnx.ModelProto:
        """The finished model: input `input_ids` int64 (1, tokens), float32 outputs of the given shapes."""
        tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])
        results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in outputs.items()]
        graph = helper.make_graph(self._nodes, name, [tokens], results, list(self._constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model.producer_name = "rightsized"
        return model
