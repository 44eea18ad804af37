"""States of a collection in memory: newest at once where that is quick, read aside where it takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_samples import STEPS, CountingEncoder, MemorySource

from rightsized.apps.search.index import database, snapshots
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.index.snapshots import Snapshots
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.types import Filters


@pytest.fixture
def source() -> MemorySource:
    source = MemorySource()
    source.put("a.txt", "Alpha\n\nFirst words.")
    return source


@pytest.fixture
def written(tmp_path: Path, source: MemorySource) -> Iterator[Collection]:
    collection = open_collection(tmp_path, "docs", CountingEncoder(), create=True)
    sync(collection, source, STEPS)
    yield collection
    collection.close()


def test_what_facets_need_is_read_with_the_state_once_somebody_asked(written: Collection, source: MemorySource) -> None:
    kept = Snapshots(written.folder, written.folder / database.FILE)
    first = kept.current()
    assert not first.catalogue.knows_fields
    assert first.catalogue.counts("type", first.catalogue.visible(first.catalogue.visible_classes([])).documents)
    source.put("b.txt", "Beta\n\nSecond words.")
    sync(written, source, STEPS)
    kept.refresh()
    assert kept.current() is not first and kept.current().catalogue.knows_fields
    kept.close()


def test_a_slow_reading_is_done_aside(
    written: Collection, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Snapshots(written.folder, written.folder / database.FILE)
    first = kept.current()
    source.put("b.txt", "Beta\n\nSecond words.")
    sync(written, source, STEPS)
    monkeypatch.setattr(snapshots, "ASIDE_SECONDS", -1.0)
    monkeypatch.setattr(kept, "_not_before", time.monotonic() - 1)
    go_on, load = threading.Event(), kept._load

    def slow() -> object:
        assert go_on.wait(30)
        return load()

    monkeypatch.setattr(kept, "_load", slow)
    assert kept.current() is first
    assert kept.current() is first  # one reads, nobody waits
    go_on.set()
    until = time.monotonic() + 30
    while kept.current() is first and time.monotonic() < until:
        time.sleep(0.01)
    assert len(kept.current().catalogue.columns.documents) == 2
    kept.close()


def test_after_refresh_the_newest_is_waited_for(
    written: Collection, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "ASIDE_SECONDS", -1.0)
    kept = Snapshots(written.folder, written.folder / database.FILE)
    first = kept.current()
    source.put("b.txt", "Beta\n\nSecond words.")
    sync(written, source, STEPS)
    assert len(kept.current().catalogue.columns.documents) >= 1
    kept.refresh()
    assert len(kept.current().catalogue.columns.documents) == 2
    assert len(first.catalogue.columns.documents) == 1
    kept.close()


def test_many_threads_search_while_another_process_would_write(written: Collection, source: MemorySource) -> None:
    reading = open_collection(written.folder.parents[1], "docs", CountingEncoder())
    stop, seen, errors = threading.Event(), set[int](), list[BaseException]()

    def search() -> None:
        while not stop.is_set():
            try:
                seen.add(len(reading.view([]).documents(Filters())))
            except BaseException as error:  # noqa: BLE001 - told below
                errors.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(5):
        source.put(f"{number}.txt", f"Title {number}\n\nWords {number}.")
        sync(written, source, STEPS)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert seen <= set(range(1, 7))
    reading.refresh()
    assert len(reading.view([]).documents(Filters())) == 6
    reading.close()
