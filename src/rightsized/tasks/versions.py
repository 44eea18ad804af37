"""Fitted tasks on disk: every version in a folder of its own, one of them in force, all switches by one rename.

tasks/support/20261122-101500-3fa9/   task.json, classifier.json, certificate.json, report.json, ...
tasks/support/current                 the name of the version in force
tasks/support/history.jsonl           who was put in force when
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rightsized.core.errors import InputError, IntegrityError, NotFoundError
from rightsized.store import atomic
from rightsized.store.home import Home

T = TypeVar("T")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_STAGING = ".staging-"
FIT = "Fit it: rightsized fit FILE --task {name} --text COLUMN --label COLUMN"


def check_name(name: str) -> str:
    """A task's name, if it can be one. Raises InputError."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a task.",
            fix="Use 1 to 64 lower-case letters, digits, dots, dashes or underscores, a letter or digit first.",
        )
    return name


class TaskStore:
    """The tasks of one home folder.

    Args:
        root: another folder of things kept the same way, such as calibrated cascades; `noun` is what one is called.
        fix: the command that makes one, with `{name}` in it.
    """

    def __init__(self, home: Home, root: Path | None = None, *, noun: str = "task", fix: str = FIT) -> None:
        self.root = Path(home.tasks) if root is None else root
        self._noun, self._fix = noun, fix

    def names(self) -> list[str]:
        """Tasks with a version in force, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(p.parent.name for p in self.root.glob("*/current"))

    def current(self, name: str) -> str:
        """The version in force. Raises NotFoundError."""
        pointer = self.root / check_name(name) / "current"
        if not pointer.is_file():
            known = ", ".join(self.names()) or "none yet"
            raise NotFoundError(
                f"There is no {self._noun} {name!r}. {self._noun.capitalize()}s here: {known}.",
                fix=self._fix.format(name=name),
            )
        return pointer.read_text("utf-8").strip()

    def versions(self, name: str) -> list[str]:
        """All versions kept, oldest first."""
        folder = self.root / check_name(name)
        return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(_STAGING))

    def folder(self, name: str, version: str | None = None) -> Path:
        """Folder of a version (default: the one in force). Raises NotFoundError."""
        folder = self.root / check_name(name) / (version or self.current(name))
        if not folder.is_dir():
            raise NotFoundError(
                f"{self._noun.capitalize()} {name!r} has no version {version!r}.", fix=f"It has: {self.versions(name)}."
            )
        return folder

    @contextmanager
    def staging(self, name: str) -> Iterator[tuple[str, Path]]:
        """A new version's name and an empty folder to fill; it is installed when the block ends without an error."""
        parent = self.root / check_name(name)
        parent.mkdir(parents=True, exist_ok=True)
        version = time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(2)
        folder = parent / (_STAGING + version)
        folder.mkdir()
        try:
            yield version, folder
            atomic.install_folder(folder, parent / version, aside=parent / f"{_STAGING}{version}-aside")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def promote(self, name: str, version: str, reason: str) -> None:
        """Put a version in force."""
        self.folder(name, version)
        parent = self.root / name
        line = msgspec.json.encode({"version": version, "at": time.time(), "reason": reason})
        with (parent / "history.jsonl").open("ab") as stream:
            stream.write(line + b"\n")
        atomic.write(parent / "current", version.encode())

    def rollback(self, name: str) -> str:
        """Put the version back that was in force before this one first was; again goes further back.

        Raises NotFoundError when there is none.
        """
        now = self.current(name)
        first = list(dict.fromkeys(self._history(name)))  # in the order in which each was first put in force
        before = [v for v in first[: first.index(now) if now in first else 0] if (self.root / name / v).is_dir()]
        if not before:
            raise NotFoundError(
                f"{self._noun.capitalize()} {name!r} has no version before {now}.",
                fix=f"It has: {self.versions(name)}.",
            )
        self.promote(name, before[-1], f"rolled back from {now}")
        return before[-1]

    def _history(self, name: str) -> list[str]:
        path = self.root / name / "history.jsonl"
        if not path.is_file():
            return []
        return [msgspec.json.decode(line)["version"] for line in path.read_bytes().splitlines() if line.strip()]

    def read(self, name: str, file: str, kind: type[T], version: str | None = None) -> T:
        """A record of a version, such as `certificate.json`. Raises NotFoundError, IntegrityError."""
        path = self.folder(name, version) / file
        if not path.is_file():
            raise NotFoundError(f"Version {path.parent.name} of {self._noun} {name!r} has no {file}.")
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except msgspec.DecodeError as error:
            raise IntegrityError(
                f"{path} cannot be read: {error}.", fix=f"Make it again. {self._fix.format(name=name)}"
            ) from None


def write_record(folder: Path, file: str, record: Any) -> None:
    """Write a record as indented JSON."""
    atomic.write(folder / file, msgspec.json.format(msgspec.json.encode(record), indent=1))
