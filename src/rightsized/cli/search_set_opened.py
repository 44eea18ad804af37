"""What the commands of review sets share: their options, and opening a set as one asker sees it."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common
from rightsized.cli.search_opened import opened
from rightsized.cli.search_query import asker

if TYPE_CHECKING:
    from rightsized.apps.search.collections import Collections
    from rightsized.apps.search.discovery.coding.cache import FeatureCache
    from rightsized.apps.search.discovery.records import Asker
    from rightsized.apps.search.discovery.review import Review, Seen
    from rightsized.apps.search.discovery.store import ReviewStore
    from rightsized.apps.search.index.collection import Collection
    from rightsized.core.config import Config

_AN_EVENT = 1000  # documents of one event of the log
As = Annotated[
    list[str] | None,
    typer.Option("--as", help="See as user:NAME, group:NAME or everyone; may be repeated. Default: your login."),
]


@dataclass(frozen=True, kw_only=True)
class CollectionOptions(Common):
    collection: Annotated[str, typer.Argument(help="Name of the collection.")]
    as_: As = None


@dataclass(frozen=True, kw_only=True)
class SetOptions(Common):
    collection: Annotated[str, typer.Argument(help="Name of the collection.")]
    name: Annotated[str, typer.Argument(help="Name of the set.")]
    as_: As = None


@contextlib.contextmanager
def stored(options: CollectionOptions | SetOptions) -> Iterator[tuple[Collections, Collection, ReviewStore, Asker]]:
    """The collection, its sets, and who asks; closed at the end."""
    from rightsized.apps.search.discovery.records import Asker
    from rightsized.apps.search.discovery.store import ReviewStore

    who = Asker(getpass.getuser(), asker(options.as_))
    with opened(options.settings()) as collections:
        collection = collections.open(options.collection)
        store = ReviewStore(collection.folder)
        try:
            yield collections, collection, store, who
        finally:
            store.close()


@contextlib.contextmanager
def reviewed(options: SetOptions) -> Iterator[tuple[Collections, Review]]:
    """A set as the asker sees it. Raises NotFoundError."""
    from rightsized.apps.search.discovery.review import Review

    with stored(options) as (collections, collection, store, who):
        seen = on_record(options.settings(), who, options.collection)
        yield collections, Review(store, collection.view(who.principals), options.name, who, seen)


@contextlib.contextmanager
def features(collection: Collection, review: Review) -> Iterator[FeatureCache]:
    """What is kept of the texts of a collection, without what it no longer has; closed at the end."""
    from rightsized.apps.search.discovery.coding.cache import FeatureCache

    encoder = review.view.encoder
    cache = FeatureCache(collection.folder, encoder, collection.encoder.dimension if encoder else 0)
    try:
        cache.keep_only(collection.contents())
        yield cache
    finally:
        cache.close()


def on_record(config: Config, who: Asker, collection: str) -> Seen:
    """Puts looks into the log of the home, too."""
    from rightsized.core.roles import Identity
    from rightsized.tasks.accesses import What, documents_seen
    from rightsized.tasks.home_accesses import note_in_home

    def seen(what: What, documents: Sequence[str]) -> None:
        identity = Identity("local", name=who.reviewer)
        for at in range(0, len(documents), _AN_EVENT):
            some = documents[at : at + _AN_EVENT]
            note_in_home(config, documents_seen(identity, what, collection, some))

    return seen
