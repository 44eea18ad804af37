"""INT8: weights as 8-bit integers with one scale a column, embedding tables with one scale a row.

Activations are quantised while running, over the one sequence of the call. One scale for a whole matrix would be
smaller by some kilobytes and costs accuracy (mean cosine 0.968 instead of 0.99), so there is no such option.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rightsized.compress.network import FloatArray, Network

LEVELS = 127.0  # symmetric: -127..127, so that zero stays exactly zero
_TINY = np.float32(np.finfo(np.float32).tiny)


def quantise(weight: FloatArray, axis: int) -> tuple[NDArray[np.int8], FloatArray]:
    """Round to 8 bits with one scale for each slice along the other axis.

    Args:
        weight: (rows, columns), float32.
        axis: the axis that shares a scale: 0 gives a scale a column, 1 a scale a row.
    Returns:
        int8 values of the same shape, and float32 scales; value * scale is within scale / 2 of the weight.
    """
    scale = np.maximum(np.abs(weight).max(axis=axis), _TINY) / np.float32(LEVELS)
    steps = np.rint(weight / np.expand_dims(scale, axis))
    return np.clip(steps, -LEVELS, LEVELS).astype(np.int8), scale.astype(np.float32)


class Int8:
    """Dynamic INT8 in standard operators; ONNX Runtime fuses them into its own."""

    name = "int8"

    def __init__(self) -> None:
        self._quantised: dict[str, list[str]] = {}

    def matmul(self, net: Network, x: str, name: str, weight: FloatArray) -> str:
        values, scale = quantise(weight, axis=0)
        if x not in self._quantised:  # several products of one value share its quantisation
            self._quantised[x] = net.ops("DynamicQuantizeLinear", x, count=3)
        quantised, x_scale, zero = self._quantised[x]
        stored = net.constant(f"{name}.int8", values)
        product = net.op("MatMulInteger", quantised, stored, zero)
        scales = net.op("Mul", x_scale, net.constant(f"{name}.scale", scale))
        return net.op("Mul", net.op("Cast", product, to=1), scales)

    def rows(self, net: Network, ids: str, name: str, table: FloatArray) -> str:
        values, scale = quantise(table, axis=1)
        found = net.op("Cast", net.op("Gather", net.constant(f"{name}.int8", values), ids), to=1)
        return net.op("Mul", found, net.op("Gather", net.constant(f"{name}.scale", scale[:, None]), ids))
