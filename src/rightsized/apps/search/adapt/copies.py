"""The copy of a collection that an adaptation asks its questions of: made, held while it is asked, and swept away.

A process that was killed leaves its copy, with documents that may since have been removed. Whoever opens the collection
next takes it away, unless a process that lives holds it: the lock goes with its process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WORK = "adapting"  # folder within the collection's: training that goes on, and the copy
COPY, LOCK = "copy", "copy.lock"


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """An empty folder for the copy of the collection in `folder`, removed at the end.

    One process adapts a collection at a time; another one waits here.
    """
    work = folder / WORK
    work.mkdir(mode=0o700, exist_ok=True)
    with (work / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(work / COPY, ignore_errors=True)
        (work / COPY).mkdir(mode=0o700)
        try:
            yield work / COPY
        finally:
            shutil.rmtree(work / COPY, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove a copy that nobody holds any more. Training that was cut off stays: the next adaptation goes on there."""
    copy = folder / WORK / COPY
    if not copy.is_dir():
        return
    descriptor = os.open(folder / WORK / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(copy, ignore_errors=True)
    except BlockingIOError:
        pass  # an adaptation that goes on
    finally:
        os.close(descriptor)
