"""Collections as their owner keeps them: what their files hold, what is damaged, compaction, removal in any state."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from rightsized.apps.search.collections import Collections
from rightsized.apps.search.index import dense
from rightsized.apps.search.index.database import FILE
from rightsized.apps.search.index.writer import Writer
from rightsized.apps.search.service import SearchService
from rightsized.cli import app
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, HomeLockedError, NotFoundError
from rightsized.engines.fake import FakeEncoder
from rightsized.store.home import Home

FILES = 12


class Counted(NamedTuple):
    total: int


class Counting(FakeEncoder):
    """The fake encoder, with as many tokens as words."""

    def prepare(self, text: str) -> Counted:
        return Counted(len(text.split()) + 2)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.txt").write_text(f"Paper {number}\n\nThe word word{number} is said here.\n")
    return folder


@pytest.fixture
def collections(home: Home, root: Path) -> Iterator[Collections]:
    opened = Collections(home, Counting)
    opened.take_in("docs", [str(root)], Egress())
    yield opened
    opened.close()


def damaged(home: Home) -> Path:
    """The database of the collection, overwritten from its second page on."""
    path = home.path / "search" / "docs" / FILE
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    return path


def test_the_state_tells_of_sizes_and_of_what_was_deleted(collections: Collections, root: Path) -> None:
    state = collections.state("docs")
    assert (state.passages, state.incomplete, state.graphed) == (FILES, 0, 0)
    assert state.lexical.current and state.vectors.current
    assert (state.lexical.passages, state.vectors.passages) == (FILES, FILES)
    (encoder,) = state.encoders
    assert (encoder.digest, encoder.serves, encoder.passages) == (Counting().digest, True, FILES)
    (root / "0.txt").unlink()
    collections.take_in("docs", [str(root)], Egress())
    assert collections.state("docs").vectors.deleted == 1
    before, after = collections.compact("docs")
    state = collections.state("docs")
    assert (state.lexical.deleted, state.vectors.deleted, state.passages) == (0, 0, FILES - 1)
    assert 0 < after <= before


def test_another_encoder_that_is_being_filled_is_told(collections: Collections, home: Home) -> None:
    writer = Writer(home.path / "search" / "docs" / FILE)
    writer.encoder("sha256:other", 8)
    writer.close()
    first, second = collections.state("docs").encoders
    assert (first.serves, first.passages) == (True, FILES)
    assert (second.digest, second.serves, second.passages) == ("sha256:other", False, 0)


def test_a_whole_collection_has_no_findings(collections: Collections) -> None:
    assert collections.check("docs") == []


def test_altered_vectors_and_unreadable_text_are_found(collections: Collections, home: Home) -> None:
    folder = home.path / "search" / "docs"
    collections.close()
    stamp = dense.read_stamp(folder / dense.FOLDER)
    assert stamp is not None
    with (folder / dense.FOLDER / stamp.part / dense.FILES[0]).open("r+b") as file:
        file.write(b"\x01\x02\x03\x04")
    (finding,) = collections.check("docs")
    assert "are not those of the database" in finding
    connection = sqlite3.connect(folder / FILE)
    connection.execute("UPDATE texts SET data = x'00'")
    connection.commit()
    connection.close()
    found = collections.check("docs")
    assert any(one.startswith("The documents cannot be read to the end") for one in found)
    assert any("are not those of the database" in one for one in found)


def test_a_broken_collection_is_found_listed_and_removed(collections: Collections, home: Home, root: Path) -> None:
    collections.take_in("others", [str(root)], Egress())
    collections.close()
    damaged(home)
    assert any("damaged" in finding for finding in collections.check("docs"))
    broken, whole = collections.standings()
    assert broken.name == "docs" and "damaged" in broken.problem
    assert (whole.documents, whole.problem) == (FILES, "")
    service = SearchService(collections)
    principals = collections.open("others").all_principals()
    assert [one.name for one in service.collections(principals)] == ["others"]
    collections.remove("docs")
    assert collections.names() == ["others"] and not (home.path / "search" / "docs").exists()


def test_nothing_is_checked_or_removed_while_another_writes(collections: Collections, home: Home) -> None:
    writer = Writer(home.path / "search" / "docs" / FILE)
    try:
        with pytest.raises(HomeLockedError):
            collections.remove("docs")
        with pytest.raises(HomeLockedError):
            collections.check("docs")
    finally:
        writer.close()
    assert collections.check("docs") == []


@pytest.mark.parametrize(("name", "error"), [("none", NotFoundError), ("../search", ConfigError), ("", ConfigError)])
def test_what_is_no_collection_is_not_touched(collections: Collections, name: str, error: type[Exception]) -> None:
    for work in (collections.state, collections.check, collections.compact, collections.remove):
        with pytest.raises((error, NotFoundError)):
            work(name)
    assert collections.names() == ["docs"]


def run(home: Home, *words: str, status: int = 0) -> dict[str, object]:
    found = CliRunner().invoke(app, ["search", *words, "--json", "--home", str(home.path)])
    assert found.exit_code == status, found.output
    told: dict[str, object] = json.loads(found.output)
    return told


def test_the_commands(collections: Collections, home: Home) -> None:
    collections.close()
    told = run(home, "status", "docs")
    assert (told["passages"], told["dead"]) == (FILES, 0)
    text = CliRunner().invoke(app, ["search", "status", "docs", "--home", str(home.path)]).output
    assert "as the database" in text and "serves." in text
    assert run(home, "check", "docs")["findings"] == []
    damaged(home)
    assert run(home, "check", "docs", status=1)["findings"]
    assert run(home, "list")[0]["problem"]  # type: ignore[index]
    assert run(home, "remove", "docs") == {"removed": "docs"}
    run(home, "status", "docs", status=3)
