"""Document search as the server and the command line use it: collections by name, each question for one asker.

Nothing is read but through a view, and no view is made without the asker's principals.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from rightsized.apps.search.answer.on_record import Asked, Recording, on_record
from rightsized.apps.search.answer.promises import Bars, path_of
from rightsized.apps.search.answer.records import Answer, Method
from rightsized.apps.search.collections import Collections
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.index.pacing import paced
from rightsized.apps.search.long.service import LongDocuments
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.results import Ranking, Results, Settings
from rightsized.apps.search.query.similar import ordinal_at, similar
from rightsized.apps.search.query.suggesting import Suggestion, suggestions
from rightsized.apps.search.rank.rerankers import NOTHING, Reranking
from rightsized.apps.search.rank.saved import Orderings
from rightsized.apps.search.types import Filters, Hit
from rightsized.core.egress import Egress
from rightsized.core.errors import InputError, NotFoundError, RightsizedError, StoreError, UnsupportedError
from rightsized.core.frozen import Frozen
from rightsized.core.generation import Caller, DataClass
from rightsized.core.protocols import Encoder
from rightsized.parsers import sandbox
from rightsized.parsers.wire import Page, PageImage
from rightsized.tasks.accesses import Access
from rightsized.tasks.records import PromiseStatus
from rightsized.tasks.writing import NOBODY, Writers, no_writer

T = TypeVar("T")

MOST_HITS = 100  # of one page of results
MOST_CHARS = 4_000  # of a question
MOST_SUGGESTIONS = 20
FACETS = ("type", "folder", "author")  # counted where nobody says which
METHODS: tuple[Method, ...] = get_args(Method)


class Question(Frozen, frozen=True):
    """What is asked of a collection: the words, what narrows them, which page of the results, and how."""

    text: str
    filters: Filters = Filters()
    limit: int = 10
    offset: int = 0
    settings: Settings = Settings(facets=FACETS)


class Like(Frozen, frozen=True):
    """A document, by its id, that others shall be like; with `start`, its passage that holds this character alone."""

    document: str
    start: int | None = None
    filters: Filters = Filters()
    limit: int = 10


class VisibleCollection(Frozen, frozen=True):
    """A collection and how many of its documents the asker may see."""

    name: str
    documents: int


def strictest_class(name: str) -> DataClass:
    """What documents hold of which nobody said anything."""
    return "secret"


async def nobody_asks(one: Access) -> None:
    """What is seen is kept nowhere: a command on this machine's own files."""


Seen = Callable[[Access], Awaitable[None]]


