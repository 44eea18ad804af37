"""Reads the header of a GGUF file: its metadata and where each tensor lies. Weights are not read.

A header from a stranger is checked before it is believed: every count against the bytes that are there.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import NamedTuple

from rightsized.core.errors import IntegrityError, NotFoundError
from rightsized.store.gguf_types import BY_NUMBER, TensorType

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32  # bytes, where `general.alignment` says nothing
MAX_DIMENSIONS = 4
MAX_NAME = 1 << 16  # bytes of a key or a tensor's name
SHORT = 4096  # elements up to which an array is kept; vocabularies are longer and stay in the file
STRING, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

Scalar = bool | int | float | str


class LongArray(NamedTuple):
    """An array left in the file: `kind` is the number of its element type."""

    kind: int
    length: int


Value = Scalar | tuple[Scalar, ...] | LongArray


class Tensor(NamedTuple):
    """`dimensions` as ggml counts them: the first is the length of a row. `offset` from the start of the data."""

    name: str
    dimensions: tuple[int, ...]
    kind: TensorType
    offset: int

    @property
    def elements(self) -> int:
        return prod(self.dimensions)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.kind.bytes_of(self.elements)


class Header(NamedTuple):
    """What stands before the weights. `spans` says where each key's record lies, from its name to its value's end."""

    version: int
    metadata: Mapping[str, Value]
    spans: Mapping[str, tuple[int, int]]
    tensors: tuple[Tensor, ...]
    alignment: int
    data_start: int
    file_size: int

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    @property
    def parameters(self) -> int:
        return sum(tensor.elements for tensor in self.tensors)

    def integer(self, key: str, default: int = 0) -> int:
        """A number of the model's architecture, such as `block_count`."""
        value = self.metadata.get(f"{self.architecture}.{key}", default)
        return int(value) if isinstance(value, int | float) else default

    def text(self, key: str) -> str:
        """A string under its full key; empty where absent."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""


def is_gguf(path: Path) -> bool:
    """Whether the file starts as a GGUF file does."""
    try:
        with path.open("rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def read_header(path: Path) -> Header:
    """Read and check the header.

    Raises:
        NotFoundError: no such file.
        IntegrityError: not a GGUF file, a version we do not know, cut short, or impossible numbers.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 24 or file.read(4) != MAGIC:
                raise IntegrityError(f"{path} is not a GGUF file.", fix="Convert it: rightsized models convert FOLDER")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data, path).header()
    except FileNotFoundError:
        raise NotFoundError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise NotFoundError(f"{path} is a folder, not a GGUF file.") from None


class _Reader:
    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self._data = data
        self._path = path
        self._at = 4
        self._end = len(data)

    def header(self) -> Header:
        version = self._number("I")
        if version not in VERSIONS:
            raise self._wrong(f"has version {version}; versions 2 and 3, little-endian, are read")
        tensor_count, key_count = self._number("Q"), self._number("Q")
        self._room(tensor_count * 24 + key_count * 12, f"{tensor_count} tensors and {key_count} keys")
        metadata: dict[str, Value] = {}
        spans: dict[str, tuple[int, int]] = {}
        for _ in range(key_count):
            start = self._at
            key = self._string(MAX_NAME)
            if key in metadata:
                raise self._wrong(f"names the key {key!r} twice")
            metadata[key] = self._value(self._number("I"))
            spans[key] = (start, self._at)
        infos = [self._tensor() for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 8 or alignment & (alignment - 1):
            raise self._wrong(f"aligns to {alignment!r} bytes; a power of two of 8 or more was expected")
        start = -(-self._at // alignment) * alignment
        self._check(infos, start)
        return Header(version, metadata, spans, tuple(infos), alignment, start, self._end)

    def _tensor(self) -> Tensor:
        name = self._string(MAX_NAME)
        count = self._number("I")
        if not 1 <= count <= MAX_DIMENSIONS:
            raise self._wrong(f"gives the tensor {name!r} {count} dimensions")
        dimensions = tuple(self._number("Q") for _ in range(count))
        number, offset = self._number("I"), self._number("Q")
        kind = BY_NUMBER.get(number)
        if kind is None:
            raise self._wrong(f"stores the tensor {name!r} as type {number}, which is not known here")
        if min(dimensions) < 1 or dimensions[0] % kind.block:
            raise self._wrong(f"gives the tensor {name!r} the shape {dimensions}, which {kind.name} cannot hold")
        return Tensor(name, dimensions, kind, offset)

    def _check(self, tensors: list[Tensor], start: int) -> None:
        if len({tensor.name for tensor in tensors}) != len(tensors):
            raise self._wrong("names a tensor twice")
        for tensor in tensors:
            if start + tensor.offset + tensor.size > self._end:
                missing = start + tensor.offset + tensor.size - self._end
                raise self._wrong(f"is cut short: the tensor {tensor.name!r} lacks {missing} bytes")

    def _value(self, kind: int) -> Value:
        if kind == ARRAY:
            return self._array()
        return self._scalar(kind)

    def _array(self) -> Value:
        kind, count = self._number("I"), self._number("Q")
        if kind in SCALARS:
            width = struct.calcsize("<" + SCALARS[kind])
            self._room(count * width, f"an array of {count}")
            if count > SHORT:
                self._at += count * width
                return LongArray(kind, count)
            return tuple(self._number(SCALARS[kind]) for _ in range(count))
        if kind != STRING:
            raise self._wrong(f"holds an array of type {kind}")
        self._room(count * 8, f"an array of {count} strings")
        if count <= SHORT:
            return tuple(self._string() for _ in range(count))
        self._skip_strings(count)
        return LongArray(kind, count)

    def _skip_strings(self, count: int) -> None:
        data, at, end = self._data, self._at, self._end
        for _ in range(count):
            at += 8 + int.from_bytes(data[at : at + 8], "little")
            if at > end:
                raise self._wrong("is cut short inside its vocabulary")
        self._at = at

    def _scalar(self, kind: int) -> Scalar:
        if kind == STRING:
            return self._string()
        if kind not in SCALARS:
            raise self._wrong(f"holds a value of type {kind}")
        return self._number(SCALARS[kind])

    def _number(self, code: str) -> int:
        width = struct.calcsize("<" + code)
        self._room(width, "a number")
        value: int = struct.unpack_from("<" + code, self._data, self._at)[0]
        self._at += width
        return value

    def _string(self, limit: int = 0) -> str:
        length = self._number("Q")
        if limit and length > limit:
            raise self._wrong(f"holds a name of {length} bytes")
        self._room(length, "a string")
        found = self._data[self._at : self._at + length]
        self._at += length
        return found.decode("utf-8", "replace")

    def _room(self, size: int, what: str) -> None:
        if self._at + size > self._end:
            raise self._wrong(f"is cut short: {what} would end after byte {self._end}")

    def _wrong(self, what: str) -> IntegrityError:
        return IntegrityError(f"{self._path} {what}.", fix="Fetch or convert the file again.")
