"""`maildir:PATH`: messages of a Maildir (cr.yp.to/proto/maildir.html), those in `new` and in `cur`.

The Maildir is left as it is: what was recorded is known by the store, so mail programs that share it see no difference.
With `mark = true` a message that is on record is moved from `new` to `cur` and flagged as seen. Flags stand in a file's
name and do not name the message.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rightsized.apps.triage.inbox.files import FileSource, Known, as_place, path_of, read_message, settling
from rightsized.apps.triage.inbox.opening import Context, read_options
from rightsized.apps.triage.protocols import Arrival
from rightsized.core.errors import ConfigError, StoreError

_FOLDERS = ("new", "cur")
_RETRIES = 2  # looks for a message that was moved between listing and reading


class MaildirOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a Maildir may be told."""

    mark: bool = False  # move what is on record to cur, flagged as seen


class _File(NamedTuple):
    modified: float
    place: str
    folder: str
    name: str


class Maildir:
    """Implements `files.Files`. A place is the part of a file's name that stays: what stands before its flags."""

    waits_for_more = False  # what is in new or cur is whole: programs write in tmp, then rename

    def __init__(self, root: Path, options: MaildirOptions, context: Context) -> None:
        self._root, self._options, self._context = root, options, context
        self._where: dict[str, tuple[str, str]] = {}  # folder and name of what was handed over, to mark it

    def stamp(self) -> object:
        """When its folders were changed; None where that was just now: more may follow within the same tick."""
        changed = [self._modified(folder) for folder in _FOLDERS]
        return None if any(map(settling, changed)) else tuple(changed)

    def look(self, known: Known, *, patient: bool) -> Generator[Arrival]:
        """See `files.Files`; a few dozen bytes are held a message."""
        for _ in range(_RETRIES + 1):
            moved = False
            for one in self._listed(known):
                arrival = read_message(
                    self._root / one.folder / one.name, one.place, self._context, received=one.modified
                )
                if arrival is None:
                    moved = True
                    continue
                if self._options.mark:
                    self._where[one.place] = (one.folder, one.name)
                yield arrival
            if not moved:
                return

    def mark(self, place: str) -> None:
        """See `files.Files`. Safe to call twice."""
        if not self._options.mark:
            return
        known = self._where.pop(place, None)
        if known is not None and self._marked(*known):
            return
        for folder in _FOLDERS:  # a mail program gave it other flags, or moved it
            for name in self._names(folder):
                if as_place(name.partition(":")[0]) == place and self._marked(folder, name):
                    return

    def _marked(self, folder: str, name: str) -> bool:
        """Move the message to cur, flagged as seen; False where it is no longer there."""
        stem, _, info = name.partition(":")
        flags = "".join(sorted({*info.removeprefix("2,"), "S"}))
        target = self._root / "cur" / f"{stem}:2,{flags}"
        if self._root / folder / name == target:
            return target.exists()
        try:
            (self._root / folder / name).rename(target)
        except FileNotFoundError:
            return False
        return True

    def _listed(self, known: Known) -> list[_File]:
        found = []
        for folder in _FOLDERS:
            for name in self._names(folder):
                place = as_place(name.partition(":")[0])
                if place in known:
                    continue
                with suppress(FileNotFoundError):
                    found.append(_File((self._root / folder / name).lstat().st_mtime, place, folder, name))
        return sorted(found)

    def _names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self._root / folder) as entries:
                return [one.name for one in entries if not one.name.startswith(".") and not one.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{self._root / folder} cannot be listed: {error.strerror}.") from None

    def _modified(self, folder: str) -> float:
        with suppress(FileNotFoundError):
            return (self._root / folder).stat().st_mtime
        return 0.0


def open_maildir(address: str, options: Mapping[str, Any], context: Context) -> FileSource:
    """`maildir:/var/mail/support`. Raises ConfigError where that is no Maildir."""
    root = path_of(address, "Maildir")
    if not ((root / "cur").is_dir() or (root / "new").is_dir()):
        raise ConfigError(f"{root} is no Maildir.", fix="Name the folder that holds new and cur.")
    settings = read_options(MaildirOptions, options, address)
    return FileSource(f"maildir:{as_place(str(root))}", Maildir(root, settings, context), context)
