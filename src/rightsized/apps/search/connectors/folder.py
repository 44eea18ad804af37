"""Documents in a folder and those beneath it.

Symbolic links are not followed: what they point to within the folder is listed where it is, and what is outside of it
is none of it. A folder that cannot be listed is an error, never an absence of documents.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from rightsized.apps.search.access.grounds import FOLDER, Ground
from rightsized.apps.search.connectors.files import as_key, copy, open_beneath, version
from rightsized.apps.search.connectors.ignore import Ignored
from rightsized.apps.search.connectors.root import Root
from rightsized.apps.search.connectors.watching import changes
from rightsized.apps.search.types import Item
from rightsized.core.egress import Egress
from rightsized.core.errors import StoreError

DEEPEST = 200  # folders below each other; each holds a descriptor open


class FolderConnector(Root):
    """A folder of this machine."""

    scheme, called = "folder", "folder"

    def items(self) -> Iterator[Item]:
        """Every document beneath, in the order of names, folder by folder.

        Raises StoreError where any folder cannot be listed, ConfigError for a broken `.rightsized-ignore`.
        """
        self._problems = []
        descriptor = self._open()
        try:
            ground = Ground.at(self._root, descriptor)
            self._note(ground, None)
            ignored = Ignored().entered(descriptor, str(self._root), "")
            yield from self._listed(descriptor, "", ground, ignored)
        finally:
            os.close(descriptor)

    def read(self, item: Item, into: Path) -> None:
        """Copy the file as it is now. Raises NotFoundError, StoreError."""
        root = self._open()
        try:
            descriptor = open_beneath(root, item.key)
        finally:
            os.close(root)
        try:
            copy(descriptor, item.key, into)
        finally:
            os.close(descriptor)

    def watch(self) -> AsyncIterator[set[str]]:
        """Keys of documents (or folders) that were changed, added or removed; a set each time it has been quiet."""
        return changes(self._root)

    def _listed(self, folder: int, path: str, ground: Ground, ignored: Ignored) -> Iterator[Item]:
        where = str(self._root / path) if path else str(self._root)
        for name, folders in self._entries(folder, where):
            inner = f"{path}{name}"
            if ignored.leaves_out(name, inner, folder=folders):
                continue
            if folders:
                yield from self._beneath(folder, name, f"{inner}/", ground, ignored)
                continue
            status = self._status(folder, name, inner)
            if status is not None and stat.S_ISREG(status.st_mode):
                try:
                    principals = ground.principals(name, status, f"{where}/{name}")
                except FileNotFoundError:
                    continue
                yield Item(as_key(inner), version(status), status.st_size, status.st_mtime_ns / 1e9, principals)

    def _beneath(self, folder: int, name: str, path: str, ground: Ground, ignored: Ignored) -> Iterator[Item]:
        where = str(self._root / path)
        if path.count("/") > DEEPEST:
            raise StoreError(f"{where} lies more than {DEEPEST} folders deep.", fix="Name it in .rightsized-ignore.")
        try:
            descriptor = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        except FileNotFoundError:
            return  # removed while listing
        except OSError as error:
            raise _unlisted(where, error) from None
        try:
            below = ground.below(name, descriptor, where)
            self._note(below, ground)
            yield from self._listed(descriptor, path, below, ignored.entered(descriptor, where, path))
        finally:
            os.close(descriptor)

    def _entries(self, folder: int, where: str) -> list[tuple[str, bool]]:
        """Names in the order of their bytes, and whether each is a folder; links are left out."""
        try:
            with os.scandir(folder) as entries:
                found = [
                    (entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries if not entry.is_symlink()
                ]
        except OSError as error:
            raise _unlisted(where, error) from None
        return sorted(found, key=lambda entry: os.fsencode(entry[0]))

    def _status(self, folder: int, name: str, path: str) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unlisted(str(self._root / path), error) from None

    def _note(self, ground: Ground, above: Ground | None) -> None:
        if ground.broken and not (above and above.broken):
            self._problems.append(ground.broken)


def _unlisted(where: str, error: OSError) -> StoreError:
    return StoreError(
        f"{where} cannot be listed: {error.strerror}.",
        fix="Grant it to the user who runs this, or name it in .rightsized-ignore. Nothing was removed.",
    )


def open_folder(address: str, egress: Egress) -> FolderConnector:
    """`folder:/srv/contracts`, or just the path. Raises StoreError where there is no such folder."""
    return FolderConnector(Path(address.removeprefix("folder:")))
