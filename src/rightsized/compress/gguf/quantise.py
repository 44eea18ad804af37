"""Rewrites a GGUF file with its matrices packed in blocks by ggml's own quantiser.

Which tensor gets which type: `store/gguf_recipes`. Metadata is carried over byte for byte, but for the file's type.
Rows are read, packed and written a slab at a time, so that a model larger than memory can be quantised.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from rightsized.compress.gguf.native import Quantiser
from rightsized.core.errors import InputError
from rightsized.core.protocols import Progress
from rightsized.store.gguf import Header, Tensor, read_header
from rightsized.store.gguf_parts import KEYS, refuse_part
from rightsized.store.gguf_recipes import Facts, Placed, assign, in_order
from rightsized.store.gguf_types import FILE_TYPES, TensorType
from rightsized.store.gguf_write import Planned, record, write_gguf
from rightsized.store.planner_blueprint import from_header

QUANTISATION_VERSION = 2  # of ggml's blocks; GGML_QNT_VERSION
SLAB = 1 << 24  # elements packed at a time: 64 MB of float32
_REWRITTEN = ("general.file_type", "general.quantization_version")


def quantise(source: Path, target: Path, recipe: str, progress: Progress) -> None:
    """Write `target`, the file `source` under a recipe such as Q8_0, Q4_0 or Q4_K_M.

    Raises:
        InputError: the recipe is not known, the file is packed already or a weight is not finite.
        IntegrityError: `source` is no whole GGUF file. MissingExtraError: xllamacpp is not installed.
        DiskFullError: no space is left.
    """
    header = read_header(source)
    refuse_part(source, header)
    tensors = [header.tensors[i] for i in in_order([t.name for t in header.tensors])]
    packed = next((t for t in tensors if t.kind.quantised), None)
    if packed is not None:
        raise InputError(
            f"{source.name} is packed already ({packed.name} as {packed.kind.name}); packing twice loses more.",
            fix="Quantise the F32, BF16 or F16 file: rightsized models convert FOLDER --outtype f16",
        )
    kinds = assign(recipe, [Placed(t.name, t.dimensions, t.kind) for t in tensors], _facts(header, source))
    planned = [Planned(t.name, t.dimensions, kind) for t, kind in zip(tensors, kinds, strict=True)]
    quantiser = Quantiser()
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:

        def fill(position: int, out: BinaryIO) -> None:
            progress("quantise", position, len(tensors))
            _write(data, header, tensors[position], kinds[position], quantiser, out)

        write_gguf(target, _records(data, header, recipe.upper()), planned, fill, alignment=header.alignment)
    progress("quantise", len(tensors), len(tensors))


def _facts(header: Header, path: Path) -> Facts:
    return from_header(header, path).facts


def _records(data: mmap.mmap, header: Header, recipe: str) -> list[bytes]:
    kept = [data[a:b] for key, (a, b) in header.spans.items() if key not in (*_REWRITTEN, *KEYS)]
    return [*kept, record(_REWRITTEN[0], FILE_TYPES[recipe]), record(_REWRITTEN[1], QUANTISATION_VERSION)]


def _write(
    data: mmap.mmap, header: Header, tensor: Tensor, kind: TensorType, quantiser: Quantiser, out: BinaryIO
) -> None:
    start, width = header.data_start + tensor.offset, tensor.dimensions[0]
    if kind == tensor.kind:
        for at in range(start, start + tensor.size, 4 * SLAB):
            out.write(data[at : min(at + 4 * SLAB, start + tensor.size)])
        return
    rows, row_bytes = tensor.elements // width, tensor.kind.bytes_of(width)
    step = max(1, SLAB // width)
    for first in range(0, rows, step):
        count = min(step, rows - first)
        raw = data[start + first * row_bytes : start + (first + count) * row_bytes]
        numbers = as_float32(raw, tensor.kind).reshape(count, width)
        if kind.quantised:
            out.write(quantiser.pack(numbers, kind))
        else:
            out.write(_as_stored(numbers, kind))


def as_float32(raw: bytes, kind: TensorType) -> NDArray[np.float32]:
    """Numbers of an unpacked type as float32. Raises InputError for others."""
    if kind.name == "F32":
        return np.frombuffer(raw, np.float32)
    if kind.name == "F16":
        return np.frombuffer(raw, np.float16).astype(np.float32)
    if kind.name == "BF16":
        return (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
    raise InputError(f"Numbers of type {kind.name} cannot be packed.")


def _as_stored(numbers: NDArray[np.float32], kind: TensorType) -> bytes:
    if kind.name == "F32":
        return numbers.tobytes()
    if kind.name == "F16":
        with np.errstate(over="ignore"):
            half = numbers.astype(np.float16)
        if not np.isfinite(half).all():
            raise InputError("A weight does not fit into F16.", fix="Take BF16 or a packed type, such as Q8_0.")
        return half.tobytes()
    bits = np.ascontiguousarray(numbers).view(np.uint32)  # BF16: the upper half, rounded to even
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()
