"""The store on SQLite: it passes what every store must, and says clearly what is wrong with a file or a disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from index_samples import STEPS, CountingEncoder, MemorySource
from store_conformance import Backend, StoreConformance

from rightsized.apps.search.index import database
from rightsized.apps.search.index.backend import StoreReader, StoreWriter
from rightsized.apps.search.index.check import check
from rightsized.apps.search.index.collection import open_collection
from rightsized.apps.search.index.reader import Reader
from rightsized.apps.search.index.writer import Writer
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.types import Filters
from rightsized.core.errors import ConfigError, DiskFullError, IntegrityError, NotFoundError, StoreError


class SqliteBackend:
    def __init__(self, path: Path) -> None:
        self._path = path
        Writer(path).close()

    def writer(self) -> StoreWriter:
        return Writer(self._path)

    def reader(self) -> StoreReader:
        return Reader(self._path)


class TestSqliteStore(StoreConformance):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        return SqliteBackend(tmp_path / "docs" / database.FILE)


def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, source = CountingEncoder(), MemorySource()
    source.put("a.txt", "Alpha\n\nFirst.")
    collection = open_collection(tmp_path, "docs", encoder, create=True)
    sync(collection, source, STEPS)
    limited = database.open_writer

    def full(path: Path) -> sqlite3.Connection:
        connection = limited(path)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")
        return connection

    source.put("b.txt", "Beta\n\n" + "\n\n".join(f"Paragraph {at} {hex(at**40)}" for at in range(300)))
    with monkeypatch.context() as patched:
        patched.setattr(database, "open_writer", full)
        with pytest.raises(DiskFullError, match="No space is left") as error:
            sync(collection, source, STEPS)
    assert "sync again" in str(error.value)
    assert check(collection.folder) == []
    assert [document.key for document in collection.view([]).documents(Filters())] == ["a.txt"]
    assert sync(collection, source, STEPS).added == 1
    assert check(collection.folder) == []
    collection.close()


def test_a_collection_is_for_its_owner_alone_in_an_open_home(tmp_path: Path) -> None:
    """Its files hold every document, whoever may see it."""
    folder = tmp_path / "search" / "docs"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    Writer(folder / database.FILE).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / database.FILE).stat().st_mode & 0o777 == 0o600


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    collection = open_collection(tmp_path, "docs", CountingEncoder(), create=True)
    collection.close()
    (collection.folder / database.FILE).write_bytes(b"no database " * 1000)
    with pytest.raises(IntegrityError, match="is damaged"):
        open_collection(tmp_path, "docs", CountingEncoder())


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "docs" / database.FILE
    Writer(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="schema 99"):
        Writer(path)
    with pytest.raises(StoreError, match="schema 99"):
        Writer(path)  # the lock was let go


@pytest.mark.parametrize("name", ["", "..", "a/b", "Ümlaut", "-x", "UPPER"])
def test_names_stay_within_the_home(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        open_collection(tmp_path, name, CountingEncoder(), create=True)
    with pytest.raises(NotFoundError):
        open_collection(tmp_path, "fine", CountingEncoder())
