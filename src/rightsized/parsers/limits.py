"""What one document may cost to read, and how a parser learns of it."""

from __future__ import annotations

import time
from contextvars import ContextVar

from rightsized.core.errors import DocumentError
from rightsized.core.frozen import Frozen


class Limits(Frozen, frozen=True):
    """Bounds on reading one document.

    Args:
        wall_seconds: from the start until its process is killed.
        cpu_seconds: processor time, all threads; the kernel ends the process.
        memory_mb: resident memory of the process (10^6 bytes). About 60 of it are Python and the parser's library.
        characters: of the canonical text.
        parts: documents inside, such as attachments and members of an archive.
        part_bytes: of all those together.
        ratio: how many times as large as the file what is unpacked of it may be, above the first 10 MB.
        pages: of PDF and slides; further pages are left out and a note says so.
    """

    wall_seconds: float = 300.0
    cpu_seconds: float = 240.0
    memory_mb: float = 1500.0
    characters: int = 20_000_000
    parts: int = 2_000
    part_bytes: int = 200_000_000
    ratio: float = 200.0
    pages: int = 20_000


DEFAULT = Limits()
LIMITS: ContextVar[Limits] = ContextVar("limits", default=DEFAULT)  # of the document that is read now
_STARTED: ContextVar[tuple[float, float]] = ContextVar("started", default=(0.0, 0.0))  # wall and processor time
UNSUSPICIOUS = 10_000_000  # bytes that may be unpacked whatever the ratio


def begin(limits: Limits) -> None:
    """From now on a document is read under these limits."""
    LIMITS.set(limits)
    _STARTED.set((time.monotonic(), time.process_time()))


def seconds_left() -> float:
    """Until the process is ended, by the clock that runs out first; for work that can stop in between."""
    limits, (wall, processor) = LIMITS.get(), _STARTED.get()
    return min(limits.wall_seconds - (time.monotonic() - wall), limits.cpu_seconds - (time.process_time() - processor))


def check_unpacked(unpacked: int, packed: int, name: str) -> None:
    """Raises DocumentError (`bomb`) where so many unpacked bytes are too many for a file of `packed` bytes."""
    limits = LIMITS.get()
    if unpacked > UNSUSPICIOUS and unpacked > packed * limits.ratio:
        raise DocumentError(
            f"{name} unpacks to more than {limits.ratio:g} times its size of {packed:,} bytes.",
            reason="bomb",
            fix="Unpack it yourself if you trust it.",
        )
