"""Writes GGUF files: records of metadata, the list of tensors, then the tensors, each where the list says.

What the tensors hold is the caller's. Records of another file can be carried over byte for byte.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rightsized.store import atomic
from rightsized.store.gguf import ALIGNMENT, ARRAY, MAGIC, STRING
from rightsized.store.gguf_types import TensorType

_VERSION = 3
_U32, _F32, _BOOL = 4, 6, 7


class Planned(NamedTuple):
    """A tensor to be written; `dimensions` with the row length first."""

    name: str
    dimensions: tuple[int, ...]
    kind: TensorType

    @property
    def size(self) -> int:
        """Bytes."""
        return self.kind.bytes_of(prod(self.dimensions))


def record(key: str, value: bool | int | float | str | Sequence[str] | Sequence[int] | Sequence[float]) -> bytes:
    """One key with its value: whole numbers as uint32, others as float32."""
    return _text(key) + _typed(value)


def write_gguf(
    path: Path,
    records: Sequence[bytes],
    tensors: Sequence[Planned],
    fill: Callable[[int, BinaryIO], None],
    *,
    alignment: int = ALIGNMENT,
) -> None:
    """Write a whole file.

    Args:
        records: made by `record`, or cut out of another file.
        fill: called with the position of a tensor and the open file; writes exactly that tensor's bytes.
        alignment: must be what `general.alignment` among the records says, if it is there.
    Raises:
        DiskFullError, StoreError: the file could not be written; ValueError: `fill` wrote another number of bytes.
    """
    with atomic.disk_errors(path), path.open("wb") as file:
        file.write(MAGIC + struct.pack("<IQQ", _VERSION, len(tensors), len(records)))
        for entry in records:
            file.write(entry)
        offset = 0
        for tensor in tensors:
            file.write(_text(tensor.name) + struct.pack("<I", len(tensor.dimensions)))
            file.write(struct.pack(f"<{len(tensor.dimensions)}QIQ", *tensor.dimensions, tensor.kind.number, offset))
            offset += _padded(tensor.size, alignment)
        _pad(file, alignment)
        for position, tensor in enumerate(tensors):
            before = file.tell()
            fill(position, file)
            if file.tell() - before != tensor.size:
                raise ValueError(f"{tensor.name}: {file.tell() - before} bytes were written, not {tensor.size}")
            _pad(file, alignment)


def _typed(value: bool | int | float | str | Sequence[str] | Sequence[int] | Sequence[float]) -> bytes:
    kind = _kind(value)
    if isinstance(value, str | bool | int | float):
        return struct.pack("<I", kind) + _plain(value)
    element = _kind(value[0]) if value else STRING
    return struct.pack("<IIQ", ARRAY, element, len(value)) + b"".join(_plain(v) for v in value)


def _kind(value: object) -> int:
    if isinstance(value, str):
        return STRING
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, int):
        return _U32
    return _F32 if isinstance(value, float) else ARRAY


def _plain(value: bool | int | float | str) -> bytes:
    if isinstance(value, str):
        return _text(value)
    return struct.pack({_BOOL: "<?", _U32: "<I", _F32: "<f"}[_kind(value)], value)


def _text(value: str) -> bytes:
    encoded = value.encode("utf-8")
    return struct.pack("<Q", len(encoded)) + encoded


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _pad(file: BinaryIO, alignment: int) -> None:
    file.write(bytes(-file.tell() % alignment))
