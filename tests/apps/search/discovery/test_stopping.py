"""Samples are drawn once and paid for; a certificate says what the data carry, and ends when the set changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from discovery_samples import ANNA, BO
from review_rooms import Room

from rightsized.apps.search.discovery.coding.choosing import next_batch
from rightsized.apps.search.discovery.records import Asker, Criterion
from rightsized.apps.search.discovery.review import Review, gathered
from rightsized.apps.search.discovery.stopping.bounds import recall, spent
from rightsized.apps.search.discovery.stopping.certificate import (
    Facts,
    RecallCertificate,
    certify,
    verify_recall,
)
from rightsized.apps.search.discovery.stopping.certifying import certify as certify_set
from rightsized.apps.search.discovery.stopping.certifying import latest, stale
from rightsized.apps.search.discovery.stopping.samples import Samples, seen
from rightsized.apps.search.discovery.stopping.standing import standing
from rightsized.core.errors import CertificateError, InputError, NotFoundError

SECRET = bytes(range(32))
FACTS = Facts("docs", "pumps", "anna", (), 0.0, ("anna",), "", "1")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path / "home", papers=160, about=20)
    yield found
    found.close()


def reviewed(room: Room, found: int = 19) -> Review:
    """A review that has read what is responsive but for the last, and ten others."""
    review = room.review()
    about = [one for one in review.documents if room.is_about(review, one)]
    others = [one for one in review.documents if one not in set(about)]
    room.read(review, [*about[:found], *others[:10]])
    return review


def read_sample(room: Room, review: Review) -> None:
    while waiting := Samples(review).waiting():
        batch = next_batch(review, room.cache, min(50, len(waiting)))
        assert set(batch) <= set(waiting)  # the sample first
        room.read(review, batch)


def certified(room: Room) -> tuple[Review, RecallCertificate]:
    review = reviewed(room)
    Samples(review).draw(80, target=0.7, delta=0.05)
    read_sample(room, review)
    return review, certify_set(review, "docs", SECRET, "1.0")


def test_a_sample_is_random_and_of_what_nobody_has_read(room: Room) -> None:
    review = reviewed(room)
    sample = Samples(review).draw(40, target=0.8, delta=0.05, seed="1f")
    assert len(set(sample.drawn)) == 40
    assert not set(sample.drawn) & set(review.decided())
    assert set(sample.drawn) < set(sample.frame.pile)
    assert Samples(review).last == sample
    assert len(sample.frame.reviewed) == 29


def test_a_certificate_says_what_the_sample_shows(room: Room) -> None:
    review, found = certified(room)
    sample = Samples(review).last
    shown = seen(sample, review.store.taggings(review.set))
    assert found.recall == recall(shown, spent(0.05, 1)).low >= 0.7
    assert found.found == sum(room.is_about(review, one) for one, yes in review.decided().items() if yes)
    assert f"{found.found} of at most {found.most}" in found.sentence
    assert "at least 70% of the responsive documents of the set pumps" in found.sentence
    assert "what anna tagged so" in found.sentence
    assert latest(review) == found
    assert stale(review, found) == ""
    assert standing(review, 0.0).certificate == found
    assert review.log()[-1].action == "certified"


def test_an_altered_certificate_is_refused(room: Room) -> None:
    _, found = certified(room)
    verify_recall(found)
    verify_recall(found, found.public_key)
    for change in ({"target": 0.9}, {"sentence": "All is found."}, {"found": 30}, {"signature": ""}, {"set": "other"}):
        with pytest.raises(CertificateError):
            verify_recall(msgspec.structs.replace(found, **change))
    with pytest.raises(CertificateError, match="another key"):
        verify_recall(found, "AAAA")


def test_what_the_data_do_not_carry_is_refused(room: Room) -> None:
    review = reviewed(room, found=10)
    Samples(review).draw(120, target=0.7, delta=0.05)
    with pytest.raises(CertificateError, match="have not been decided on"):
        certify_set(review, "docs", SECRET, "1.0")
    room.read(review, [one for one in Samples(review).waiting() if not room.is_about(review, one)])
    with pytest.raises(CertificateError, match=r"not 70\.0%"):
        certify_set(review, "docs", SECRET, "1.0")  # what nobody decided on counts as missed
    assert latest(review) is None


def test_nothing_found_is_nothing_certified(room: Room) -> None:
    review = room.review()
    room.read(review, [one for one in review.documents if not room.is_about(review, one)][:100])
    sample = Samples(review).draw(60, target=0.7, delta=0.05)
    for one in Samples(review).waiting():
        review.tag([one], ["not-responsive"])
    with pytest.raises(CertificateError):
        certify(sample, seen(sample, review.store.taggings(review.set)), FACTS, SECRET)


def test_each_sample_is_paid_for_in_whatever_set(room: Room) -> None:
    review = reviewed(room)
    assert Samples(review).draw(20, target=0.7, delta=0.05).attempt == 1
    with pytest.raises(InputError, match="have not been decided on"):
        Samples(review).draw(20, target=0.7, delta=0.05)
    read_sample(room, review)
    assert Samples(review).draw(20, target=0.7, delta=0.05).attempt == 2
    found = asyncio.run(gathered(review.view, [Criterion("filter")], None, False))
    room.store.create("again", BO, "", found[:1])
    other = Review(room.store, room.collection.view(BO.principals), "again", BO)
    assert Samples(other).draw(20, target=0.7, delta=0.05).attempt == 3


def test_taking_back_a_tag_of_the_sample_does_not_help(room: Room) -> None:
    review = reviewed(room, found=15)
    Samples(review).draw(100, target=0.7, delta=0.05)
    read_sample(room, review)
    sample = Samples(review).last
    before = seen(sample, review.store.taggings(review.set))
    hits = [one for one in sample.drawn if review.decided()[one]]
    assert len(hits) == before.responsive > 0
    review.tag(hits, ["not-responsive"], note="on second thoughts")
    after = seen(sample, review.store.taggings(review.set))
    assert after.responsive == before.responsive
    assert after.found == 0
    assert recall(after, 0.05).low < recall(before, 0.05).low


def test_a_changed_set_ends_it(room: Room) -> None:
    review, found = certified(room)
    room.source.put("new.txt", "Paper\n\nA pump and its valve.")
    room.sync()
    view = room.collection.view(ANNA.principals)
    room.store.add(review.set, ANNA, asyncio.run(gathered(view, [Criterion("filter")], None, False)))
    assert "1 documents are new" in stale(room.review(), found)
    with pytest.raises(CertificateError, match="Draw another"):
        certify_set(room.review(), "docs", SECRET, "1.0")


def test_a_changed_document_ends_it(room: Room) -> None:
    _, found = certified(room)
    room.source.put("p0000.txt", "Something else.")
    room.sync()
    assert "1 have other content" in stale(room.review(), found)


def test_tags_that_no_longer_show_it_end_it(room: Room) -> None:
    review, found = certified(room)
    yes = [one for one, about in review.decided().items() if about]
    review.tag(yes[:3], ["not-responsive"])
    assert stale(review, found) == ""  # of 17 found ones the bound is nearly that of 20
    review.tag(yes[3:], ["responsive"], off=True)
    assert "tags were changed" in stale(review, found)


def test_who_sees_less_has_another_certificate(room: Room) -> None:
    key = sorted(room.about)[0]
    room.source.put(key, room.source.files[key][0], "user:anna")
    room.sync()
    _, found = certified(room)
    assert stale(room.review(), found) == ""
    assert "1 are gone" in stale(room.review(Asker("bo", ("user:bo",))), found)


@pytest.mark.parametrize(
    ("size", "target", "delta"), [(10, 0.7, 0.05), (1000, 0.7, 0.05), (50, 1.0, 0.05), (50, 0.7, 0.0), (50, 0.0, 0.1)]
)
def test_numbers_that_make_no_sense_are_refused(room: Room, size: int, target: float, delta: float) -> None:
    with pytest.raises(InputError):
        Samples(reviewed(room)).draw(size, target=target, delta=delta)


def test_without_a_sample_there_is_nothing_to_certify(room: Room) -> None:
    with pytest.raises(NotFoundError, match="set sample"):
        certify_set(room.review(), "docs", SECRET, "1.0")
