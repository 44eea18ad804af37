"""SQLite files: all of a transaction or nothing, whoever rolled back; a file that cannot be opened is let go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from rightsized.core import sqlite
from rightsized.core.errors import StoreError


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE rows (body BLOB)")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = sqlite.open_migrated(tmp_path / "a.sqlite", (_create,), "test file", busy_seconds=1.0)
    yield made
    made.close()


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM rows").fetchone()[0])


def test_what_fails_part_of_the_way_is_undone_whole(connection: sqlite3.Connection) -> None:
    with sqlite.transaction(connection):
        connection.execute("INSERT INTO rows VALUES (x'00')")
    with pytest.raises(ZeroDivisionError), sqlite.transaction(connection):
        connection.execute("INSERT INTO rows VALUES (x'01')")
        raise ZeroDivisionError
    assert count(connection) == 1
    assert not connection.in_transaction


def test_a_full_file_says_that_it_is_full(connection: sqlite3.Connection) -> None:
    """SQLite may roll back by itself; to do it again would put another error in place of the true one."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    connection.execute("PRAGMA cache_size = 1")
    with pytest.raises(sqlite3.OperationalError, match="full"), sqlite.transaction(connection):
        for _ in range(100):
            connection.execute("INSERT INTO rows VALUES (zeroblob(4000))")
    assert not connection.in_transaction
    assert count(connection) == 0


def test_a_transaction_that_sqlite_has_rolled_back_keeps_its_error(connection: sqlite3.Connection) -> None:
    with pytest.raises(ZeroDivisionError), sqlite.transaction(connection):
        connection.execute("ROLLBACK")
        raise ZeroDivisionError


def test_a_file_of_a_newer_version_is_refused_and_let_go(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    sqlite.open_migrated(path, (_create, _create_more), "test file", busy_seconds=1.0).close()
    with pytest.raises(StoreError, match="test file has schema 2"):
        sqlite.open_migrated(path, (_create,), "test file", busy_seconds=1.0)
    path.rename(tmp_path / "b.sqlite")


def _create_more(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE more (body BLOB)")
