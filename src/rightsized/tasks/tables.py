"""Reading labelled text from CSV, TSV, JSON lines or Parquet (each also .gz), with checks that name row and column.

Rows come out one at a time, so that memory is bounded by the rows kept. Nothing here knows of splits or models.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from rightsized.core.errors import DataError, MissingExtraError, NotFoundError

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
MAX_FIELD_CHARS = 1_000_000  # one field; a longer one is a broken quote or a whole archive in a cell
MAX_BYTES = 4 << 30  # after decompression; stops an archive made to fill memory


def read_rows(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row number, {column: value}) for the named columns; the first data row is 1.

    Columns that are `optional` are read where the file has them.

    Raises:
        NotFoundError: no such file.
        DataError: unknown format, missing column, not UTF-8, an over-long field, a broken line.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file.", fix=_formats())
    if not path.is_file():
        raise NotFoundError(f"There is no file {path}.", fix="Check the path; it is taken from the current folder.")
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix.lower() not in FORMATS:
        raise DataError(f"{path.name}: the format {suffix or 'without a suffix'!r} is not known.", fix=_formats())
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty.", fix="Give a file with a header and at least two labels.")
    try:
        yield from _reader(suffix.lower())(path, columns, optional)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is not UTF-8: byte 0x{error.object[error.start]:02x} at position {error.start} of a block.",
            fix=f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8-{path.name}",
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} is not a whole gzip file: {error}.") from None


def file_sha256(path: Path) -> str:
    """Digest of the file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _formats() -> str:
    return f"Known formats: {', '.join(FORMATS)}, each also with .gz."


def _reader(suffix: str) -> Any:
    return {".parquet": _parquet, ".jsonl": _json_lines, ".ndjson": _json_lines}.get(suffix, _delimited)


def _open(path: Path) -> BinaryIO:
    open_raw: Any = gzip.open if path.suffix == ".gz" else open
    return io.BufferedReader(_Bounded(open_raw(path, "rb"), path.name), 1 << 16)


class _Bounded(io.RawIOBase):
    """Stops a compressed file that unpacks to more than MAX_BYTES."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name, self._seen = stream, name, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        self._seen += len(block)
        if self._seen > MAX_BYTES:
            raise DataError(f"{self._name} unpacks to more than {MAX_BYTES >> 30} GiB.", fix="Split it, or sample it.")
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _missing(path: Path, wanted: tuple[str, ...], present: list[str]) -> None:
    absent = [name for name in wanted if name not in present]
    if absent:
        has = ", ".join(map(repr, present)) or "none"
        raise DataError(
            f"{path.name} has no column {', '.join(map(repr, absent))}. It has: {has}.",
            fix="Name the columns with --text and --label.",
        )


def _with(columns: tuple[str, ...], optional: tuple[str, ...], present: list[str]) -> tuple[str, ...]:
    return (*columns, *(name for name in optional if name in present and name not in columns))


def _delimited(path: Path, columns: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    csv.field_size_limit(MAX_FIELD_CHARS)
    with _open(path) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, delimiter=delimiter, strict=True)
        try:
            present = list(reader.fieldnames or [])
            _missing(path, columns, present)
            wanted = _with(columns, optional, present)
            for number, row in enumerate(reader, start=1):
                yield number, {name: row[name] for name in wanted}
        except csv.Error as error:
            raise DataError(
                f"{path.name}, after line {reader.line_num}: {error}.",
                fix=f"A field may hold {MAX_FIELD_CHARS:,} characters; check for a quote that is never closed.",
            ) from None


def _json_lines(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, Any]]]:
    with _open(path) as raw:
        for number, line in enumerate(raw, start=1):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise DataError(f"{path.name}, line {number} is not JSON: {error}.") from None
            if not isinstance(row, dict):
                raise DataError(f"{path.name}, line {number} is not a JSON object but {type(row).__name__}.")
            if number == 1:
                _missing(path, columns, list(row))
            yield number, {name: row.get(name) for name in _with(columns, optional, list(row))}


def _parquet(path: Path, columns: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(f"Reading {path.name} needs pyarrow.", extra="parquet") from None
    source = pa.BufferReader(gzip.decompress(path.read_bytes())) if path.suffix == ".gz" else str(path)
    try:
        table = pq.ParquetFile(source)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path.name} is not a Parquet file: {error}.") from None
    _missing(path, columns, table.schema_arrow.names)
    number = 0
    wanted = _with(columns, optional, table.schema_arrow.names)
    for batch in table.iter_batches(columns=list(wanted)):
        for row in batch.to_pylist():
            number += 1
            yield number, row


def as_text(value: Any) -> str | None:
    """A cell as text; None where it is missing (empty, null, NaN)."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = value if isinstance(value, str) else str(value)
    return text if text.strip() else None
