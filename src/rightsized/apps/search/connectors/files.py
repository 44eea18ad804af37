"""Opens and copies files beneath a root without following symbolic links, not even ones put there meanwhile.

Names that are no UTF-8 are written with `\\xNN` in keys, since keys are text.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

from rightsized.apps.search.access.grounds import FOLDER
from rightsized.core.errors import NotFoundError, StoreError

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a pipe must not hold us up
_BLOCK = 1 << 20
_ATTEMPTS = 4
_WAIT_S = 0.2  # before the second attempt; doubled before each further one
_TICK_S = 0.02  # two changes within it may have one time stamp
_BYTES = re.compile(rb"\\x([0-9a-f]{2})")


def version(status: os.stat_result) -> str:
    """Changes with the content, by all that a file system says of it cheaply; not with its name or its mode."""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


def as_key(path: str) -> str:
    """A path as the system's functions give it, as text without half characters."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def open_beneath(root: int, key: str) -> int:
    """A descriptor of a file beneath an open folder. Raises NotFoundError, StoreError."""
    try:
        return _opened(root, key)
    except FileNotFoundError:
        raw = _BYTES.sub(lambda found: bytes([int(found[1], 16)]), os.fsencode(key))
        if raw != os.fsencode(key):
            try:
                return _opened(root, os.fsdecode(raw))
            except OSError:
                pass
        raise NotFoundError(f"{key} is gone.") from None
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise NotFoundError(f"{key} is no longer a file in its place.") from None
        raise StoreError(f"{key} cannot be opened: {error.strerror}.") from None


def copy(descriptor: int, key: str, into: Path, wait: Callable[[float], None] = time.sleep) -> None:
    """Copy a regular file that nobody changes meanwhile; begun anew where somebody does.

    Raises StoreError: it changed each time, or cannot be read.
    """
    for attempt in range(_ATTEMPTS):
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise NotFoundError(f"{key} is no longer a regular file.")
        if attempt:
            wait(_WAIT_S * 2 ** (attempt - 1))
        elif time.time() - before.st_mtime < _TICK_S:
            wait(_TICK_S)  # or a change behind our back could leave no trace
        before = os.fstat(descriptor)
        try:
            size = _copied(descriptor, into)
        except OSError as error:
            raise StoreError(f"{key} cannot be read: {error.strerror}.") from None
        if size == before.st_size and version(os.fstat(descriptor)) == version(before):
            return
    raise StoreError(
        f"{key} was changed each of {_ATTEMPTS} times that it was read.", fix="It is read at the next sync."
    )


def _opened(root: int, path: str) -> int:
    folder = os.dup(root)
    try:
        *folders, name = path.split("/")
        if {"", ".", ".."} & {*folders, name}:
            raise FileNotFoundError(errno.ENOENT, "No such file", path)
        for part in folders:
            inner = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _copied(descriptor: int, into: Path) -> int:
    size = 0
    with into.open("wb") as file:
        while block := os.pread(descriptor, _BLOCK, size):
            file.write(block)
            size += len(block)
    return size
