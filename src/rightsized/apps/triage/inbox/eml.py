"""`eml:FOLDER`: a folder of `.eml` files and its sub folders, or one file. Nothing is changed.

Files are taken in the order of their paths: an export says nothing better of their age. A file is known again by its
path and its content's size and time, so that one that was written over is taken again.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from rightsized.apps.triage.inbox.files import FileSource, Known, as_place, path_of, read_message, settling
from rightsized.apps.triage.inbox.opening import Context
from rightsized.apps.triage.protocols import Arrival
from rightsized.core.errors import ConfigError

ENDING = ".eml"
DEEPEST = 50  # folders below each other


class EmlFolder:
    """Implements `files.Files`. A place is `PATH@SIZE-TIME` below the folder."""

    def __init__(self, root: Path, context: Context) -> None:
        self._root, self._context = root, context
        self.waits_for_more = False

    def stamp(self) -> object:
        """Always None: a file may be written over without its folder changing."""
        return None

    def look(self, known: Known, *, patient: bool) -> Generator[Arrival]:
        """See `files.Files`; the paths of one folder are held at a time."""
        self.waits_for_more = False
        for path in self._files():
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            shown = path.name if path == self._root else as_place(path.relative_to(self._root).as_posix())
            place = f"{shown}@{status.st_size}-{status.st_mtime_ns}"
            if place in known:
                continue
            if patient and settling(status.st_mtime):
                self.waits_for_more = True
                continue
            arrival = read_message(path, place, self._context)
            if arrival is not None:
                yield arrival

    def mark(self, place: str) -> None:
        """Nothing is marked."""

    def _files(self) -> Iterator[Path]:
        if self._root.is_file():
            yield self._root
            return
        for folder, inner, names in os.walk(self._root):
            inner.sort()
            if len(Path(folder).relative_to(self._root).parts) >= DEEPEST:
                inner.clear()
            for name in sorted(names):
                if name.lower().endswith(ENDING):
                    yield Path(folder) / name


def open_eml(address: str, options: Mapping[str, Any], context: Context) -> FileSource:
    """`eml:/exports/support`. Raises ConfigError where there is no such folder or file."""
    root = path_of(address, "folder")
    if not root.exists():
        raise ConfigError(f"There is no {root}.", fix="Name a folder of .eml files, or one such file.")
    if options:
        raise ConfigError(f"{address} takes no options, and is given {', '.join(options)}.")
    return FileSource(f"eml:{as_place(str(root))}", EmlFolder(root, context), context)
