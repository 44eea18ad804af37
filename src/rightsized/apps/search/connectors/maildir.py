"""Messages in a Maildir (cr.yp.to/proto/maildir.html) and its folders, in the Maildir++ or the file system's layout.

Flags stand in a message's file name and are no content: a message that is read, answered or moved from `new` to `cur`
is the same one. Those of `tmp` are not there yet.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from rightsized.apps.search.access.grounds import Ground
from rightsized.apps.search.access.names import Names
from rightsized.apps.search.connectors.files import as_key, copy, open_beneath
from rightsized.apps.search.connectors.root import Root
from rightsized.apps.search.connectors.watching import stirs
from rightsized.apps.search.types import Item
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, NotFoundError, StoreError

INBOX = "INBOX"
ENDING = ".eml"
_PLACES = ("cur", "new")


class MaildirConnector(Root):
    """One mailbox: its owner may see it, or whom a sidecar in its folder allows.

    A key is `FOLDER/NAME.eml`: the folder as a mail program shows it, and the part of the file's name that stays.
    """

    scheme, called = "maildir", "mailbox"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._last: tuple[str, dict[str, str]] = ("", {})  # files of the folder last asked for, by what stays of them

    def items(self) -> Iterator[Item]:
        """Every message, folder by folder, oldest first within a folder as far as names tell. Raises StoreError."""
        self._problems = []
        root = self._open()
        try:
            ground = Ground.at(self._root, root)
            if ground.broken:
                self._problems.append(ground.broken)
            owner = Names().user(os.fstat(root).st_uid)
            for path in self._folders(self._root):
                yield from self._messages(path, ground, owner)
        finally:
            os.close(root)

    def read(self, item: Item, into: Path) -> None:
        """Copy the message, under whatever flags it has now. Raises NotFoundError, StoreError."""
        folder, _, name = item.key.removesuffix(ENDING).rpartition("/")
        path = self._path(folder)
        for fresh in (False, True):
            if fresh or self._last[0] != folder:
                self._last = (folder, dict(self._files(path)))
            try:
                self._copy(path, self._last[1][name], item.key, into)
                return
            except (KeyError, NotFoundError):
                continue  # flags may have changed since: look again, once
        raise NotFoundError(f"The message {item.key} is gone.")

    def watch(self) -> AsyncIterator[set[str]]:
        """`{""}` each time something has changed and it is quiet again."""
        return stirs(self._root)

    def _copy(self, path: str, file: str, key: str, into: Path) -> None:
        root = self._open()
        try:
            descriptor = open_beneath(root, f"{path}{file}")
        finally:
            os.close(root)
        try:
            copy(descriptor, key, into)
        finally:
            os.close(descriptor)

    def _folders(self, at: Path) -> Iterator[str]:
        """Paths of the mailboxes beneath, relative to the root, each with a slash at its end but for the root's."""
        try:
            with os.scandir(at) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError as error:
            raise StoreError(f"{at} cannot be listed: {error.strerror}. Nothing was removed.") from None
        inner = "" if at == self._root else f"{at.relative_to(self._root).as_posix()}/"
        if "cur" in names:
            yield inner
        for name in names:
            if name not in ("cur", "new", "tmp"):
                yield from self._folders(at / name)

    def _files(self, path: str) -> Iterator[tuple[str, str]]:
        """What stays of each message's name, and its path below the folder."""
        for place in _PLACES:
            try:
                with os.scandir(self._root / path / place) as entries:
                    names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(f"{self._root / path / place} cannot be listed: {error.strerror}.") from None
            for name in names:
                if not name.startswith("."):
                    yield as_key(name.partition(":")[0]), f"{place}/{name}"

    def _messages(self, path: str, ground: Ground, owner: str) -> Iterator[Item]:
        shown = _shown(path)
        for name, file in sorted(dict(self._files(path)).items()):
            status = self._status(path, file) or self._status(path, dict(self._files(path)).get(name))
            if status is None:
                continue  # removed while listing
            key = f"{shown}/{name}{ENDING}"
            sidecar = ground.sidecar or ground.broken
            principals = ground.principals(key, status, "") if sidecar else (owner,)
            version = f"{status.st_size}-{status.st_mtime_ns}"
            yield Item(key, version, status.st_size, status.st_mtime_ns / 1e9, principals, {"folder": shown})

    def _status(self, path: str, file: str | None) -> os.stat_result | None:
        """None where there is no such file: it is gone, or has other flags by now."""
        try:
            return (self._root / path / file).lstat() if file else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._root / path} cannot be read: {error.strerror}.") from None

    def _path(self, shown: str) -> str:
        """The path of a folder by what it is shown as."""
        if shown == INBOX:
            return ""
        dotted = "." + shown.replace("/", ".")
        return f"{dotted}/" if (self._root / dotted).is_dir() else f"{shown}/"


def _shown(path: str) -> str:
    """A folder as mail programs show it: `.Archive.2024/` is Archive/2024."""
    if not path:
        return INBOX
    return path[1:-1].replace(".", "/") if path.startswith(".") and path.count("/") == 1 else path[:-1]


def open_maildir(address: str, egress: Egress) -> MaildirConnector:
    """`maildir:/home/anna/Maildir`. Raises ConfigError where that is none."""
    root = Path(address.removeprefix("maildir:")).expanduser()
    if root.is_dir() and not (root / "cur").is_dir():
        raise ConfigError(f"{root} is no Maildir: it has no folder cur.", fix="Name the folder that holds cur and new.")
    return MaildirConnector(root)
