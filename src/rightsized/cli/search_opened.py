"""Opens the collections of a home for a command, with the encoder of the settings when it is first needed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rightsized.apps.search.collections import Collections
    from rightsized.apps.search.rank.rerankers import Reranking
    from rightsized.apps.search.service import SearchService
    from rightsized.core.config import Config
    from rightsized.core.errors import RightsizedError


@contextlib.contextmanager
def opened(config: Config, *, own: bool = True) -> Iterator[Collections]:
    """The collections, closed at the end; without `own` all with the encoder of the settings."""
    from rightsized.apps.search.collections import Collections
    from rightsized.store.home import Home
    from rightsized.tasks.opened import Encoders

    encoders = Encoders(config)
    collections = Collections(
        Home(config.home), lambda: encoders.get(config.search.encoder), encoders.get if own else None
    )
    try:
        yield collections
    finally:
        collections.close()
        encoders.close()


@contextlib.asynccontextmanager
async def asking(config: Config) -> AsyncIterator[SearchService]:
    """Document search for the questions of one command, with the reranker of the settings."""
    from rightsized.apps.search.service import SearchService

    with opened(config) as collections:
        async with _reranking(config) as reranking:
            yield SearchService(collections, reranking=reranking)


@contextlib.asynccontextmanager
async def answering(config: Config) -> AsyncIterator[SearchService]:
    """The same for extracts under a certificate: each is put on record, by this process as the home's writer."""
    from rightsized.apps.search.rank.rerankers import by_a_tier, data_class_of
    from rightsized.apps.search.service import SearchService
    from rightsized.tasks.promises import recording

    if by_a_tier(config):  # the service that opens the tier is the writer
        async with writing(config) as service:
            yield service
        return
    with recording(config, "search") as promises, opened(config) as collections:
        async with _reranking(config) as reranking:
            yield SearchService(
                collections, reranking=reranking, recording=promises, data_class=partial(data_class_of, config)
            )
        await promises.drain()


@contextlib.asynccontextmanager
async def writing(config: Config) -> AsyncIterator[SearchService]:
    """The same with the models that write, opened for as long as this lasts. Raises HomeLockedError."""
    from rightsized.apps.search.rank.rerankers import data_class_of, reranking_of
    from rightsized.apps.search.service import SearchService
    from rightsized.tasks.service import LocalService
    from rightsized.tasks.writing import gateway_writers

    async with LocalService(config, purpose="search", record=True, gateway=True) as service:
        with opened(config) as collections:
            search = config.search
            yield SearchService(
                collections,
                reranking=reranking_of(config, lambda: service.gateway),
                writers=gateway_writers(lambda: service.gateway, search.data_class, search.data_classes),
                recording=service.promises,
                data_class=partial(data_class_of, config),
            )


@contextlib.asynccontextmanager
async def _reranking(config: Config) -> AsyncIterator[Reranking]:
    """A tier that reranks is asked through the server that runs, or opened here for as long as this lasts."""
    from rightsized.apps.search.rank.rerankers import Reranking, budget_of, by_a_tier, data_class_of, reranking_of
    from rightsized.apps.search.rank.tier_reranker import ServedReranker
    from rightsized.core.errors import HomeLockedError
    from rightsized.store.home import Home
    from rightsized.tasks.remote import find_server
    from rightsized.tasks.service import LocalService

    if not by_a_tier(config):
        yield reranking_of(config, lambda: None)
        return
    try:
        server = find_server(Home(config.home))
    except HomeLockedError as error:  # a fit that runs keeps nobody from searching
        refusing = _Refusing(error)
        yield Reranking(lambda name, caller: refusing)
        return
    if server is not None:
        name = config.search.reranker
        yield Reranking(
            lambda collection, caller: ServedReranker(server, name, data_class=data_class_of(config, collection)),
            budget_of(config),
        )
        return
    async with LocalService(config, purpose="search", record=True, gateway=True) as service:
        yield reranking_of(config, lambda: service.gateway)


class _Refusing:
    """Implements `Reranker` where the tier cannot be asked: results stand as they were, and say why."""

    model = "sha256:none"

    def __init__(self, error: RightsizedError) -> None:
        self._error = error

    async def scores(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        raise self._error
