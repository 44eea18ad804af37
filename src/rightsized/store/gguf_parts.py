"""GGUF files that were cut into parts (`model-00001-of-00003.gguf`): finding the others, and joining them.

llama.cpp opens such a model by its first part. Here a model is one file, so that one digest covers all of it.
Keys and names: llama.cpp's `gguf-split` and `llama_split_path`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rightsized.core.errors import InputError, IntegrityError, NotFoundError
from rightsized.core.protocols import Progress
from rightsized.store.gguf import Header, Tensor, read_header
from rightsized.store.gguf_write import Planned, write_gguf

COUNT, NUMBER = "split.count", "split.no"
KEYS = (NUMBER, COUNT, "split.tensors.count")
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
_MOST = 999  # parts; a name says more than any model has
_SLAB = 1 << 26  # bytes copied at a time


class Part(NamedTuple):
    """One file of a model, and what its header says."""

    path: Path
    header: Header


def stem(name: str) -> str:
    """The name of the whole model, without its ending and the number of a part."""
    match = _PART.fullmatch(name)
    return match["stem"] if match else name.removesuffix(".gguf")


def names(name: str) -> tuple[str, ...]:
    """The names of all parts of the model that a file belongs to, in order; its own alone where it is whole.

    >>> names("m-00001-of-00002.gguf"), names("m.gguf")
    (('m-00001-of-00002.gguf', 'm-00002-of-00002.gguf'), ('m.gguf',))
    """
    match = _PART.fullmatch(name)
    count = int(match["count"]) if match else 0
    if match is None or not 1 < count <= _MOST:
        return (name,)
    return tuple(f"{match['stem']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1))


def is_part(header: Header) -> bool:
    """Whether a file holds a part of a model only."""
    count = header.metadata.get(COUNT, 1)
    return isinstance(count, int) and count > 1


def refuse_part(path: Path, header: Header) -> None:
    """Raise InputError where a file holds a part only."""
    if is_part(header):
        raise InputError(
            f"{path} is one of {header.metadata[COUNT]} parts of a model.",
            fix=f"Join them: rightsized models pull {path}, and use the name that it is installed under.",
        )


def read_parts(path: Path) -> tuple[Part, ...]:
    """All parts of a model by the path of one of them; one part where the file is whole.

    Raises:
        NotFoundError: a part is missing. IntegrityError: they do not belong together.
        InputError: the file is a part and its name is not that of one.
    """
    header = read_header(path)
    if not is_part(header):
        return (Part(path, header),)
    count = header.metadata[COUNT]
    known = names(path.name)
    if len(known) != count:
        raise InputError(
            f"{path} is one of {count} parts of a model, and its name does not say which.",
            fix=f"Name the files NAME-00001-of-{count:05}.gguf and so on, as they were published.",
        )
    paths = [path.with_name(name) for name in known]
    missing = [part.name for part in paths if not part.is_file()]
    if missing:
        raise NotFoundError(f"{path} is one of {count} parts, and {missing[0]} is not beside it.", fix="Fetch it too.")
    parts = tuple(Part(part, read_header(part)) for part in paths)
    for number, part in enumerate(parts):
        if (part.header.metadata.get(NUMBER), part.header.metadata.get(COUNT)) != (number, count):
            raise IntegrityError(f"{part.path} is not part {number + 1} of {count}.", fix="Fetch it again.")
    return parts


def whole_header(path: Path) -> Header:
    """The header of a file, with the tensors of all parts of its model; offsets are those within each part."""
    parts = read_parts(path)
    return parts[0].header._replace(tensors=tuple(tensor for part in parts for tensor in part.header.tensors))


def join(parts: Sequence[Part], target: Path, progress: Progress) -> None:
    """Write one file with the metadata of the first part and the tensors of all.

    Raises:
        IntegrityError: a tensor is there twice. DiskFullError, StoreError: it could not be written.
    """
    first = parts[0].header
    placed = [(part, tensor) for part in parts for tensor in part.header.tensors]
    if len({tensor.name for _, tensor in placed}) != len(placed):
        raise IntegrityError(f"The parts of {parts[0].path} name a tensor twice.", fix="Fetch them again.")
    with parts[0].path.open("rb") as file:
        data = file.read(first.data_start)
    records = [data[start:end] for key, (start, end) in first.spans.items() if key not in KEYS]

    def fill(position: int, out: BinaryIO) -> None:
        progress("join", position, len(placed))
        _copy(*placed[position], out)

    write_gguf(target, records, [Planned(t.name, t.dimensions, t.kind) for _, t in placed], fill,
               alignment=first.alignment)  # fmt: skip


def _copy(part: Part, tensor: Tensor, out: BinaryIO) -> None:
    with part.path.open("rb") as file:
        file.seek(part.header.data_start + tensor.offset)
        left = tensor.size
        while left:
            piece = file.read(min(left, _SLAB))
            out.write(piece)
            left -= len(piece)
