"""Sets are frozen, shown through a view alone, and every tag and look is kept, in order, by whom."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from discovery_samples import ANNA, BO, STEPS, Papers, collected, papers

from rightsized.apps.search.discovery import database, listing
from rightsized.apps.search.discovery.records import Asker, Criterion
from rightsized.apps.search.discovery.review import Review, gathered, visible_sets
from rightsized.apps.search.discovery.store import ReviewStore
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.types import Filters
from rightsized.core.errors import HomeLockedError, InputError, IntegrityError, NotFoundError

STEEL = (Criterion("terms", "steel"),)
OFFER = ["offer.eml", "offer.eml!/memo.txt", "offer.eml!/offer.txt"]


class Desk:
    """A collection, its sets, and a way to make one."""

    def __init__(self, collection: Collection, source: Papers) -> None:
        self.collection, self.source = collection, source
        self.store = ReviewStore(collection.folder)

    def make(self, name: str, asker: Asker, criteria: Sequence[Criterion] = STEEL, families: bool = True) -> Review:
        view = self.collection.view(asker.principals)
        found = asyncio.run(gathered(view, criteria, self.collection.encoder, families))
        self.store.create(name, asker, "", found)
        return self.open(name, asker)

    def open(self, name: str, asker: Asker) -> Review:
        return Review(self.store, self.collection.view(asker.principals), name, asker)

    def sync(self) -> None:
        sync(self.collection, self.source, STEPS)
        self.collection.refresh()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    source = papers()
    collection = collected(tmp_path, source)
    found = Desk(collection, source)
    yield found
    found.store.close()
    collection.close()


def keys(review: Review) -> list[str]:
    return [one.key for one in review.documents.values()]


def test_a_set_holds_what_fits_and_its_families(desk: Desk) -> None:
    assert keys(desk.make("alone", ANNA, families=False)) == [
        "advice.eml",
        "offer.eml",
        *OFFER[1:],
        "open.txt",
        "order.txt",
    ]
    tonnes = (Criterion("terms", "tonnes"),)
    assert keys(desk.make("plain", ANNA, tonnes, families=False)) == [OFFER[2], "order.txt"]
    assert keys(desk.make("families", ANNA, tonnes)) == [*OFFER, "order.txt"]


def test_all_words_must_be_in_a_passage_and_syntax_holds(desk: Desk) -> None:
    assert keys(desk.make("both", ANNA, [Criterion("terms", "steel pores")], families=False)) == [OFFER[1]]
    assert keys(desk.make("either", BO, [Criterion("terms", "soup OR price")])) == ["lunch.txt", "open.txt"]
    mails = Criterion("terms", "steel -offer", Filters(fields={"type": ("message/rfc822",)}))
    assert keys(desk.make("mails", ANNA, [mails], families=False)) == ["advice.eml"]


def test_a_ranked_search_gives_the_best_documents(desk: Desk) -> None:
    found = keys(desk.make("ranked", BO, [Criterion("search", '"there is soup" OR "gone up"', most=1)]))
    assert found in (["lunch.txt"], ["open.txt"])


def test_nothing_found_and_unread_syntax_make_no_set(desk: Desk) -> None:
    for text in ("zeppelin", 'steel "plates', "type:nothing steel"):
        with pytest.raises(InputError):
            desk.make("none", ANNA, [Criterion("terms", text)])
    assert desk.store.sets() == []


def test_each_asker_sees_their_part_and_others_nothing(desk: Desk) -> None:
    desk.make("steel", ANNA)
    assert keys(desk.open("steel", BO)) == ["open.txt"]
    desk.make("hidden", ANNA, [Criterion("terms", "tonnes")])
    assert [one.set.name for one in visible_sets(desk.store, desk.collection.view(BO.principals), BO)] == ["steel"]
    with pytest.raises(NotFoundError) as hidden:
        desk.open("hidden", BO)
    with pytest.raises(NotFoundError) as absent:
        desk.open("absent", BO)
    assert str(hidden.value).replace("hidden", "") == str(absent.value).replace("absent", "")


def test_hidden_elsewhere_and_unknown_documents_are_refused_in_the_same_words(desk: Desk) -> None:
    desk.make("steel", ANNA)
    review = desk.open("steel", BO)
    for name in ("order.txt", "lunch.txt", "nowhere.txt"):
        with pytest.raises(NotFoundError) as error:
            review.text(name)
        assert str(error.value) == f"There is no document {name!r} in 'steel'."
        with pytest.raises(NotFoundError):
            review.tag([name], ["hot"])
    assert [one.action for one in desk.open("steel", ANNA).log()] == ["created", "added"]


def test_who_loses_access_loses_the_document_in_the_set(desk: Desk) -> None:
    review = desk.make("steel", ANNA)
    review.tag(["order.txt"], ["responsive"], note="the order itself")
    desk.source.put("order.txt", desk.source.files["order.txt"][0], "user:bo")
    desk.sync()
    with pytest.raises(NotFoundError):
        review.text("order.txt")  # a view that is older than the change
    later = desk.open("steel", ANNA)
    assert "order.txt" not in keys(later)
    assert later.decided() == {}
    assert all(not one.document for one in later.log())
    assert list(desk.open("steel", BO).decided().values()) == [True]


def test_a_set_is_frozen_and_grows_only_when_told(desk: Desk) -> None:
    desk.make("steel", ANNA)
    before = keys(desk.open("steel", ANNA))
    desk.source.put("new.txt", "Note\n\nMore steel is needed.")
    desk.source.put("order.txt", "Order\n\nWe order fifty tonnes of steel plates.", "group:legal")
    desk.sync()
    review = desk.open("steel", ANNA)
    assert keys(review) == before
    order = review.resolve("order.txt")
    assert review.documents[order].content != review.members[order].content
    found = asyncio.run(gathered(review.view, STEEL, desk.collection.encoder, True))
    assert desk.store.add(review.set, ANNA, found) == 1
    grown = desk.open("steel", ANNA)
    assert keys(grown) == sorted([*before, "new.txt"])
    assert grown.members[order] == review.members[order]


def test_tags_are_revised_and_their_history_stays(desk: Desk) -> None:
    review = desk.make("steel", ANNA)
    assert review.tag(["order.txt"], ["responsive", "hot"]) == 2
    assert review.tag(["order.txt"], ["responsive"]) == 0
    assert review.tag(["order.txt"], ["not-responsive"], note="another order") == 2
    assert review.tag(["order.txt"], ["hot"], off=True) == 1
    order = review.resolve("order.txt")
    assert set(review.tags()[order]) == {"not-responsive"}
    assert review.decided() == {order: False}
    assert [(one.tag, one.on, one.by) for one in review.history()] == [
        ("responsive", True, "anna"),
        ("hot", True, "anna"),
        ("responsive", False, "anna"),
        ("not-responsive", True, "anna"),
        ("hot", False, "anna"),
    ]
    for tags in (["responsive", "not-responsive"], ["Not A Tag"], [""]):
        with pytest.raises(InputError):
            review.tag(["order.txt"], tags)


def test_nothing_of_several_is_tagged_where_one_is_refused(desk: Desk) -> None:
    review = desk.make("steel", ANNA)
    with pytest.raises(NotFoundError):
        review.tag(["order.txt", "nowhere.txt"], ["responsive"])
    assert review.history() == []


def test_a_look_is_on_record_and_the_record_cannot_be_changed(desk: Desk) -> None:
    review = desk.make("steel", ANNA)
    assert "forty tonnes" in review.text("order.txt")
    review.tag(["order.txt"], ["responsive"])
    rows = [(one.account, one.action, one.document) for one in review.log()][2:]
    order = review.resolve("order.txt")
    assert rows == [("anna", "text", order), ("anna", "tag", order)]
    connection = sqlite3.connect(desk.store.path)
    for table in ("log", "taggings", "members", "sets"):
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET rowid = 99"):
            with pytest.raises(sqlite3.Error):
                connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM log WHERE number = 3",
        "UPDATE log SET account = 'bo' WHERE number = 3",
        "DELETE FROM taggings",
        "UPDATE taggings SET tag = 'not-responsive'",
        "UPDATE taggings SET note = ''",
    ],
)
def test_a_log_altered_past_the_triggers_is_found(desk: Desk, change: str) -> None:
    review = desk.make("steel", ANNA)
    review.text("order.txt")
    review.text("open.txt")
    review.tag(["open.txt"], ["responsive"], note="why")
    review.log()
    connection = sqlite3.connect(desk.store.path, isolation_level=None)
    for table in ("log", "taggings"):
        for verb in ("delete", "update"):
            connection.execute(f"DROP TRIGGER {table}_no_{verb}")
    connection.execute(change)
    connection.close()
    with pytest.raises(IntegrityError, match=r"Row|A tag"):
        review.log()


def test_looks_are_put_on_record_elsewhere_first_or_nothing_is_shown(desk: Desk) -> None:
    review = desk.make("steel", ANNA)
    told: list[tuple[str, list[str]]] = []

    def seen(what: str, documents: Sequence[str]) -> None:
        if told:
            raise HomeLockedError("Another command writes.")
        told.append((what, list(documents)))

    watched = Review(desk.store, review.view, "steel", ANNA, seen)
    assert watched.text("order.txt")
    with pytest.raises(HomeLockedError):
        watched.text("open.txt")
    assert told == [("document", [review.resolve("order.txt")])]
    assert [one.document for one in review.log() if one.action == "text"] == told[0][1]


def test_who_acts_as_another_is_named_with_both(desk: Desk) -> None:
    desk.make("steel", ANNA)
    review = desk.open("steel", Asker("root", ANNA.principals))
    review.tag(["order.txt"], ["responsive"])
    assert review.history()[0].by == "root as anna"
    assert review.log()[-1].account == "root"


def test_the_file_is_its_owners_and_a_name_is_taken_once(desk: Desk) -> None:
    desk.make("steel", ANNA)
    assert (desk.collection.folder / database.FILE).stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="taken"):
        desk.make("steel", BO)
    assert len(desk.store.sets()) == 1


def test_only_ids_and_contents_of_a_set_are_in_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set of a hundred thousand documents is opened for one decision."""
    made = desk.make("steel", ANNA)
    read: list[int] = []
    reader = type(desk.collection.view(())._reader)
    whole = reader.documents

    def counting(self: object, numbers: Sequence[int]) -> object:
        read.append(len(numbers))
        return whole(self, numbers)

    monkeypatch.setattr(reader, "documents", counting)
    monkeypatch.setattr(listing, "PAGE", 2)
    review = desk.open("steel", ANNA)
    one = next(iter(review.documents))
    assert review.tag([one], ["responsive"]) == 1 and review.decided() == {one: True}
    assert review.holding("responsive") == [one] and review.tags_of(one) == ["responsive"]
    assert read == [], "no document was read for a decision"
    assert [found.id for found in review.documents.values()] == list(review.documents) == list(made.documents)
    assert max(read) == 2 and len(review.documents._held) <= 2
    assert {key: found.content for key, found in review.documents.items()} == review.documents.contents
    for some in (*review.documents, "nothing"):
        assert (some in review.documents) == (some != "nothing")
    with pytest.raises(KeyError):
        review.documents["nothing"]
    hidden = desk.collection.view(BO.principals)
    assert list(hidden.contents(Filters())) == [
        one.id for one in sorted(hidden.documents(Filters()), key=lambda one: (one.source, one.key))
    ]


def test_tags_that_stand_are_the_last_of_each_document(desk: Desk) -> None:
    review = desk.make("steel", ANNA)
    first, second, third = list(review.documents)[:3]
    for one, tag, off in (
        (first, "responsive", False), (first, "not-responsive", False), (second, "not-responsive", False),
        (third, "responsive", False), (third, "responsive", True), (second, "privileged", False),
    ):  # fmt: skip
        review.tag([one], [tag], off=off)
    assert review.decided() == {first: False, second: False}
    held = {one: sorted(tags) for one, tags in review.tags().items() if tags}
    assert held == {one: review.tags_of(one) for one in (first, second)}
    assert review.holding("privileged") == [second]
