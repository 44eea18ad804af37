"""The newest state of a collection in memory, read anew when it has changed: aside, where that takes long.

A process that writes beside this one changes the collection every few seconds. Small collections are read anew before
the next view; of great ones the next views are still of the state before, for the second that reading takes. What was
withdrawn is not read even then: each document asks again when it is read.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import numpy as np

from rightsized.apps.search.index import dense, lexical
from rightsized.apps.search.index.catalogue import Catalogue
from rightsized.apps.search.index.rarity import Frequencies
from rightsized.apps.search.index.reader import Reader
from rightsized.apps.search.index.view import Snapshot
from rightsized.core.errors import RightsizedError, StoreError

RELOAD_SHARE = 0.05  # of the time at most goes into reading a collection anew
ASIDE_SECONDS = 0.05  # reading that took longer the last time is done in a thread of its own
TRIES = 3  # at reading a state that does not change meanwhile

Mark = tuple[int, ...]


class Snapshots:
    """Gives the newest snapshot that there is; may be asked by many threads at once."""

    def __init__(self, folder: Path, path: Path) -> None:
        self._folder = folder
        self._reader = Reader(path)  # its own: reading all columns must not keep searches from reading passages
        self._loading = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._mark: Mark = ()
        self._not_before = 0.0
        self._took = 0.0
        self._wanted = 0
        self._closed = False

    def current(self) -> Snapshot:
        """The newest state, or the one before while the newest is being read."""
        snapshot = self._snapshot
        if snapshot is not None and time.monotonic() < self._not_before:
            return snapshot
        if snapshot is not None and self._took > ASIDE_SECONDS and self._not_before > 0:
            if self._loading.acquire(blocking=False):
                threading.Thread(target=self._reload_aside, name="collection", daemon=True).start()
            return snapshot
        with self._loading:
            return self._reload()

    def refresh(self) -> None:
        """Let the next view be of the newest state, however long that takes."""
        self._wanted += 1
        self._not_before = 0.0

    def close(self) -> None:
        with self._loading:
            self._closed = True
            self._reader.close()

    def _reload_aside(self) -> None:
        try:
            with contextlib.suppress(RightsizedError):  # the next view in the foreground meets it again
                if not self._closed:
                    self._reload()
        finally:
            self._loading.release()

    def _reload(self) -> Snapshot:
        """Read the state anew where it has changed. The caller holds the lock."""
        wanted, began = self._wanted, time.monotonic()
        snapshot, mark = self._snapshot, self._marked()
        if snapshot is None or mark != self._mark:
            snapshot = self._load()
            for _ in range(TRIES):
                read, mark = mark, self._marked()
                if mark == read:
                    break
                snapshot = self._load()
            self._snapshot, self._mark, self._took = snapshot, read, time.monotonic() - began
        if wanted == self._wanted:
            self._not_before = time.monotonic() + (time.monotonic() - began) / RELOAD_SHARE
        return snapshot

    def _marked(self) -> Mark:
        """What differs when the database or a sidecar has changed."""
        marks = [self._reader.state().generation]
        for folder, stamp in ((lexical.FOLDER, lexical.STAMP), (dense.FOLDER, dense.STAMP)):
            try:
                status = (self._folder / folder / stamp).stat()
                marks += [status.st_ino, status.st_mtime_ns]
            except FileNotFoundError:
                marks.append(0)
        return tuple(marks)

    def _load(self) -> Snapshot:
        catalogue = Catalogue(self._reader)
        if self._snapshot is not None and self._snapshot.catalogue.knows_fields:
            catalogue.read_fields()  # who asked before will ask again
        held = dense.load(self._folder / dense.FOLDER)
        numbers = catalogue.columns.contents
        at = np.searchsorted(numbers, held.contents)
        known = at < len(numbers)
        known[known] = numbers[at[known]] == held.contents[known]
        try:
            index = lexical.open_current(self._folder / lexical.FOLDER)
            searcher = index.searcher()
        except ValueError as error:
            raise StoreError(
                f"The lexical index of {self._folder.name!r} cannot be read: {error}.",
                fix=f"Remove {self._folder / lexical.FOLDER}; it is made anew from the collection.",
            ) from error
        frequencies = Frequencies(searcher, lexical.slots(self._folder / lexical.FOLDER))
        return Snapshot(catalogue, held, np.where(known, at, -1), searcher, index.schema, frequencies)
