"""The one opener of what leaves this machine: an allow-list that everything asks, a journal of what was opened, and a
net beneath both.

Empty by default: nothing leaves. A command that fetches (`models pull`) grants exactly the destination it was told to
use, for as long as it runs. Listening and loopback are not egress. Programs that fetch (pip) are started here and
nowhere else; the HTTP client of remote tiers asks here before each connection and notes it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Literal, Self

import msgspec

from rightsized.core.errors import EgressDeniedError
from rightsized.core.frozen import Frozen
from rightsized.core.net import beyond
from rightsized.core.net import is_loopback as is_loopback  # also from here

JOURNAL = "egress.jsonl"  # in the home folder; once it is full egress-2.jsonl follows, and so on
JOURNAL_BYTES = 8 << 20  # of one file, about 50,000 lines
Counted = Callable[[], int | None]
_LIFTED: ContextVar[bool] = ContextVar("lifted", default=False)  # whether this thread's work may pass the net
DECISION: ContextVar[str] = ContextVar("decision", default="")  # the decision that this task works on


class Opening(Frozen, frozen=True):
    """One line of the journal.

    Args:
        at: seconds since the epoch, UTC.
        kind: `opened` before anything is sent; `closed` at the end of a fetch, with what is known by then.
        destination: the host, or the name of a fetch (`pypi`, `hub`).
        decision: id of the decision that a connection was opened for; it may serve later ones too.
        hosts: hosts that this process reached meanwhile, where a library chose them itself.
        received: bytes fetched; None where nobody counted.
    """

    at: float
    kind: Literal["opened", "closed"]
    destination: str
    purpose: str
    decision: str = ""
    hosts: tuple[str, ...] = ()
    received: int | None = None
    pid: int = 0


class Journal:
    """Appends to the journal of a home: whole lines, by several processes at a time. Holds no file open.

    A full file is left as it is and the next one begun, so that what was written once never moves.

    Args:
        path: of its first file.
        most: bytes from which a file is full.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, *, most: int = JOURNAL_BYTES) -> None:
        self.path, self._clock, self._most = path, clock, most

    def note(self, kind: Literal["opened", "closed"], destination: str, purpose: str, **more: object) -> None:
        """Write one line. Raises EgressDeniedError where it cannot be written: what is not noted is not opened."""
        facts = {"at": self._clock(), "kind": kind, "destination": destination, "purpose": purpose, **more}
        line = msgspec.json.encode(msgspec.convert({**facts, "pid": os.getpid()}, Opening)) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._open_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise EgressDeniedError(
                f"{purpose} would connect to {destination!r}, and {self.path} cannot be written: {error.strerror}.",
                fix="What cannot be noted is not opened. Make the home writable.",
            ) from None

    def _open_file(self) -> Path:
        """The file that takes the next line."""
        files = journal_files(self.path)
        last = files[-1] if files else self.path
        if not files or last.stat().st_size < self._most:
            return last
        return last.with_name(f"{self.path.stem}-{_number(self.path, last) + 1}{self.path.suffix}")


def journal_files(path: Path) -> list[Path]:
    """The files of a journal that are there, oldest first. `path` is that of the first."""
    there = [path, *path.parent.glob(f"{path.stem}-*{path.suffix}")]
    return sorted((file for file in there if _number(path, file) and file.is_file()), key=lambda f: _number(path, f))


def _number(path: Path, file: Path) -> int:
    """The number of a file of a journal, counted from 1; 0 for another file."""
    end = "1" if file == path else file.stem.removeprefix(f"{path.stem}-")
    return int(end) if end.isdecimal() else 0


def read_journal(path: Path, since: float = 0.0) -> list[Opening]:
    """The lines of a journal from a time on, oldest first; a line that was cut off is left out."""
    found = []
    for file in journal_files(path):
        if file.stat().st_mtime < since:
            continue
        for line in file.read_bytes().splitlines():
            try:
                one = msgspec.json.decode(line, type=Opening)
            except msgspec.MsgspecError:
                continue
            if one.at >= since:
                found.append(one)
    return found


