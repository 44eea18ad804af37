"""How ggml packs numbers: name, block length and bytes of every tensor type a GGUF file may hold.

Facts of the file format (ggml.h, ggml-common.h); no reading and no arithmetic on weights.
"""

from __future__ import annotations

from typing import NamedTuple

from rightsized.core.errors import InputError


class TensorType(NamedTuple):
    """`block` elements of one row take `size` bytes."""

    number: int
    name: str
    block: int
    size: int

    @property
    def quantised(self) -> bool:
        return self.block > 1

    def bytes_of(self, elements: int) -> int:
        """Bytes of so many elements; rows are whole blocks."""
        return -(-elements // self.block) * self.size


_TYPES = (
    TensorType(0, "F32", 1, 4),
    TensorType(1, "F16", 1, 2),
    TensorType(2, "Q4_0", 32, 18),
    TensorType(3, "Q4_1", 32, 20),
    TensorType(6, "Q5_0", 32, 22),
    TensorType(7, "Q5_1", 32, 24),
    TensorType(8, "Q8_0", 32, 34),
    TensorType(9, "Q8_1", 32, 40),
    TensorType(10, "Q2_K", 256, 84),
    TensorType(11, "Q3_K", 256, 110),
    TensorType(12, "Q4_K", 256, 144),
    TensorType(13, "Q5_K", 256, 176),
    TensorType(14, "Q6_K", 256, 210),
    TensorType(15, "Q8_K", 256, 292),
    TensorType(16, "IQ2_XXS", 256, 66),
    TensorType(17, "IQ2_XS", 256, 74),
    TensorType(18, "IQ3_XXS", 256, 98),
    TensorType(19, "IQ1_S", 256, 50),
    TensorType(20, "IQ4_NL", 32, 18),
    TensorType(21, "IQ3_S", 256, 110),
    TensorType(22, "IQ2_S", 256, 82),
    TensorType(23, "IQ4_XS", 256, 136),
    TensorType(24, "I8", 1, 1),
    TensorType(25, "I16", 1, 2),
    TensorType(26, "I32", 1, 4),
    TensorType(27, "I64", 1, 8),
    TensorType(28, "F64", 1, 8),
    TensorType(29, "IQ1_M", 256, 56),
    TensorType(30, "BF16", 1, 2),
    TensorType(34, "TQ1_0", 256, 54),
    TensorType(35, "TQ2_0", 256, 66),
    TensorType(39, "MXFP4", 32, 17),
    TensorType(40, "NVFP4", 64, 36),
    TensorType(41, "Q1_0", 128, 18),
)
BY_NUMBER = {kind.number: kind for kind in _TYPES}
BY_NAME = {kind.name: kind for kind in _TYPES}

# `general.file_type` of llama.h by the name of the mixture.
FILE_TYPES = {
    "F32": 0,
    "F16": 1,
    "Q4_0": 2,
    "Q4_1": 3,
    "Q8_0": 7,
    "Q5_0": 8,
    "Q5_1": 9,
    "Q2_K": 10,
    "Q3_K_S": 11,
    "Q3_K_M": 12,
    "Q3_K_L": 13,
    "Q4_K_S": 14,
    "Q4_K_M": 15,
    "Q5_K_S": 16,
    "Q5_K_M": 17,
    "Q6_K": 18,
    "BF16": 32,
}
FILE_TYPE_NAMES = {number: name for name, number in FILE_TYPES.items()}


def named(name: str) -> TensorType:
    """The type of that name. Raises InputError where ggml has none."""
    kind = BY_NAME.get(name.upper())
    if kind is None:
        raise InputError(f"{name!r} is no tensor type of ggml.", fix=f"Known: {', '.join(BY_NAME)}.")
    return kind
