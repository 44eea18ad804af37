"""Writing files so that a crash or a full disk leaves the old content or the new, never a half.

A file is written beside its destination, flushed to the device, renamed over it, and the folder is flushed too.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rightsized.core.errors import DiskFullError, StoreError

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
PRIVATE = 0o600  # mode of secrets: the owner reads and writes
SHARED = 0o644  # mode of everything else


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn operating-system errors about `path` into DiskFullError or StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise DiskFullError(
                f"No space is left on the disk that holds {path.parent}; nothing half-written was kept.",
                fix="Free some space, or point RIGHTSIZED_HOME at another disk.",
            ) from error
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise StoreError(
                f"{path} cannot be written: {error.strerror}.",
                fix="Give this user write access to the folder, or point RIGHTSIZED_HOME elsewhere.",
            ) from error
        raise


def write(path: Path, data: bytes, *, mode: int = SHARED) -> None:
    """Replace the content of `path` by `data`; durable when this returns.

    Raises:
        DiskFullError: no space; the old content stands.
        StoreError: the folder cannot be written to.
    """
    with disk_errors(path), _written_beside(path, data, mode) as temporary:
        temporary.replace(path)
    sync_folder(path.parent)


def export(path: Path, data: bytes) -> None:
    """Write a file that a user named, as `write` does; the folder is made if need be.

    Raises:
        DiskFullError: no space; the old content stands.
        StoreError: there can be no such file; says why, and to name another.
    """
    try:
        with _written_beside(path, data, SHARED) as temporary:
            temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise DiskFullError(
                f"No space is left on the disk that holds {path.parent}; nothing half-written was kept.",
                fix="Free some space, or name a file on another disk.",
            ) from error
        raise StoreError(
            f"{path} cannot be written: {error.strerror}.", fix="Name a file in a folder that you may write to."
        ) from error


def create(path: Path, data: bytes, *, mode: int = SHARED) -> bool:
    """Write `path` only if nothing is there; False where another process was first. Never half-written."""
    with disk_errors(path), _written_beside(path, data, mode) as temporary:
        try:
            os.link(temporary, path)  # fails where the name is taken, unlike a rename
        except FileExistsError:
            return False
    sync_folder(path.parent)
    return True


@contextmanager
def _written_beside(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def install_folder(prepared: Path, final: Path, *, aside: Path) -> None:
    """Put the finished folder `prepared` in the place of `final` by renaming; all three on one file system.

    A folder that stood there moves to `aside` first and is removed last. Killed between the two renames, `aside`
    still holds it: `restore_folder` puts it back.
    """
    with disk_errors(final):
        for file in sorted(prepared.rglob("*")):
            if file.is_file():
                _sync_file(file)
        for folder in [prepared, *(f for f in prepared.rglob("*") if f.is_dir())]:
            sync_folder(folder)
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists():
            shutil.rmtree(aside, ignore_errors=True)
            final.rename(aside)
        prepared.rename(final)
        sync_folder(final.parent)
        shutil.rmtree(aside, ignore_errors=True)


def restore_folder(final: Path, *, aside: Path) -> None:
    """Undo an `install_folder` that was killed halfway."""
    if aside.exists() and not final.exists():
        aside.rename(final)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
