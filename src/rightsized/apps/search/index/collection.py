"""A collection: one folder, opened by any number of readers and at most one writer; views for those who ask.

The database is the truth. Sidecars that are missing, damaged or behind are brought up by whoever holds the lock; a
reader that cannot get it serves what there is.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rightsized.apps.search.index import database, dense, lexical
from rightsized.apps.search.index.lexical_writer import LexicalWriter
from rightsized.apps.search.index.originals import Originals
from rightsized.apps.search.index.reader import Reader
from rightsized.apps.search.index.snapshots import Snapshots
from rightsized.apps.search.index.view import IndexView
from rightsized.apps.search.index.writer import Writer
from rightsized.apps.search.types import DeadLetter
from rightsized.core.errors import ConfigError, HomeLockedError, NotFoundError
from rightsized.core.protocols import Encoder
from rightsized.store.home import Home

FOLDER = "search"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Collection:
    """An open collection. `view` may be called by many threads at once."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.folder = folder
        self.name = folder.name
        self.encoder = encoder
        self.originals = Originals()
        self._reader = Reader(folder / database.FILE)
        self._snapshots = Snapshots(folder, folder / database.FILE)
        self.repair()

    def view(self, principals: Sequence[str]) -> IndexView:
        """What those who have these principals, and everyone, may see."""
        return IndexView(self._snapshots.current(), self._reader, self.originals, principals)

    def all_principals(self) -> tuple[str, ...]:
        """Every principal that may see something here, for work of the owner: learning from judged answers."""
        return tuple(dict.fromkeys(one for names in self._reader.classes().values() for one in names))

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writer]:
        """The collection's one writer. Raises HomeLockedError where another process is writing."""
        writer = Writer(self.folder / database.FILE)
        try:
            yield writer
        finally:
            writer.close()

    def sidecars(self, writer: Writer) -> Sidecars:
        """The sidecars, to be brought up while the writer is held."""
        return Sidecars(self.folder, writer)

    def repair(self) -> bool:
        """Bring the sidecars up to the database; False where another process writes, which will do it."""
        if Sidecars.stand(self.folder, self._reader):
            return True
        try:
            with self.writing() as writer, contextlib.closing(self.sidecars(writer)) as sidecars:
                sidecars.update()
        except HomeLockedError:
            return False
        self.refresh()
        return True

    def compact(self) -> None:
        """Leave nothing on the disk of what was deleted: no text, no words, no vectors. Raises HomeLockedError."""
        with self.writing() as writer, contextlib.closing(self.sidecars(writer)) as sidecars:
            writer.sweep()
            sidecars.update(compact=True)
            writer.reclaim()
        self.refresh()

    def refresh(self) -> None:
        """Let the next view see all that has been committed."""
        self._snapshots.refresh()

    def dead(self, source: str = "") -> list[DeadLetter]:
        """What could not be taken in."""
        return self._reader.dead(source)

    def sources(self) -> dict[str, float]:
        """Sources with the time of the last whole sync, seconds since 1970."""
        return self._reader.sources()

    def counts(self) -> tuple[int, int]:
        """Documents and passages, whoever may see them."""
        return self._reader.counts()

    def contents(self) -> list[str]:
        """The sha256 of every content there is, whoever may see it: what is kept beside must not outlive them."""
        return [row[0] for row in self._reader.rows("SELECT DISTINCT sha256 FROM contents")]

    def vectors(self) -> dense.Vectors:
        """All vectors, whoever may see their passages: for measurements."""
        return self._snapshots.current().vectors

    def close(self) -> None:
        self._snapshots.close()
        self._reader.close()


class Sidecars:
    """The lexical index and the vectors, kept equal to the database by the one that writes to it."""

    def __init__(self, folder: Path, writer: Writer) -> None:
        self._lexical = LexicalWriter(folder / lexical.FOLDER, writer.reader)
        self._dense = dense.DenseWriter(folder / dense.FOLDER, writer.reader)

    @staticmethod
    def stand(folder: Path, reader: Reader) -> bool:
        """Whether both hold what the database holds, as far as can be seen without reading all of them."""
        state = reader.state()
        words = lexical.trusted(folder / lexical.FOLDER, reader, state)
        if words is None or words.generation != state.generation:
            return False
        vectors, now = dense.read_stamp(folder / dense.FOLDER), (state.generation, state.lineage)
        if state.serving:
            if vectors is None or (vectors.generation, vectors.lineage, vectors.encoder) != (*now, state.serving):
                return False
            return dense.sound(folder / dense.FOLDER, vectors)
        return True

    def update(self, *, compact: bool = False) -> None:
        """Make both equal to the database; `compact` leaves nothing in them of what was deleted."""
        self._lexical.update(compact=compact)
        self._dense.update(compact=compact)

    def close(self) -> None:
        self._lexical.close()


def open_collection(home: Path | Home, name: str, encoder: Encoder, *, create: bool = False) -> Collection:
    """Open the collection `<home>/search/<name>/`.

    Args:
        home: the home folder.
        name: lower-case letters, digits, dots, dashes and underlines.
        encoder: turns passages into vectors, and questions.
        create: make an empty one where there is none.
    Raises:
        NotFoundError: there is none. ConfigError: it cannot have that name. IntegrityError: its database is damaged.
    """
    folder = folder_of(home, name)
    if not (folder / database.FILE).exists():
        if not create:
            fix = f"Run: rightsized search add PATH --collection {name}"
            raise NotFoundError(f"There is no collection {name!r}.", fix=fix)
        Writer(folder / database.FILE).close()
    return Collection(folder, encoder)


def folder_of(home: Path | Home, name: str) -> Path:
    """The folder of a collection, whether it is there or not. Raises ConfigError where none can have that name."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot name a collection.", fix="Use lower-case letters, digits and dashes.")
    return (home.path if isinstance(home, Home) else Path(home)) / FOLDER / name
