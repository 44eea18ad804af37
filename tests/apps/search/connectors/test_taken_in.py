"""Folders and mailboxes through a sync, with passages as they are cut: what a change at the source does to a search."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from pathlib import Path

import pytest

from rightsized.apps.search.connectors.folder import FolderConnector
from rightsized.apps.search.connectors.maildir import MaildirConnector
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.passages import split
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.sync.steps import Limits, Steps
from rightsized.apps.search.types import Filters
from rightsized.core.errors import StoreError
from rightsized.engines.fake import FakeEncoder
from rightsized.parsers.types import Parsed

OPEN = '[[rule]]\nmatch = "**"\nallow = ["everyone"]\n'
CLOSED = '[[rule]]\nmatch = "**"\nallow = ["group:legal"]\n'


def parse(path: Path, name: str) -> Parsed:
    return Parsed(path.read_text(), title=name)


STEPS = Steps(parse, lambda parsed: split(parsed, count=lambda text: len(text.split()) + 2), "plain")


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    made = open_collection(tmp_path / "home", "docs", FakeEncoder(dimension=16), create=True)
    yield made
    made.close()


def seen(collection: Collection, *principals: str) -> list[str]:
    return sorted(document.key for document in collection.view(principals).documents(Filters()))


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_folder_that_changes(collection: Collection, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("a", "b", "c"):
        put(root / f"{name}.txt", f"This is {name}. " * 200)
    put(root / ".rightsized-access.toml", OPEN)
    source = FolderConnector(root)
    first = sync(collection, source, STEPS)
    assert (first.added, first.failed) == (3, 0)
    assert first.passages > 3
    again = sync(collection, source, STEPS)
    assert (again.unchanged, again.encoded) == (3, 0)
    (root / "a.txt").rename(root / "moved.txt")
    put(root / "b.txt", "Other words.")
    (root / "c.txt").unlink()
    changed = sync(collection, source, STEPS)
    assert (changed.moved, changed.changed, changed.deleted, changed.encoded) == (1, 1, 1, 1)
    assert seen(collection) == ["b.txt", "moved.txt"]


def test_access_alone_relabels(collection: Collection, tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root / "a.txt", "Words.")
    put(root / "hr" / "b.txt", "Others.")
    put(root / ".rightsized-access.toml", OPEN)
    source = FolderConnector(root)
    sync(collection, source, STEPS)
    put(root / "hr" / ".rightsized-access.toml", CLOSED)
    report = sync(collection, source, STEPS)
    assert (report.relabelled, report.changed, report.encoded) == (1, 0, 0)
    assert seen(collection) == ["a.txt"]
    assert seen(collection, "group:legal") == ["a.txt", "hr/b.txt"]
    put(root / "hr" / ".rightsized-access.toml", "[[rule")
    report = sync(collection, source, STEPS)
    assert len(report.problems) == 1
    assert seen(collection, "group:legal") == ["a.txt"]


def test_a_share_that_is_gone_deletes_nothing(collection: Collection, tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root / "a.txt", "Words.")
    put(root / ".rightsized-access.toml", OPEN)
    source = FolderConnector(root)
    sync(collection, source, STEPS)
    root.rename(tmp_path / "unmounted")
    with pytest.raises(StoreError, match="cannot be opened"):
        sync(collection, source, STEPS)
    root.mkdir()
    with pytest.raises(StoreError, match="had 1 documents and lists none"):
        sync(collection, source, STEPS)
    assert seen(collection) == ["a.txt"]
    assert sync(collection, source, STEPS, limits=Limits(emptied=True)).deleted == 1
    assert seen(collection) == []


def test_a_mailbox_that_is_read(collection: Collection, tmp_path: Path) -> None:
    box = mailbox.Maildir(str(tmp_path / "box"), create=True)
    for number in range(3):
        box.add(f"Subject: {number}\n\nWords {number}.\n")
    put(tmp_path / "box" / ".rightsized-access.toml", '[[rule]]\nmatch = "**"\nallow = ["user:anna"]\n')
    source = MaildirConnector(tmp_path / "box")
    assert sync(collection, source, STEPS).added == 3
    for path in (tmp_path / "box" / "new").iterdir():
        path.rename(tmp_path / "box" / "cur" / f"{path.name}:2,S")
    report = sync(collection, source, STEPS)
    assert (report.unchanged, report.moved, report.changed) == (3, 0, 0)
    assert len(seen(collection, "user:anna")) == 3
    assert seen(collection) == []
