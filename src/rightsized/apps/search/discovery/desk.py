"""Review sets for those who work through the server: opened for one request, closed after it.

Every call reads files and is made aside. What is shown is put on record by the caller first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rightsized.apps.search.discovery.coding.batches import Batches
from rightsized.apps.search.discovery.coding.cache import FeatureCache
from rightsized.apps.search.discovery.coding.choosing import next_batch
from rightsized.apps.search.discovery.coding.ranking import Example
from rightsized.apps.search.discovery.coding.terms import terms
from rightsized.apps.search.discovery.database import FILE
from rightsized.apps.search.discovery.records import Asker
from rightsized.apps.search.discovery.review import Review, visible_sets
from rightsized.apps.search.discovery.store import ReviewStore
from rightsized.apps.search.index.collection import Collection
from rightsized.core.errors import NotFoundError


class VisibleSet(NamedTuple):
    """A set that holds something which the asker may see."""

    collection: str
    name: str
    note: str
    documents: int
    reviewed: int
    responsive: int


def sets_of(collection: Collection, asker: Asker) -> list[VisibleSet]:
    """The sets of a collection that hold something which the asker may see."""
    if not (collection.folder / FILE).exists():
        return []
    with contextlib.closing(ReviewStore(collection.folder)) as store:
        found = []
        for one in visible_sets(store, collection.view(asker.principals), asker):
            decided = one.decided()
            counts = len(one.documents), len(decided), sum(decided.values())
            found.append(VisibleSet(collection.name, one.set.name, one.set.note, *counts))
        return found


@contextlib.contextmanager
def opened(collection: Collection, name: str, asker: Asker) -> Iterator[Review]:
    """A set as the asker sees it. Raises NotFoundError."""
    if not (collection.folder / FILE).exists():
        raise NotFoundError(f"There is no set {name!r} that you may see.")
    with contextlib.closing(ReviewStore(collection.folder)) as store:
        yield Review(store, collection.view(asker.principals), name, asker)


def on_desk(review: Review, now: float) -> list[str]:
    """What is lent to the asker and not decided on, in the order in which it was lent."""
    decided, lent = review.decided(), Batches(review.store, review.set).lent(now)
    mine = [one for one, have in lent.items() if have.by == review.asker.reviewer]
    return [one for one in mine if one in review.documents and one not in decided]


def lend(collection: Collection, review: Review, count: int) -> list[str]:
    """Lend documents to the asker; see `coding.choosing`."""
    vectors = bool(review.view.encoder)
    dimension = collection.encoder.dimension if vectors else 0
    with contextlib.closing(FeatureCache(collection.folder, review.view.encoder, dimension)) as cache:
        cache.keep_only(collection.contents())
        return next_batch(review, cache, count, example=example(collection, review))


def example(collection: Collection, review: Review) -> Example | None:
    """What the set is for, as a document: its note, and the words that it was searched with; None without any."""
    texts = [review.set.note, *(one.text for _, one, _, _ in review.store.criteria(review.set))]
    text = " ".join(filter(None, dict.fromkeys(texts)))
    if not text:
        return None
    vectors = bool(review.view.encoder)
    return Example(terms(text), collection.encoder.encode_now(text).vector if vectors else np.zeros(0, np.float32))
