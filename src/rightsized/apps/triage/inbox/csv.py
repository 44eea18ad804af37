"""`csv:FILE`: a ticket export or a list of messages, one a row, in any encoding and with any usual separator.

Columns are found by their names, or named by the options. A row is read as a person wrote it: quotes and signatures in
its text are told from what is new, as in mail. Rows stream; the file may grow while it is read.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import msgspec

from rightsized.apps.triage.inbox.files import FileSource, Known, as_place, path_of, settling
from rightsized.apps.triage.inbox.opening import Context, read_options
from rightsized.apps.triage.inbox.rows import Columns, columns_of, mail_of
from rightsized.apps.triage.protocols import Arrival
from rightsized.core.errors import ConfigError, RightsizedError
from rightsized.parsers.csv import SAMPLE, separator_of
from rightsized.parsers.encodings import SAMPLE_BYTES, decode

_CHUNK = 1 << 20  # bytes in which the encoding is checked


class CsvOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which column is which, where names do not tell, and how dates are written."""

    subject: str = ""
    text: str = ""
    sender: str = ""
    to: str = ""
    date: str = ""
    id: str = ""
    thread: str = ""
    date_format: str = ""  # as in Python's strptime, such as %d/%m/%Y %H:%M
    separator: str = ""  # found by itself where empty
    encoding: str = ""  # found by itself where empty


class CsvFile:
    """Implements `files.Files`. A place is a digest of the row, with a number where rows are equal."""

    def __init__(self, path: Path, options: CsvOptions, context: Context) -> None:
        self._path, self._options, self._context = path, options, context
        self.waits_for_more = False

    def stamp(self) -> object:
        """Size and time of the file."""
        status = self._path.stat()
        return None if settling(status.st_mtime) else (status.st_ino, status.st_size, status.st_mtime_ns)

    def look(self, known: Known, *, patient: bool) -> Generator[Arrival]:
        """See `files.Files`; sixteen bytes are held a row. Raises ConfigError: no column holds a text."""
        self.waits_for_more = False
        if patient and settling(self._path.stat().st_mtime):
            self.waits_for_more = True
            return
        with closing(_Rows(self._path, self._options, self._context.max_bytes)) as rows:
            yield from self._read(rows, known)

    def _read(self, rows: _Rows, known: Known) -> Iterator[Arrival]:
        header = next(iter(rows), [])
        columns = columns_of(header, self._options, str(self._path))
        seen = Counter[bytes]()
        for number, row in enumerate(rows, 2):
            if not any(cell.strip() for cell in row):
                continue
            digest = hashlib.sha256("\x1f".join(row).encode("utf-8", "replace")).digest()[:16]
            seen[digest] += 1
            place = digest.hex() + (f"-{seen[digest]}" if seen[digest] > 1 else "")
            if place not in known:
                yield self._arrival(row, columns, place, number)
        if rows.broken:
            place = hashlib.sha256(rows.broken.encode()).hexdigest()[:32]
            if place not in known:
                yield Arrival(place, error=rows.broken)

    def mark(self, place: str) -> None:
        """Nothing is marked."""

    def _arrival(self, row: list[str], columns: Columns, place: str, number: int) -> Arrival:
        try:
            mail = mail_of(row, columns, place, self._options.date_format)
        except RightsizedError as error:
            return Arrival(place, error=f"Row {number}: {error.own_words}")
        return Arrival(place, mail=mail, received=mail.received, metadata={"row": str(number)})


class _Rows:
    """The rows of a file, read line by line. `broken` says why the rest was not read, empty where all was."""

    def __init__(self, path: Path, options: CsvOptions, most: int) -> None:
        self._path, self._most, self.broken = path, most, ""
        encoding = options.encoding or _encoding(path)
        self._file: IO[str] = path.open(encoding=encoding, errors="replace", newline="")
        sample = self._file.read(SAMPLE).removeprefix("\ufeff")
        self._file.seek(0)
        self._size = 0
        self._reader = csv.reader(self._lines(), delimiter=options.separator or separator_of(sample))

    def __iter__(self) -> Iterator[list[str]]:
        try:
            for row in self._reader:
                self._size = 0
                if not (self._reader.line_num == 1 and len(row) <= 2 and row[:1] and row[0].lower().startswith("sep=")):
                    yield row
        except (csv.Error, _TooLongError) as error:
            self.broken = f"Not read from line {self._reader.line_num} on: {error}."

    def close(self) -> None:
        self._file.close()

    def _lines(self) -> Iterator[str]:
        """Lines, as long as no row takes more than it may: a quote without an end would take all that follows."""
        first = True
        while line := self._file.readline(self._most + 1):
            self._size += len(line)
            if self._size > self._most:
                raise _TooLongError(f"a row has more than {self._most:,} characters; a quote may not be closed")
            yield line.removeprefix("\ufeff").replace("\x00", " ") if first else line.replace("\x00", " ")
            first = False


class _TooLongError(Exception):
    pass


def _encoding(path: Path) -> str:
    """UTF-8 where the whole file is; else what the part looks like that is not."""
    with path.open("rb") as file:
        head = file.read(4)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        while chunk := file.read(_CHUNK):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                start = max(0, error.start - SAMPLE_BYTES // 2)
                return decode(chunk[start : start + SAMPLE_BYTES]).encoding
    return "utf-8"


def open_csv(address: str, options: Mapping[str, Any], context: Context) -> FileSource:
    """`csv:tickets.csv`. Raises ConfigError where there is no such file."""
    path = path_of(address, "file")
    if not path.is_file():
        raise ConfigError(f"There is no file {path}.", fix="Name a CSV file.")
    settings = read_options(CsvOptions, options, address)
    if settings.encoding:
        try:
            codecs.lookup(settings.encoding)
        except LookupError:
            raise ConfigError(f"{settings.encoding!r} names no encoding.", fix="Leave it out: it is found.") from None
    if len(settings.separator) > 1:
        raise ConfigError(f"The separator {settings.separator!r} is not one character.", fix="Leave it out.")
    return FileSource(f"csv:{as_place(str(path))}", CsvFile(path, settings, context), context)
