"""The home folder: where models, tasks, decisions and secrets live, and the lock of its one writer.

Knows names and places only; what is inside each folder belongs to the part that writes it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from rightsized.core.errors import HomeLockedError, StoreError
from rightsized.core.types import Frozen
from rightsized.store import atomic

SECRET_BYTES = 32  # an Ed25519 seed or a 256-bit MAC key
_LOCK_TRIES, _LOCK_PAUSE = 10, 0.01  # a reader may hold the lock shared for an instant; seconds


class Home:
    """Places under the home folder. Nothing is created until `ensure` or a write.

    Raises StoreError where a file has that name: read as a folder it would look like an empty home.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        if os.path.exists(self.path) and not os.path.isdir(self.path):  # noqa: PTH110, PTH112 - these two never raise
            message = f"The home {self.path} is a file, not a folder."
            raise StoreError(message, fix="Point RIGHTSIZED_HOME or --home at a folder.")

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def downloads(self) -> Path:
        """Finished downloads, kept until the model they belong to is installed."""
        return self.path / "downloads"

    @property
    def tasks(self) -> Path:
        return self.path / "tasks"

    @property
    def jobs(self) -> Path:
        return self.path / "jobs"

    @property
    def decisions(self) -> Path:
        """The SQLite file of decisions."""
        return self.path / "decisions.sqlite"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def lock(self) -> Path:
        return self.path / "writer.lock"

    def ensure(self) -> Home:
        """Create the folders. Raises StoreError where the place cannot be used."""
        with atomic.disk_errors(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)  # texts lie in it; one there already stays so
            for folder in (self.models, self.tasks, self.jobs):
                folder.mkdir(parents=True, exist_ok=True)
            self.secrets.mkdir(mode=0o700, exist_ok=True)
        return self

    def secret(self, name: str) -> bytes:
        """32 random bytes kept under `name`, made at the first call; every process gets the same.

        Raises:
            StoreError: the name is not a plain file name, or the file was altered.
        """
        if not name or Path(name).name != name or name.startswith("."):
            raise StoreError(f"{name!r} cannot name a secret; use letters, digits and dashes.")
        self.ensure()
        path = self.secrets / name
        if not path.exists():
            atomic.create(path, secrets.token_bytes(SECRET_BYTES), mode=atomic.PRIVATE)
        value = path.read_bytes()
        if len(value) != SECRET_BYTES:
            raise StoreError(
                f"{path} holds {len(value)} bytes instead of {SECRET_BYTES}.",
                fix="Restore it from a backup; a new one makes old signatures and audit coins uncheckable.",
            )
        return value


class Holder(Frozen, frozen=True):
    """Who writes to a home: process id, purpose (`serve`, `fit`) and, for a server, its address."""

    pid: int
    purpose: str
    address: str = ""


class WriterLock:
    """Held by the one process that writes to a home; the kernel frees it when that process ends, however it ends.

    >>> import tempfile
    >>> home = Home(tempfile.mkdtemp())
    >>> with WriterLock(home, "fit"):
    ...     holder(home).purpose
    'fit'
    >>> holder(home) is None
    True
    """

    def __init__(self, home: Home, purpose: str, address: str = "") -> None:
        self._home = home
        self._purpose = purpose
        self._address = address
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._home.ensure()
        with atomic.disk_errors(self._home.lock):
            descriptor = os.open(self._home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, atomic.SHARED)
        if not _flock(descriptor, fcntl.LOCK_EX):
            found = _read(descriptor)
            os.close(descriptor)
            raise HomeLockedError(_locked_message(self._home, found), fix=_locked_fix(found))
        self._descriptor = descriptor
        self.announce(self._address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)  # closing frees the lock
        self._descriptor = -1

    def announce(self, address: str) -> None:
        """Tell others where this writer can be reached, such as `http://127.0.0.1:8321`."""
        self._address = address
        record = msgspec.json.encode(Holder(os.getpid(), self._purpose, address)) + b"\n"
        # One write, then the cut: a reader that comes between sees a whole first line.
        os.pwrite(self._descriptor, record, 0)
        os.ftruncate(self._descriptor, len(record))


def holder(home: Home) -> Holder | None:
    """Who holds the writer lock; None where it is free."""
    try:
        descriptor = os.open(home.lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(descriptor)
        return None
    finally:
        os.close(descriptor)


def _flock(descriptor: int, kind: int) -> bool:
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE)
        else:
            return True
    return False


def _read(descriptor: int) -> Holder:
    line = os.pread(descriptor, 4096, 0).partition(b"\n")[0]
    try:
        return msgspec.json.decode(line, type=Holder)
    except msgspec.DecodeError:
        return Holder(0, "unknown")  # taken this instant, not yet announced


def _locked_message(home: Home, found: Holder) -> str:
    where = f" at {found.address}" if found.address else ""
    return f"Process {found.pid} ({found.purpose}{where}) is writing to {home.path}; a home has one writer."


def _locked_fix(found: Holder) -> str:
    if found.address:
        return f"Send the request to {found.address}, stop that process, or choose another RIGHTSIZED_HOME."
    return "Wait until it is done, or choose another RIGHTSIZED_HOME."
