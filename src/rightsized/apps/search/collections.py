"""The collections of a home: which there are, opening one, and taking its sources in with the parsers there are.

This is where the parts of document search are put together; each of them knows nothing of the others.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rightsized.apps.search.adapt.copies import sweep
from rightsized.apps.search.adapt.own import NO_STAMP, serving_own, stamp
from rightsized.apps.search.connectors.addresses import Addresses
from rightsized.apps.search.connectors.listing import open_connector
from rightsized.apps.search.discovery.coding.cache import forget
from rightsized.apps.search.index import check, inspection
from rightsized.apps.search.index.collection import FOLDER, Collection, folder_of, open_collection
from rightsized.apps.search.index.database import FILE, lock_writer
from rightsized.apps.search.index.reader import Reader
from rightsized.apps.search.long.counting import counter_of
from rightsized.apps.search.passages import split
from rightsized.apps.search.query import names
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.sync.steps import Limits, Steps, SyncReport, detector, never
from rightsized.apps.search.types import DeadLetter, Passage
from rightsized.core.errors import NotFoundError, RightsizedError, StoreError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Encoder, Progress, no_progress
from rightsized.parsers import sandbox
from rightsized.parsers.media_types import media_type
from rightsized.parsers.types import Parsed
from rightsized.store.home import Home

if TYPE_CHECKING:
    from rightsized.core.egress import Egress
    from rightsized.engines.onnx import OnnxEncoder

RECIPE = "parsers-2 passages-2 parties-1"  # raised when documents must be read anew: other text, other passages


class Standing(Frozen, frozen=True):
    """A collection as its owner sees it: counts of everything, whoever may see it.

    `sources` are addresses with the time of their last whole sync, seconds since 1970; 0 where there was none.
    `problem` says why it cannot be opened.
    """

    name: str
    documents: int
    passages: int
    sources: dict[str, float]
    dead: tuple[DeadLetter, ...] = ()
    problem: str = ""


class Collections:
    """The collections of one home.

    Args:
        encoder: gives the encoder that passages and questions go through; called when it is first needed.
        named: gives an installed encoder by name, for collections that have one of their own (`adapt.own`).
    """

    def __init__(
        self, home: Home, encoder: Callable[[], Encoder], named: Callable[[str], Encoder] | None = None
    ) -> None:
        self._home, self._encoder, self._named = home, encoder, named
        self._open: dict[str, Collection] = {}
        self._own: dict[str, tuple[int, int]] = {}
        self._opening = threading.Lock()

    def names(self) -> list[str]:
        """Every collection, sorted."""
        folder = self._home.path / FOLDER
        return sorted(one.parent.name for one in folder.glob(f"*/{FILE}"))

    def open(self, name: str, *, create: bool = False) -> Collection:
        """A collection, opened once. Raises NotFoundError that names those there are, ConfigError, IntegrityError."""
        if not create and name not in self.names():
            raise self._unknown(name)
        with self._opening:
            own = stamp(self._home.path / FOLDER / name)
            if name not in self._open:
                sweep(self._home.path / FOLDER / name)
                self._open[name] = open_collection(self._home, name, self._encoder_of(name, own), create=create)
            elif own != self._own[name]:  # another process has given it an encoder of its own, or taken it away
                self._open[name].encoder = self._encoder_of(name, own)
                self._open[name].refresh()
            self._own[name] = own
            return self._open[name]

    def _encoder_of(self, name: str, own: tuple[int, int]) -> Encoder:
        """The collection's own encoder where it serves, else that of the settings."""
        found = serving_own(self._home.path / FOLDER / name) if own != NO_STAMP and self._named else None
        if found is None or self._named is None:
            return self._encoder()
        try:
            return self._named(found.model)
        except NotFoundError as error:
            fix = f"Go back to the encoder of the settings: rightsized search adapt {name} --back"
            raise NotFoundError(
                f"The encoder that {name!r} is indexed with is gone. {error.message}", fix=fix
            ) from None

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
        """How much a collection holds and where it comes from; its indexes are not opened.

        Raises NotFoundError, ConfigError, IntegrityError.
        """
        with self._read(name) as reader:
            return Standing(name, *reader.counts(), reader.sources(), tuple(reader.dead()))

    def standings(self) -> list[Standing]:
        """Every collection; those that cannot be opened with the reason."""
        found = []
        for name in self.names():
            try:
                found.append(self.standing(name))
            except StoreError as error:
                found.append(Standing(name, 0, 0, {}, problem=str(error)))
        return found

    def state(self, name: str) -> inspection.IndexState:
        """How the index of a collection stands; nothing is repaired. Raises NotFoundError, IntegrityError."""
        return inspection.inspect(self.folder(name))

    def dead(self, name: str) -> int:
        """How many documents of a collection could not be taken in. Raises NotFoundError, IntegrityError."""
        with self._read(name) as reader:
            return len(reader.dead())

    def check(self, name: str) -> list[str]:
        """What is wrong with a collection, a sentence each; nothing is written. Raises HomeLockedError."""
        folder = self.folder(name)
        with self._alone(folder):
            return check.check(folder)

    def compact(self, name: str) -> tuple[int, int]:
        """Leave nothing on the disk of what was deleted; its bytes before and after. Raises HomeLockedError."""
        before = inspection.bytes_of(self.folder(name))
        collection = self.open(name)
        collection.compact()
        forget(collection.folder, collection.contents())
        return before, inspection.bytes_of(self.folder(name))

    def remove(self, name: str) -> None:
        """Delete a collection from this machine, a broken one too; its sources stay as they are.

        Raises NotFoundError, HomeLockedError: another process writes to it.
        """
        folder = self.folder(name)
        with self._alone(folder):
            with self._opening:
                opened = self._open.pop(name, None)
            if opened is not None:
                opened.close()
            shutil.rmtree(folder)

    def folder(self, name: str) -> Path:
        """The folder of a collection that is there, whatever its state. Raises NotFoundError, ConfigError."""
        folder = folder_of(self._home, name)
        if not folder.is_dir():
            raise self._unknown(name)
        return folder

    def _read(self, name: str) -> contextlib.closing[Reader]:
        return contextlib.closing(Reader(self.folder(name) / FILE))

    @contextlib.contextmanager
    def _alone(self, folder: Path) -> Iterator[None]:
        """Nobody writes to the collection meanwhile. Its database is not opened."""
        lock = lock_writer(folder / FILE)
        try:
            yield
        finally:
            lock.release()

    def _unknown(self, name: str) -> NotFoundError:
        known = ", ".join(self.names()) or "none yet"
        return NotFoundError(
            f"There is no collection {name!r}. Collections here: {known}.",
            fix=f"Make it: rightsized search add PATH --collection {name}",
        )

    def close(self) -> None:
        """Close what was opened."""
        for collection in self._open.values():
            collection.close()
        self._open.clear()


def steps_of(encoder: OnnxEncoder) -> Steps:
    """What is done to each document of a sync."""

    counter = counter_of(encoder)

    def chunk(parsed: Parsed) -> Sequence[Passage]:
        return split(parsed, count=counter.of)

    return Steps(_parse, chunk, RECIPE, media_type, detector())


def _parse(path: Path, name: str) -> Parsed:
    return names.with_parties(sandbox.parse(path, name))
