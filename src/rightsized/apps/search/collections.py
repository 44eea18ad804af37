"""The collections of a home: which there are, opening one, and taking its sources in with the parsers there are.

This is where the parts of document search are put together; each of them knows nothing of the others.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rightsized.apps.search.connectors.addresses import Addresses
from rightsized.apps.search.connectors.listing import open_connector
from rightsized.apps.search.index.collection import FOLDER, Collection, open_collection
from rightsized.apps.search.index.database import FILE
from rightsized.apps.search.parsers import sandbox
from rightsized.apps.search.parsers.media_types import media_type
from rightsized.apps.search.passages import split
from rightsized.apps.search.query import names
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.sync.steps import Limits, Steps, SyncReport, detector, never
from rightsized.apps.search.types import DeadLetter, Parsed, Passage
from rightsized.core.errors import NotFoundError, RightsizedError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Encoder, Progress, no_progress
from rightsized.store.home import Home

if TYPE_CHECKING:
    from rightsized.core.egress import Egress
    from rightsized.engines.onnx import OnnxEncoder

RECIPE = "parsers-1 passages-1 parties-1"  # raised when documents must be read anew: other text, other passages
MARKS = 2  # tokens that the encoder puts around every text


class Standing(Frozen, frozen=True):
    """A collection as its owner sees it: counts of everything, whoever may see it.

    `sources` are addresses with the time of their last whole sync, seconds since 1970; 0 where there was none.
    """

    name: str
    documents: int
    passages: int
    sources: dict[str, float]
    dead: tuple[DeadLetter, ...] = ()


class Collections:
    """The collections of one home.

    Args:
        encoder: gives the encoder that passages and questions go through; called when it is first needed.
    """

    def __init__(self, home: Home, encoder: Callable[[], Encoder]) -> None:
        self._home, self._encoder = home, encoder
        self._open: dict[str, Collection] = {}
        self._opening = threading.Lock()

    def names(self) -> list[str]:
        """Every collection, sorted."""
        folder = self._home.path / FOLDER
        return sorted(one.parent.name for one in folder.glob(f"*/{FILE}"))

    def open(self, name: str, *, create: bool = False) -> Collection:
        """A collection, opened once. Raises NotFoundError that names those there are, ConfigError, IntegrityError."""
        if not create and name not in self.names():
            known = ", ".join(self.names()) or "none yet"
            raise NotFoundError(
                f"There is no collection {name!r}. Collections here: {known}.",
                fix=f"Make it: rightsized search add PATH --collection {name}",
            )
        with self._opening:
            if name not in self._open:
                self._open[name] = open_collection(self._home, name, self._encoder(), create=create)
            return self._open[name]

    def take_in(
        self,
        name: str,
        addresses: Iterable[str],
        egress: Egress,
        *,
        retry: bool = False,
        emptied: bool = False,
        progress: Progress = no_progress,
        cancelled: Callable[[], bool] = never,
    ) -> list[SyncReport]:
        """Sync sources into a collection, which is made where there is none.

        `retry` tries again what could not be read before; `emptied` believes a source that lists nothing any more.

        Raises:
            NotFoundError, ConfigError, StoreError: a source cannot be read; what was taken in before stays.
            HomeLockedError: another process writes to the collection.
        """
        connectors = [open_connector(address, egress) for address in addresses]  # all must open before one is read
        collection = self.open(name, create=True)
        steps, limits = steps_of(cast("OnnxEncoder", collection.encoder)), Limits(retry=retry, emptied=emptied)
        reports = []
        known = Addresses(collection.folder)
        for connector in connectors:
            known.note(connector.source, connector.address)
            reports.append(sync(collection, connector, steps, limits=limits, progress=progress, cancelled=cancelled))
            if reports[-1].cancelled:
                break
        return reports

    def addresses(self, name: str) -> list[str]:
        """The addresses that the sources of a collection are opened by, those of its last sync."""
        collection = self.open(name)
        known = Addresses(collection.folder)
        return [known.of(source) for source in collection.sources()]

    def attach(self, name: str, egress: Egress) -> None:
        """Open the sources of a collection, so that its documents can be had as they came; those that cannot be opened
        are passed over, and their documents have no preview."""
        collection = self.open(name)
        for address in self.addresses(name):
            with contextlib.suppress(RightsizedError):
                collection.originals.attach(open_connector(address, egress), _parse)

    def standing(self, name: str) -> Standing:
        """How much a collection holds and where it comes from."""
        collection = self.open(name)
        documents, passages = collection.counts()
        return Standing(name, documents, passages, collection.sources(), tuple(collection.dead()))

    def remove(self, name: str) -> None:
        """Delete a collection from this machine; its sources stay as they are. Raises HomeLockedError."""
        collection = self.open(name)
        with collection.writing():  # nobody else writes to it
            collection.close()
            del self._open[name]
            shutil.rmtree(collection.folder)

    def close(self) -> None:
        """Close what was opened."""
        for collection in self._open.values():
            collection.close()
        self._open.clear()


def steps_of(encoder: OnnxEncoder) -> Steps:
    """What is done to each document of a sync."""

    def count(text: str) -> int:
        return encoder.prepare(text).total - MARKS

    def chunk(parsed: Parsed) -> Sequence[Passage]:
        return split(parsed, count=count)

    return Steps(_parse, chunk, RECIPE, media_type, detector())


def _parse(path: Path, name: str) -> Parsed:
    return names.with_parties(sandbox.parse(path, name))
