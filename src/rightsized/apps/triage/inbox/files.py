"""What sources on files share: looking again and again, each message handed over once a run, files read with a bound.

Nothing is locked or changed here. A file that is still being written is left for the next look.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from rightsized.apps.triage.inbox.opening import Context
from rightsized.apps.triage.protocols import Arrival
from rightsized.core.errors import ConfigError

HEAD_BYTES = 1 << 18  # of a message that is too large: enough to say whose it is
SETTLED_SECONDS = 1.0  # a file that was changed less long ago may be half written
MOST_LOOKS = 30  # at a file that never settles; then it is taken as it is


class Files(Protocol):
    """What one kind of source knows of its files."""

    @property
    def waits_for_more(self) -> bool:
        """Whether the last look left something out because it was still being written."""
        ...

    def stamp(self) -> object:
        """Something that differs when there may be something new; cheap. None: always look."""
        ...

    def look(self, known: Known, *, patient: bool) -> Generator[Arrival]:
        """What is there and not known, oldest first. `patient`: what is still being written is left out."""
        ...

    def mark(self, place: str) -> None:
        """The message is on record: mark it, where that is wanted."""
        ...


class Known:
    """The places that were handed over in this run, or are on record."""

    def __init__(self, name: str, context: Context) -> None:
        self._name, self._context = name, context
        self._handed: set[str] = set()

    def __contains__(self, place: str) -> bool:
        return place in self._handed or self._context.seen(self._name, place)

    def add(self, place: str) -> None:
        self._handed.add(place)


class FileSource:
    """Implements `Source` over files that are looked at in a thread."""

    def __init__(self, name: str, files: Files, context: Context) -> None:
        self._name, self._files, self._context = name, files, context
        self._known = Known(name, context)

    @property
    def name(self) -> str:
        return self._name

    async def arrivals(self, *, wait: bool) -> AsyncIterator[Arrival]:
        """See `Source`. Raises ConfigError: what the address names is not there, or is something else."""
        last: object = None
        for number in _counting():
            stamp = await asyncio.to_thread(self._files.stamp)
            if stamp is None or stamp != last or self._files.waits_for_more:
                looked = self._files.look(self._known, patient=wait or number < MOST_LOOKS)
                try:
                    while (arrival := await asyncio.to_thread(next, looked, None)) is not None:
                        self._known.add(arrival.place)
                        yield arrival
                finally:
                    with suppress(ValueError):  # a thread is still in it, and ends it
                        looked.close()
                last = stamp
                self._context.told(self._name, "")
            if not wait and not (self._files.waits_for_more and number < MOST_LOOKS):
                return
            await asyncio.sleep(self._context.poll_seconds if wait else SETTLED_SECONDS / 4)

    async def recorded(self, arrival: Arrival) -> None:
        """See `Source`."""
        await asyncio.to_thread(self._files.mark, arrival.place)

    async def close(self) -> None:
        """See `Source`."""


def read_message(path: Path, place: str, context: Context, *, received: float = 0.0) -> Arrival | None:
    """A file as an arrival; one without its content where it is too large or cannot be read; None where it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        return Arrival(place, received=received, error=f"The file cannot be read: {error.strerror}.")
    with open(descriptor, "rb") as file:  # noqa: PTH123 - by descriptor
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return Arrival(place, error="It is no plain file.")
        too_large = status.st_size > context.max_bytes
        try:
            data = file.read(HEAD_BYTES if too_large else context.max_bytes + 1)
        except OSError as error:
            return Arrival(place, received=received, error=f"The file cannot be read: {error.strerror}.")
    if too_large or len(data) > context.max_bytes:
        said = too_large_words(max(status.st_size, len(data)), context)
        return Arrival(place, data[:HEAD_BYTES], received=received, error=said)
    return Arrival(place, data, received=received)


def too_large_words(size: int, context: Context) -> str:
    """Why a message is not read."""
    return f"The message has {size:,} bytes; the largest that is read has {context.max_bytes:,}."


def settling(modified: float) -> bool:
    """Whether something that was changed then may still be changing."""
    return abs(time.time() - modified) < SETTLED_SECONDS


def as_place(name: str) -> str:
    """The name of a file as text; bytes that are no text stand as `\\xNN`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def path_of(address: str, what: str) -> Path:
    """The absolute path that an address names. Raises ConfigError where it names none."""
    said = address.partition(":")[2]
    if not said or "\0" in said:
        raise ConfigError(f"{address!r} names no {what}.", fix=f"Write {address.partition(':')[0]}:PATH.")
    return Path(os.path.abspath(Path(said).expanduser()))  # noqa: PTH100 - links stay as they are written


def _counting() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1
