"""A sync brings a collection to what its source holds, reading and encoding only what is new."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_samples import STEPS, CountingEncoder, MemorySource
from msgspec.structs import replace

from rightsized.apps.search.index.check import check
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.sync.run import READING, sync
from rightsized.apps.search.sync.steps import Limits
from rightsized.apps.search.types import Filters, Item
from rightsized.core.errors import DiskFullError, HomeLockedError, NotFoundError, StoreError, UnsupportedError
from rightsized.parsers.types import Parsed

EVERY = Filters()


@pytest.fixture
def source() -> MemorySource:
    source = MemorySource()
    source.put("leave.txt", "Leave policy\n\nStaff have thirty days.\n\nLeave is asked for in writing.", "group:hr")
    source.put("travel.txt", "Travel\n\nTrains are paid in full.", "everyone", author="Anna")
    source.put("mail.eml", "Mail\n\nSee the attachment.\n=== inner.txt\nInner\n\nSalaries rise.", "user:anna")
    return source


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture
def collection(tmp_path: Path, encoder: CountingEncoder) -> Iterator[Collection]:
    collection = open_collection(tmp_path, "docs", encoder, create=True)
    yield collection
    collection.close()


def keys(collection: Collection, *principals: str) -> list[str]:
    return sorted(document.key for document in collection.view(principals).documents(EVERY))


def hits(collection: Collection, words: str, *principals: str) -> list[str]:
    view = collection.view(principals)
    return [one.document.key for one in view.found(view.lexical(Terms(words), EVERY, 10).rows)]


ALL = ("group:hr", "user:anna")


def test_what_a_source_holds_is_found_by_words_and_by_meaning(
    collection: Collection, source: MemorySource, encoder: CountingEncoder
) -> None:
    report = sync(collection, source, STEPS)
    assert (report.listed, report.added, report.failed, report.encoded) == (3, 3, 0, len(encoder.texts))
    assert keys(collection, *ALL) == ["leave.txt", "mail.eml", "mail.eml!/inner.txt", "travel.txt"]
    assert hits(collection, "trains") == ["travel.txt"]
    view = collection.view([])
    best = view.dense(encoder.encode_now("Travel Trains are paid in full.").vector, EVERY, 1)
    (found,) = view.found(best.rows)
    assert (found.document.key, found.passage.text) == ("travel.txt", "Trains are paid in full.")
    assert best.scores[0] > 0.98
    text = view.text(found.document.id)
    assert text[found.passage.start : found.passage.end] == found.passage.text


def test_a_second_sync_reads_and_encodes_nothing(
    collection: Collection, source: MemorySource, encoder: CountingEncoder
) -> None:
    sync(collection, source, STEPS)
    source.reads.clear()
    encoder.texts.clear()
    report = sync(collection, source, STEPS)
    assert (report.unchanged, report.encoded, source.reads, encoder.texts) == (3, 0, [], [])


def test_a_change_encodes_the_passages_that_differ(
    collection: Collection, source: MemorySource, encoder: CountingEncoder
) -> None:
    sync(collection, source, STEPS)
    before = collection.view(ALL).documents(Filters(fields={"folder": ("",)}))
    source.put("leave.txt", "Leave policy\n\nStaff have forty days.\n\nLeave is asked for in writing.", "group:hr")
    source.reads.clear()
    encoder.texts.clear()
    report = sync(collection, source, STEPS)
    assert (report.changed, report.added, source.reads) == (1, 0, ["leave.txt"])
    assert encoder.texts == ["Leave policy\nStaff have forty days."]
    assert hits(collection, "thirty", *ALL) == []
    assert hits(collection, "forty", *ALL) == ["leave.txt"]
    assert {d.id for d in collection.view(ALL).documents(EVERY)} >= {d.id for d in before if d.key == "leave.txt"}


def test_a_move_keeps_the_id_and_encodes_nothing(
    collection: Collection, source: MemorySource, encoder: CountingEncoder
) -> None:
    sync(collection, source, STEPS)
    before = {d.key: d.id for d in collection.view(ALL).documents(EVERY)}
    source.move("leave.txt", "hr/leave.txt")
    source.move("mail.eml", "old/mail.eml")
    encoder.texts.clear()
    report = sync(collection, source, STEPS)
    assert (report.moved, report.added, report.deleted, encoder.texts) == (2, 0, 0, [])
    after = {d.key: d.id for d in collection.view(ALL).documents(EVERY)}
    moved = {"leave.txt": "hr/leave.txt", "mail.eml": "old/mail.eml", "mail.eml!/inner.txt": "old/mail.eml!/inner.txt"}
    assert {moved.get(key, key): document for key, document in before.items()} == after


def test_what_is_deleted_is_gone(collection: Collection, source: MemorySource) -> None:
    sync(collection, source, STEPS)
    source.remove("mail.eml")
    assert sync(collection, source, STEPS).deleted == 1
    assert keys(collection, *ALL) == ["leave.txt", "travel.txt"]
    assert hits(collection, "salaries", *ALL) == []
    assert collection.view(ALL).terms("salar", 5) == []


def test_other_permissions_hide_without_reading(
    collection: Collection, source: MemorySource, encoder: CountingEncoder
) -> None:
    sync(collection, source, STEPS)
    source.share("mail.eml", "user:bob")
    source.reads.clear()
    encoder.texts.clear()
    report = sync(collection, source, STEPS)
    assert (report.relabelled, source.reads, encoder.texts) == (1, [], [])
    assert hits(collection, "salaries", "user:anna") == []
    assert hits(collection, "salaries", "user:bob") == ["mail.eml!/inner.txt"]


def test_equal_content_is_encoded_once_and_seen_through_what_one_may_see(
    collection: Collection, source: MemorySource, encoder: CountingEncoder
) -> None:
    sync(collection, source, STEPS)
    encoder.texts.clear()
    source.put("copy.txt", source.files["leave.txt"][0].decode(), "user:bob")
    sync(collection, source, STEPS)
    assert encoder.texts == []
    assert hits(collection, "thirty", "group:hr") == ["leave.txt"]
    assert hits(collection, "thirty", "user:bob") == ["copy.txt"]
    assert len(collection.view(["user:bob", "group:hr"]).lexical(Terms("thirty"), EVERY, 10).rows) == 1
    source.remove("leave.txt")
    sync(collection, source, STEPS)
    assert hits(collection, "thirty", "group:hr") == []
    assert hits(collection, "thirty", "user:bob") == ["copy.txt"]


def test_what_cannot_be_read_is_named_and_tried_again_when_it_changes(
    collection: Collection, source: MemorySource
) -> None:
    source.put("bad.txt", "BROKEN", "everyone")
    assert sync(collection, source, STEPS).failed == 1
    (letter,) = collection.dead()
    assert (letter.key, letter.reason) == ("bad.txt", "malformed")
    source.reads.clear()
    assert sync(collection, source, STEPS).failed == 1
    assert source.reads == []
    sync(collection, source, STEPS, limits=Limits(retry=True))
    assert source.reads == ["bad.txt"]
    source.put("bad.txt", "Mended\n\nIt can be read.", "everyone")
    sync(collection, source, STEPS)
    assert collection.dead() == []
    assert hits(collection, "mended") == ["bad.txt", "bad.txt"]


def test_what_is_inside_and_failed_is_tried_again_on_request(
    collection: Collection, source: MemorySource, encoder: CountingEncoder
) -> None:
    source.put("zip.eml", "Outer\n\nText.\n=== ok.txt\nFine\n\nGood.\n=== bad.txt\nBROKEN", "everyone")
    sync(collection, source, STEPS)
    assert [(letter.key, letter.reason) for letter in collection.dead()] == [("zip.eml!/bad.txt", "malformed")]
    assert "zip.eml!/ok.txt" in keys(collection)

    def lenient(path: Path, name: str) -> Parsed:
        data = path.read_bytes()
        if data.startswith(b"BROKEN"):
            path.write_bytes(data.replace(b"BROKEN", b"Mended"))
        return STEPS.parse(path, name)

    mended = STEPS._replace(parse=lenient)
    assert sync(collection, source, mended).unchanged == 4
    encoder.texts.clear()
    sync(collection, source, mended, limits=Limits(retry=True))
    assert collection.dead() == []
    assert hits(collection, "mended") == ["zip.eml!/bad.txt"]
    assert encoder.texts == ["Mended\nMended"]


def test_permissions_of_a_changed_document_are_followed_before_it_is_read(
    collection: Collection, source: MemorySource
) -> None:
    sync(collection, source, STEPS)
    source.put("travel.txt", "Travel\n\nNot any more.", "user:bob")
    report = sync(collection, source, STEPS, cancelled=lambda: True)
    assert report.cancelled
    assert keys(collection) == []
    assert keys(collection, "user:bob") == ["travel.txt"]


def test_an_encoder_that_differs_takes_over_at_the_end_of_a_sync(
    collection: Collection, source: MemorySource, tmp_path: Path
) -> None:
    sync(collection, source, STEPS)
    other = CountingEncoder(24)
    again = open_collection(tmp_path, "docs", other)
    with pytest.raises(UnsupportedError, match="24 components"):
        again.view([]).dense(other.encode_now("x").vector, EVERY, 3)
    report = sync(again, source, STEPS)
    assert (report.unchanged, report.encoded) == (3, len(other.texts) - 1)
    assert again.view([]).encoder == other.digest
    assert len(again.view(ALL).dense(other.encode_now("travel").vector, EVERY, 3).rows) == 3
    again.close()


def test_another_recipe_reads_again_and_keeps_vectors(
    collection: Collection, source: MemorySource, encoder: CountingEncoder
) -> None:
    sync(collection, source, STEPS)
    source.reads.clear()
    encoder.texts.clear()
    report = sync(collection, source, STEPS._replace(recipe="plain-2"))
    assert (report.changed, len(source.reads), encoder.texts) == (3, 3, [])


def test_a_listing_that_fails_deletes_nothing(collection: Collection, source: MemorySource) -> None:
    sync(collection, source, STEPS)

    class Failing(MemorySource):
        def items(self) -> Iterator[Item]:
            yield from list(super().items())[:1]
            raise StoreError("The share is not mounted.")

    failing = Failing()
    failing.files = source.files
    with pytest.raises(StoreError, match="not mounted"):
        sync(collection, failing, STEPS)
    assert len(keys(collection, *ALL)) == 4


def test_a_stopped_sync_goes_on_where_it_was(collection: Collection, encoder: CountingEncoder) -> None:
    source = MemorySource()
    for number in range(40):
        source.put(f"{number:02}.txt", f"Number {number}\n\nOne word{number}.\n\nTwo other{number}.")
    done: list[int] = []

    def progress(stage: str, count: int, total: int) -> None:
        if stage == "documents":
            done.append(count)

    first = sync(collection, source, STEPS, limits=Limits(batch=20), progress=progress, cancelled=lambda: bool(done))
    assert first.cancelled
    assert 0 < first.added < 40
    assert len(keys(collection)) == first.added
    second = sync(collection, source, STEPS, limits=Limits(batch=20))
    assert (second.unchanged, second.added) == (first.added, 40 - first.added)
    assert len(encoder.texts) == len(set(encoder.texts)) == 120


def test_there_is_one_writer(collection: Collection, source: MemorySource) -> None:
    with collection.writing(), pytest.raises(HomeLockedError, match="already writes"):
        sync(collection, source, STEPS)


def test_originals_are_read_from_the_source(collection: Collection, source: MemorySource) -> None:
    sync(collection, source, STEPS)
    view = collection.view(["user:anna"])
    by_key = {document.key: document.id for document in view.documents(EVERY)}
    assert view.original(by_key["mail.eml"]) == source.files["mail.eml"][0]
    assert view.original(by_key["mail.eml!/inner.txt"]) == b"Inner\n\nSalaries rise."
    with pytest.raises(NotFoundError) as hidden:
        collection.view([]).original(by_key["mail.eml"])
    with pytest.raises(NotFoundError) as absent:
        collection.view([]).original("0" * 20)
    assert str(hidden.value).replace(by_key["mail.eml"], "X") == str(absent.value).replace("0" * 20, "X")


def test_a_collection_is_opened_again_as_it_was(tmp_path: Path, source: MemorySource) -> None:
    encoder = CountingEncoder()
    collection = open_collection(tmp_path, "again", encoder, create=True)
    sync(collection, source, STEPS)
    before = collection.view(ALL)
    expected = before.lexical(Terms("leave"), EVERY, 5)
    collection.close()
    collection = open_collection(tmp_path, "again", encoder)
    after = collection.view(ALL).lexical(Terms("leave"), EVERY, 5)
    assert (after.rows.tolist(), after.scores.tolist()) == (expected.rows.tolist(), expected.scores.tolist())
    assert replace(Filters(), since=0.0) != EVERY
    collection.close()
    with pytest.raises(NotFoundError, match="no collection"):
        open_collection(tmp_path, "absent", encoder)


@pytest.fixture(autouse=True)
def whole(collection: Collection) -> Iterator[None]:
    """Whatever a test did, the collection is whole after it."""
    yield
    assert check(collection.folder) == []


def test_what_is_withdrawn_leaves_the_indexes_before_anything_is_read(
    collection: Collection, source: MemorySource
) -> None:
    sync(collection, source, STEPS)
    source.share("mail.eml", "user:bob")
    source.remove("leave.txt")
    source.put("new.txt", "New\n\nSomething else of another length altogether.")
    seen: list[list[tuple[str, int]]] = []

    def progress(stage: str, done: int, total: int) -> None:
        collection.refresh()
        seen.append(collection.view(["user:anna", "group:hr"]).terms("salar", 5))
        seen.append(collection.view(["user:anna", "group:hr"]).terms("thir", 5))

    sync(collection, source, STEPS, progress=progress)
    assert seen
    assert all(one == [] for one in seen)


def test_documents_lie_in_the_collection_while_they_are_read_and_not_longer(
    collection: Collection, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = collection.folder / READING / "rightsized-sync-killed" / "document"
    left.parent.mkdir(parents=True)
    left.write_text("what a killed sync was reading")
    places = []
    read = source.read

    def noted(item: Item, into: Path) -> None:
        assert not left.exists()
        places.append(into)
        read(item, into)

    monkeypatch.setattr(source, "read", noted)
    source.put("new.txt", "New\n\nA new one.")
    assert sync(collection, source, STEPS).added >= 1
    assert places and all(place.is_relative_to(collection.folder / READING) for place in places)
    assert not (collection.folder / READING).exists()


def test_a_full_disk_is_no_fault_of_the_document_that_is_read(
    collection: Collection, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(item: Item, into: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    sync(collection, source, STEPS)
    before = len(collection.dead())
    source.put("new.txt", "New\n\nA new one.")
    with monkeypatch.context() as patched:
        patched.setattr(source, "read", full)
        with pytest.raises(DiskFullError):
            sync(collection, source, STEPS)
    assert len(collection.dead()) == before
    assert sync(collection, source, STEPS).added == 1
