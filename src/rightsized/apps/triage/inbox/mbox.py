"""`mbox:PATH`: messages of one mbox file (RFC 4155; quoting as mboxrd has it), read while others append to it.

Nothing is changed or locked for longer than it takes to see how far the file is whole. A message is known again by its
content without what mail programs note in its head, wherever it stands: a file may be compacted in between.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rightsized.apps.triage.inbox.files import (
    HEAD_BYTES,
    FileSource,
    Known,
    as_place,
    path_of,
    settling,
    too_large_words,
)
from rightsized.apps.triage.inbox.opening import Context
from rightsized.apps.triage.protocols import Arrival
from rightsized.core.errors import ConfigError, StoreError

LONGEST_LINE = 1 << 20  # bytes read at a time where a line has no end
_BEGINS = re.compile(rb"From \S+.*\d\d:\d\d.*\d{4}")
_QUOTED = re.compile(rb">+From ")
_VOLATILE = re.compile(
    rb"(?:Status|X-Status|X-Keywords|X-UID|X-IMAP(?:base)?|X-Mozilla-(?:Status2?|Keys)):", re.IGNORECASE
)


class Mbox:
    """Implements `files.Files`. A place is a digest of the message."""

    def __init__(self, path: Path, context: Context) -> None:
        self._path, self._context = path, context
        self._from = 0  # where the first message begins that was not handed over
        self._inode = 0
        self.waits_for_more = False

    def stamp(self) -> object:
        """Size and time of the file; None where it was changed just now."""
        status = self._stat()
        return None if settling(status.st_mtime) else (status.st_ino, status.st_size, status.st_mtime_ns)

    def look(self, known: Known, *, patient: bool) -> Generator[Arrival]:
        """See `files.Files`; one message is held at a time."""
        self.waits_for_more = False
        with self._open() as file:
            end = _whole(file)
            status = os.fstat(file.fileno())
            start = self._continues(file, status, end)
            for begin, stop, message in _messages(file, start, end, self._context, str(self._path)):
                if stop >= end and patient and settling(status.st_mtime):
                    self.waits_for_more = True
                    self._from = begin
                    return
                self._from = stop
                if message.place not in known:
                    yield message.arrival(self._context)

    def mark(self, place: str) -> None:
        """Nothing is marked."""

    def _continues(self, file: IO[bytes], status: os.stat_result, end: int) -> int:
        """Where to go on: where the last look ended, if a message begins there; else at the start."""
        same = status.st_ino == self._inode and self._from <= end
        self._inode = status.st_ino
        if same and 0 < self._from < end:
            file.seek(self._from)
            while not (line := file.readline(LONGEST_LINE)).strip() and line:
                continue
            same = _BEGINS.match(line) is not None
        return self._from if same else 0

    def _stat(self) -> os.stat_result:
        try:
            return self._path.stat()
        except OSError as error:
            raise StoreError(f"The mailbox {self._path} cannot be read: {error.strerror}.") from None

    def _open(self) -> IO[bytes]:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise StoreError(f"The mailbox {self._path} cannot be opened: {error.strerror}.") from None


class _Message:
    """A message while it is read: its bytes as far as they are kept, and a digest of what stays of it."""

    def __init__(self, most: int) -> None:
        self._most, self._pieces, self._size = most, list[bytes](), 0
        self._digest = hashlib.sha256()
        self._blank = b""  # empty lines at the end part it from the next
        self._in_head, self._volatile = True, False

    def add(self, line: bytes) -> None:
        plain = line[1:] if _QUOTED.match(line) else line
        if self._in_head:
            if not line.strip(b"\r\n"):
                self._in_head = False
            elif line[:1] not in b" \t":
                self._volatile = _VOLATILE.match(line) is not None
        empty = not self._in_head and not line.strip(b"\r\n")
        self._blank, written = (self._blank + plain, b"") if empty else (b"", self._blank + plain)
        if len(self._blank) > LONGEST_LINE:
            self._blank, written = b"", self._blank
        if not (self._volatile and self._in_head):
            self._digest.update(written)
        self._size += len(written)
        if self._size <= self._most or len(self._pieces) < 2:
            self._pieces.append(written)

    @property
    def place(self) -> str:
        return self._digest.hexdigest()[:40]

    def arrival(self, context: Context) -> Arrival:
        data = b"".join(self._pieces)
        if self._size > self._most:
            return Arrival(self.place, data[:HEAD_BYTES], error=too_large_words(self._size, context))
        return Arrival(self.place, data)


def _messages(
    file: IO[bytes], start: int, end: int, context: Context, where: str
) -> Iterator[tuple[int, int, _Message]]:
    """Where each message begins and ends, and the message, of the file from `start` to `end`."""
    file.seek(start)
    message, begin, at, blank, partial = None, start, start, True, False
    while at < end and (line := file.readline(min(LONGEST_LINE, end - at))):
        if blank and not partial and _BEGINS.match(line):
            if message is not None:
                yield begin, at, message
            message, begin = _Message(context.max_bytes), at
        elif message is not None:
            message.add(line)
        elif line.strip():
            raise ConfigError(f"{where} is no mbox: it begins with {line[:40]!r}.", fix="Name a file of messages.")
        at += len(line)
        blank, partial = not line.strip(b"\r\n"), not line.endswith(b"\n")
    if message is not None:
        yield begin, at, message


def _whole(file: IO[bytes]) -> int:
    """How far the file is whole: its size while no program that keeps to locks is writing."""
    try:
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.fstat(file.fileno()).st_size  # somebody writes: what is last may be half a message, and settles
    try:
        return os.fstat(file.fileno()).st_size
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN)


def open_mbox(address: str, options: Mapping[str, Any], context: Context) -> FileSource:
    """`mbox:/var/mail/support`. Raises ConfigError where there is no such file."""
    path = path_of(address, "mailbox")
    if not path.is_file():
        raise ConfigError(f"There is no file {path}.", fix="Name an mbox file; a Maildir is maildir:PATH.")
    if options:
        raise ConfigError(f"{address} takes no options, and is given {', '.join(options)}.")
    return FileSource(f"mbox:{as_place(str(path))}", Mbox(path, context), context)
