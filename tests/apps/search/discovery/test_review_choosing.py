"""Batches: the likely ones first, nobody has the same document as another, and equal tags give equal batches."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from discovery_samples import ANNA, BO
from review_rooms import Room

from rightsized.apps.search.discovery.coding.batches import Batches
from rightsized.apps.search.discovery.coding.cache import FILE, FeatureCache, forget
from rightsized.apps.search.discovery.coding.choosing import next_batch
from rightsized.apps.search.discovery.records import Asker, Criterion
from rightsized.apps.search.discovery.review import Review, gathered
from rightsized.apps.search.discovery.store import ReviewStore
from rightsized.core.errors import InputError

CAY = Asker("cay", ("user:cay",))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path / "home")
    yield found
    found.close()


def test_what_is_responsive_comes_early(room: Room) -> None:
    review, read = room.review(), 0
    seed = next(one for one in review.documents if room.is_about(review, one))
    room.read(review, [seed])
    while sum(review.decided().values()) < 12:
        batch = next_batch(review, room.cache, 5)
        assert len(batch) == 5
        read += len(batch)
        room.read(review, batch)
    assert read <= 30  # of 120; in random order 95 would be needed
    picks = Batches(room.store, review.set).picked()
    assert {one.why for one in picks} == {"likely", "random"}
    assert len({one.document for one in picks}) == len(picks)


def test_without_a_tag_a_batch_is_random(room: Room) -> None:
    batch = next_batch(room.review(), room.cache, 20)
    assert len(set(batch)) == 20
    assert {one.why for one in Batches(room.store, room.review().set).picked()} == {"random"}


def test_reviewers_at_once_have_different_documents(room: Room) -> None:
    review = room.review()
    room.read(review, list(review.documents)[:20])
    batches: dict[str, list[str]] = {}

    def work(asker: Asker) -> None:
        store = ReviewStore(room.collection.folder)
        cache = FeatureCache(room.collection.folder, review.view.encoder, room.collection.encoder.dimension)
        own = Review(store, room.collection.view(asker.principals), "pumps", asker)
        batches[asker.account] = next_batch(own, cache, 25)
        store.close()
        cache.close()

    threads = [threading.Thread(target=work, args=(asker,)) for asker in (ANNA, BO, CAY)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {len(batch) for batch in batches.values()} == {25}
    assert len(set().union(*batches.values())) == 75


def test_what_one_has_is_given_again_until_it_is_decided_on_or_its_time_is_over(room: Room) -> None:
    review = room.review()
    first = next_batch(review, room.cache, 10)
    assert next_batch(review, room.cache, 10) == first
    room.read(review, first[:4])
    second = next_batch(review, room.cache, 10)
    assert set(first[4:]) < set(second)
    assert not set(first[:4]) & set(second)
    late = room.review(BO)
    assert not set(next_batch(late, room.cache, 50, seconds=0.0)) & set(second)
    assert len(next_batch(late, room.cache, 120)) == 120 - len(first[:4]) - len(second)


def test_equal_tags_give_equal_batches(room: Room, tmp_path: Path) -> None:
    review = room.review()
    room.read(review, list(review.documents)[:30])
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    first = next_batch(review, room.cache, 15)
    folder = tmp_path / "copy" / "search" / "docs"
    store, cache = ReviewStore(folder), FeatureCache(folder, review.view.encoder, room.collection.encoder.dimension)
    (folder / FILE).unlink()  # what is made from the texts again is the same
    cache.close()
    cache = FeatureCache(folder, review.view.encoder, room.collection.encoder.dimension)
    copied = Review(store, room.collection.view(ANNA.principals), "pumps", ANNA)
    assert next_batch(copied, cache, 15) == first
    store.close()
    cache.close()


def test_only_what_the_reviewer_may_see_is_lent_and_learned_from(room: Room) -> None:
    key = sorted(room.about)[0]
    room.source.put(key, room.source.files[key][0], "user:anna")
    room.sync()
    hidden = room.review().resolve(key)
    bo = room.review(BO)
    assert hidden not in next_batch(bo, room.cache, 120)
    assert hidden in next_batch(room.review(), room.cache, 120)


def test_a_copy_of_what_is_known_comes_first_or_last(room: Room) -> None:
    review = room.review()
    yes, no = (next(one for one in review.documents if room.is_about(review, one) is about) for about in (True, False))
    room.source.put("copy-yes.txt", room.source.files[review.documents[yes].key][0])
    room.source.put("copy-no.txt", room.source.files[review.documents[no].key][0])
    room.sync()
    view = room.collection.view(ANNA.principals)
    room.store.add(review.set, ANNA, asyncio.run(gathered(view, [Criterion("filter")], None, False)))
    review = room.review()
    room.read(review, [yes, no])
    room.about.add("copy-yes.txt")
    assert review.resolve("copy-yes.txt") in next_batch(review, room.cache, 5)
    picks = Batches(room.store, review.set).picked()
    assert review.resolve("copy-no.txt") not in [one.document for one in picks]


def test_what_the_collection_forgets_is_forgotten_here(room: Room) -> None:
    review = room.review()
    next_batch(review, room.cache, 5)
    content = review.documents[review.resolve("p0000.txt")].content
    assert [part.contents for part in room.cache.parts([content])] == [[content]]
    del room.source.files["p0000.txt"]
    room.sync()
    with room.collection.writing() as writer:
        writer.sweep()
    forget(room.collection.folder, room.collection.contents())
    assert list(room.cache.parts([content])) == []


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_has_a_size(room: Room, count: int) -> None:
    with pytest.raises(InputError):
        next_batch(room.review(), room.cache, count)