@contextmanager
def own_machine() -> Iterator[None]:
    """Let through the net what goes to an address of this machine: our own server may listen on one beyond loopback."""
    lifted = _LIFTED.set(True)
    try:
        yield
    finally:
        _LIFTED.reset(lifted)


class Egress:
    """Destinations that may be reached, by name: a host (`api.example.com`), or a fetch (`pypi`, `hub`).

    Args:
        journal: where openings are noted; None notes nothing (tests, and processes that open nothing).
    """

    def __init__(self, allowed: frozenset[str] = frozenset(), journal: Journal | None = None) -> None:
        self._allowed = set(allowed)
        self._journal = journal
        self._open = 0  # grants that let a fetching library choose its own hosts
        self._reached: set[str] = set()  # hosts seen by the net while one was open

    @classmethod
    def at(cls, home: str | Path, allowed: Sequence[str] = ()) -> Egress:
        """With the settings' allow-list and the journal of a home."""
        return cls(frozenset(allowed), Journal(Path(home).expanduser() / JOURNAL))

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset(self._allowed)

    def require(self, destination: str, purpose: str) -> None:
        """Raise EgressDeniedError unless `destination` is loopback or allowed."""
        if is_loopback(destination) or destination in self._allowed:
            return
        raise EgressDeniedError(
            f"{purpose} would connect to {destination!r}, which no rule allows.",
            fix="Nothing leaves this machine unless you say so; name the destination in [egress] allow.",
        )

    def note(self, destination: str, purpose: str) -> None:
        """Note a connection that is being opened, with the decision at work. Raises EgressDeniedError."""
        if self._journal is not None and not is_loopback(destination):
            self._journal.note("opened", destination, purpose, decision=DECISION.get())

    @contextmanager
    def granted(self, destination: str) -> Iterator[None]:
        """Allow `destination` inside the block: a person asked for this very fetch."""
        added = destination not in self._allowed
        self._allowed.add(destination)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            if added:
                self._allowed.discard(destination)

    @contextmanager
    def connecting(self, destination: str, purpose: str) -> Iterator[None]:
        """Connect to `destination` inside the block, in this thread: asked for, noted, and let through the net, which
        sees addresses and not the names that were allowed. Raises EgressDeniedError before it."""
        self.require(destination, purpose)
        self.note(destination, purpose)
        lifted = _LIFTED.set(True)
        try:
            yield
        finally:
            _LIFTED.reset(lifted)

    @contextmanager
    def opening(self, destination: str, purpose: str, counted: Counted = lambda: None) -> Iterator[None]:
        """Fetch inside the block. `counted` says at the end how many bytes came. Raises EgressDeniedError before it."""
        with self.connecting(destination, purpose):
            self._reached.clear()
            self._open += 1
            try:
                yield
            finally:
                self._open -= 1
                if self._journal is not None and not is_loopback(destination):
                    reached = tuple(sorted(self._reached))
                    self._journal.note("closed", destination, purpose, hosts=reached, received=counted())

    @contextmanager
    def program(
        self,
        command: Sequence[str],
        destination: str,
        purpose: str,
        *,
        errors: IO[bytes],
        environment: Mapping[str, str],
        counted: Counted = lambda: None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A program that fetches, such as pip, with its output to read. Killed where the block is left by an error.

        Raises EgressDeniedError before it is started.
        """
        with (
            self.opening(destination, purpose, counted),
            subprocess.Popen(  # noqa: S603 - no shell; the arguments are this program's own
                list(command), stdout=subprocess.PIPE, stderr=errors, env=dict(environment)
            ) as child,
        ):
            try:
                yield child
            except BaseException:
                child.kill()
                raise

    def watch(self) -> Self:
        """Install the net: from now on this process refuses to connect or look up names outside loopback.

        An audit hook cannot be removed, so a process calls this once. uvloop opens sockets past it.
        """
        sys.addaudithook(self._audit)
        return self

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        host = beyond(event, arguments)
        if not host:
            return
        if self._open or _LIFTED.get():
            self._reached.add(host)
        elif host not in self._allowed:
            raise EgressDeniedError(f"A connection to {host!r} was stopped; no rule allows it.")