class SearchService:
    """The collections of a home, open for questions.

    Args:
        collections: opened here as they are asked for, and closed by `close`.
        egress: asked before a source elsewhere is read for a preview; without one there are no previews.
        reranking: gives what sorts the best passages anew; whoever opened it closes it.
        seen: is told who is shown what before it is shown; whoever serves others gives one.
        writers: give what writes about a collection for an asker; without them nothing is written.
        recording: keeps answers under a certificate on record and watches its promise; without it nobody does.
        data_class: what the documents of a collection hold, for that record.
    """

    def __init__(
        self,
        collections: Collections,
        egress: Egress | None = None,
        reranking: Reranking = NOTHING,
        seen: Seen = nobody_asks,
        writers: Writers = no_writer,
        recording: Recording | None = None,
        data_class: Callable[[str], DataClass] = strictest_class,
    ) -> None:
        self._collections, self._egress, self._reranking = collections, egress, reranking
        self._orderings, self._bars = Orderings(), Bars(recording)
        self.seen, self.writers, self._recording, self._data_class = seen, writers, recording, data_class
        self._attached: set[str] = set()
        self.long = LongDocuments(self)

    @property
    def writes(self) -> bool:
        """Whether a model that writes is set up."""
        try:
            return bool(self.writers("", NOBODY))
        except UnsupportedError:
            return False

    def collections(self, principals: Sequence[str]) -> list[VisibleCollection]:
        """Collections that hold something which the asker may see, by name: others, and broken ones, are not named."""
        found = []
        for name in self._collections.names():
            with contextlib.suppress(StoreError):
                found.append(VisibleCollection(name, len(self.view(name, principals).documents(Filters()))))
        return [one for one in found if one.documents]

    def view(self, name: str, principals: Sequence[str]) -> View:
        """What an asker may see of a collection. Raises NotFoundError, which names no other collection."""
        if name not in self._collections.names():
            raise NotFoundError(f"There is no collection {name!r}.", fix="See: rightsized search list")
        return self._collections.open(name).view(principals)

    async def search(
        self, name: str, question: Question, principals: Sequence[str], caller: Caller = NOBODY
    ) -> Results:
        """The passages that answer best, at a whole step of time. Raises NotFoundError, InputError, BusyError.

        `caller` is whom the decision of a reranking tier is recorded for.
        """
        from rightsized.apps.search.query.search import search

        return await self._ask(search, name, question, principals, caller, offset=question.offset)

    async def answer(
        self,
        name: str,
        question: Question,
        principals: Sequence[str],
        caller: Caller = NOBODY,
        method: Method = "extract",
    ) -> Answer:
        """The sentences that answer, or none; with the results of the search. Paced, and raises, as `search`.

        `method` "write" raises what writers raise as well: UnsupportedError where no model writes here.
        """
        from rightsized.apps.search.answer.ways import WAYS

        await asyncio.to_thread(self.view, name, principals)  # a collection that is not there has no writer
        way = WAYS[method](lambda: self.writers(name, caller))
        bar = self._bars.of(self._collections.open(name), self.ranking(name, caller), method, way.identity)
        asked = Asked(name, method, caller, principals, self._data_class(name), bar)
        return await self._ask(on_record(way.ask, asked, self._recording), name, question, principals, caller, bar=bar)

    def watch(self) -> None:
        """Read every certificate of answers, so that its promise is watched from the start. Reads files: call aside."""
        for name in self._collections.names():
            for method in METHODS:
                with contextlib.suppress(RightsizedError):  # a broken collection is broken for whoever asks it
                    if path_of(self._collections.folder(name), method).is_file():
                        self._bars.known(self._collections.open(name), method)

    async def promises(self) -> list[PromiseStatus]:
        """What is promised of answers, after a look at the audits."""
        if self._recording is None:
            return []
        await self._recording.refresh()
        return self._recording.all()

    def may_read(self, principals: Sequence[str]) -> Callable[[Iterable[str]], bool]:
        """Says of documents, as `COLLECTION/ID`, whether somebody may see all of them, now. Reads: call aside."""
        views: dict[str, View] = {}

        def readable(documents: Iterable[str]) -> bool:
            try:
                for one in documents:
                    name, _, document = one.partition("/")
                    if name not in views:
                        views[name] = self.view(name, principals)
                    views[name].document(document)
            except RightsizedError:  # not there, not for them, or not to be told: nothing is shown
                return False
            return True

        return readable

    async def suggest(self, name: str, typed: str, principals: Sequence[str], limit: int = 8) -> tuple[Suggestion, ...]:
        """How what was typed may go on. Paced, and raises, as `search`."""
        _check(Question(typed, limit=limit))
        return await self._aside(name, principals, lambda view: suggestions(view, typed, limit))

    async def similar(self, name: str, like: Like, principals: Sequence[str]) -> tuple[Hit, ...]:
        """The best passage of each of the most similar documents. Paced; raises NotFoundError, InputError."""
        _check(Question("", limit=like.limit))

        def work(view: View) -> tuple[Hit, ...]:
            ordinal = None if like.start is None else ordinal_at(view, like.document, like.start)
            return similar(view, like.document, ordinal=ordinal, filters=like.filters, limit=like.limit)

        return await self._aside(name, principals, work)

    async def _aside(self, name: str, principals: Sequence[str], work: Callable[[View], T]) -> T:
        """Work on the asker's view in a thread, done, or refused, at a whole step of time."""
        began = time.perf_counter()
        try:
            view = await asyncio.to_thread(self.view, name, principals)
            found = await asyncio.to_thread(work, view)
        except RightsizedError:
            await paced(began)
            raise
        await paced(began)
        return found

    async def _ask(
        self,
        ask: Callable[..., Awaitable[T]],
        name: str,
        question: Question,
        principals: Sequence[str],
        caller: Caller,
        **more: Any,
    ) -> T:
        """Ask the asker's view, and answer at a whole step of time."""
        _check(question)
        began = time.perf_counter()
        view = await asyncio.to_thread(self.view, name, principals)
        found = await ask(
            view,
            question.text,
            encoder=self.encoder(name),
            filters=question.filters,
            limit=question.limit,
            settings=question.settings,
            ranking=self.ranking(name, caller),
            **more,
        )
        await paced(began)
        return found

    def page_image(self, name: str, document: str, page: Page, principals: Sequence[str]) -> PageImage:
        """A page of a PDF as a picture, drawn from the document in its source. Reads that source: call it aside.

        Raises NotFoundError (also where it may not be seen), DocumentError, StoreError (the source is gone, or has
        changed since).
        """
        view = self.view(name, principals)
        known = view.document(document)
        if self._egress is not None and name not in self._attached:
            self._collections.attach(name, self._egress)
            self._attached.add(name)
        data = view.original(document)
        if hashlib.sha256(data).hexdigest() != known.content:
            raise StoreError(f"{known.key} has changed since it was read.", fix=f"Run: rightsized search sync {name}")
        with tempfile.NamedTemporaryFile(prefix="rightsized-page-") as file:
            file.write(data)
            file.flush()
            return sandbox.draw(Path(file.name), known.key, page)

    def names(self) -> list[str]:
        """Every collection, whoever may see something in it."""
        return self._collections.names()

    def opened(self, name: str) -> Collection:
        """A collection itself, for what is kept beside it. Raises NotFoundError, which names no other collection."""
        if name not in self._collections.names():
            raise NotFoundError(f"There is no collection {name!r}.", fix="See: rightsized search list")
        return self._collections.open(name)

    def close(self) -> None:
        """Close what was opened."""
        self._collections.close()

    def collection(self, name: str) -> Collection:
        """A collection whole, for its owner's work: calibration. Raises NotFoundError."""
        return self._collections.open(name)

    def encoder(self, name: str) -> Encoder:
        """The encoder of a collection. Raises NotFoundError."""
        return self._collections.open(name).encoder

    def ranking(self, name: str, caller: Caller) -> Ranking:
        """The collection's learned ordering where it has one, else the default; and the reranker."""
        collection = self._collections.open(name)
        return Ranking(
            ordering=self._orderings.of(collection.folder, collection.encoder.digest),
            reranker=self._reranking.of(name, caller),
            budget=self._reranking.budget,
        )


def _check(question: Question) -> None:
    """Raises InputError where a question is too long or its page cannot be shown."""
    if len(question.text) > MOST_CHARS:
        raise InputError(f"The question has {len(question.text):,} characters; {MOST_CHARS:,} is the most.")
    if not 1 <= question.limit <= MOST_HITS or question.offset < 0:
        raise InputError(f"`limit` is 1 to {MOST_HITS}, and `offset` at least 0.")
