"""Messages in one mbox file (RFC 4155; quoting as mboxrd has it). A message keeps its key when others come or go.

The file is read through at each listing, not held: what is appended adds items, and what mail programs note in it
(Status, X-Keywords, ...) changes none.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, NamedTuple

from rightsized.apps.search.access.names import Names
from rightsized.apps.search.connectors.files import as_key
from rightsized.apps.search.connectors.watching import stirs
from rightsized.apps.search.types import Item
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, NotFoundError, StoreError

HELD_BYTES = 1 << 16  # of a message, hashed together
LONGEST_LINE = 1 << 20  # bytes read at a time where a line has no end
_BEGINS = re.compile(rb"From \S+.*\d\d:\d\d.*\d{4}")
_QUOTED = re.compile(rb">+From ")
_VOLATILE = re.compile(
    rb"(?:Status|X-Status|X-Keywords|X-UID|X-IMAP(?:base)?|X-Mozilla-(?:Status2?|Keys)):", re.IGNORECASE
)
_FIELD = re.compile(rb"(message-id|date):[ \t]*(.*)", re.IGNORECASE | re.DOTALL)


class _Message(NamedTuple):
    """Where a message stands in the file, without the line that parts it from the one before."""

    start: int
    end: int
    key: str
    digest: str
    modified: float


class MboxConnector:
    """One mbox file. The owner of the file may see its messages."""

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path.expanduser()))
        self._where: dict[str, tuple[int, int]] = {}

    @property
    def source(self) -> str:
        return f"mbox:{as_key(str(self._path))}"

    @property
    def address(self) -> str:
        return self.source

    @property
    def problems(self) -> tuple[str, ...]:
        return ()

    def items(self) -> Iterator[Item]:
        """Every message in the order of the file. Raises StoreError, ConfigError (it is no mbox)."""
        with self._open() as file:
            status = os.fstat(file.fileno())
            owner = Names().user(status.st_uid)
            where: dict[str, tuple[int, int]] = {}
            for found in _scan(file, status.st_mtime, str(self._path)):
                where[found.key] = (found.start, found.end)
                yield Item(found.key, found.digest, found.end - found.start, found.modified, (owner,))
            self._where = where

    def read(self, item: Item, into: Path) -> None:
        """Write the message as it was sent. Raises NotFoundError, StoreError."""
        for fresh in (False, True):
            if fresh or not self._where:
                list(self.items())
            place = self._where.get(item.key)
            if place and self._copied(place, item, into):
                return
        if place is None:
            raise NotFoundError(f"The message {item.key} is no longer in {self._path}.")
        raise StoreError(f"{self._path} was changed while it was read.", fix="It is read at the next sync.")

    def watch(self) -> AsyncIterator[set[str]]:
        """`{""}` each time something has changed and it is quiet again."""
        return stirs(self._path)

    def _copied(self, place: tuple[int, int], item: Item, into: Path) -> bool:
        """Copy it, and say whether it is the message that was listed."""
        digest = _Digest()
        with self._open() as file, into.open("wb") as out:
            file.seek(place[0])
            while file.tell() < place[1] and (line := file.readline(min(LONGEST_LINE, place[1] - file.tell()))):
                digest.add(line)
                out.write(line[1:] if _QUOTED.match(line) else line)
        return digest.version() == item.version

    def _open(self) -> IO[bytes]:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise StoreError(
                f"The mailbox {self._path} cannot be opened: {error.strerror}.",
                fix="Nothing was removed from the collection. Mount or restore it, or remove the source.",
            ) from None


class _Digest:
    """The digest of a message line by line, without what mail programs note in its head, and without the blank lines at
    its end, which part it from the next; and two fields of its head."""

    def __init__(self) -> None:
        self._all = hashlib.blake2b(digest_size=16)
        self._head = hashlib.blake2b(digest_size=16)
        self._in_head, self._volatile, self._size = True, False, 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.fields: dict[bytes, bytes] = {}

    def add(self, line: bytes) -> None:
        if not self._in_head:
            self._held.append(line)
            self._held_bytes += len(line)
            if self._held_bytes > HELD_BYTES and line.strip(b"\r\n"):
                self._release()
            return
        if line.strip(b"\r\n") == b"":
            self._in_head = False
        elif line[:1] not in b" \t":
            self._volatile = _VOLATILE.match(line) is not None
            if (field := _FIELD.match(line)) is not None:
                self.fields.setdefault(field[1].lower(), field[2].strip())
        if not self._volatile or not self._in_head:
            self._head.update(line)
            self._held.append(line)

    def _release(self) -> None:
        body = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        self._all.update(body)
        self._size += len(body)

    def version(self) -> str:
        while self._held and not self._held[-1].strip(b"\r\n"):
            self._held.pop()
        self._release()
        return f"{self._size}-{self._all.hexdigest()}"

    def name(self) -> str:
        """What stays the same as long as the message does: from its Message-ID, else from its head."""
        named = self.fields.get(b"message-id")
        return hashlib.blake2b(named, digest_size=10).hexdigest() if named else self._head.hexdigest()[:20]

    def date(self, default: float) -> float:
        try:
            return parsedate_to_datetime(self.fields.get(b"date", b"").decode("ascii")).timestamp()
        except (ValueError, UnicodeDecodeError, OverflowError, IndexError, TypeError):
            return default


def _scan(file: IO[bytes], modified: float, where: str) -> Iterator[_Message]:
    """Messages of the file; two of one Message-ID are told apart by their number."""
    taken: dict[str, int] = {}
    digest, start, at, blank, partial = None, 0, 0, True, False
    while line := file.readline(LONGEST_LINE):
        begins = blank and not partial and _BEGINS.match(line) is not None
        if begins:
            if digest is not None:
                yield _message(digest, start, at, taken, modified)
            digest, start = _Digest(), at + len(line)
        elif digest is None:
            if line.strip():
                raise ConfigError(f"{where} is no mbox: it begins with {line[:40]!r}.", fix="Name a file of messages.")
        else:
            digest.add(line)
        at += len(line)
        blank, partial = not line.strip(b"\r\n"), not line.endswith(b"\n")
    if digest is not None:
        yield _message(digest, start, at, taken, modified)


def _message(digest: _Digest, start: int, end: int, taken: dict[str, int], modified: float) -> _Message:
    name = digest.name()
    count = taken[name] = taken.get(name, 0) + 1
    key = f"{name}.eml" if count == 1 else f"{name}-{count}.eml"
    return _Message(start, end, key, digest.version(), digest.date(modified))


def open_mbox(address: str, egress: Egress) -> MboxConnector:
    """`mbox:/var/mail/anna`."""
    return MboxConnector(Path(address.removeprefix("mbox:")))
