"""Long documents as the server and the command line use them: clauses, contexts and summaries, each for one asker.

Everything is read through the asker's view, before anything that is remembered is looked at. Summaries are remembered
in memory alone, by content: a copy on the disk would be one more place for deletion, erasure and permissions to reach.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec.structs import replace

from rightsized.apps.search.index.pacing import paced
from rightsized.apps.search.long.clauses import rank_clauses
from rightsized.apps.search.long.counting import Counter, counter_of
from rightsized.apps.search.long.records import ClauseRanking, Packed, Summary, WrittenSummary
from rightsized.core.errors import InputError
from rightsized.core.generation import Caller
from rightsized.core.protocols import Encoder, Progress, no_progress

if TYPE_CHECKING:
    from rightsized.apps.search.long.packing import Packing
    from rightsized.apps.search.long.summary import Wanted
    from rightsized.apps.search.protocols import View
    from rightsized.apps.search.query.results import Ranking
    from rightsized.tasks.writing import Writers

MOST_CLAUSES = 100  # above the line
MOST_DOCUMENTS = 20  # in one question
MOST_BUDGET = 100_000  # tokens of a context
MOST_CHARS = 4_000  # of a question
KEPT = 256  # summaries remembered: some kilobytes each


class Opened(Protocol):
    """What the collections of a home give to whoever may see them; `apps.search.service` is it."""

    writers: Writers

    def view(self, name: str, principals: Sequence[str]) -> View: ...

    def encoder(self, name: str) -> Encoder: ...

    def ranking(self, name: str, caller: Caller) -> Ranking: ...


class Asking(NamedTuple):
    """Of which collection, as whom."""

    collection: str
    principals: Sequence[str]
    caller: Caller = Caller()


class LongDocuments:
    """Answers for the documents of a home."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._kept = _Kept()

    async def clauses(self, asking: Asking, documents: Sequence[str], question: str, limit: int = 10) -> ClauseRanking:
        """Every clause of documents, by how much it matters to a question. Paced.

        Raises NotFoundError (a document is not there for this asker), InputError, BusyError.
        """
        _check(documents, question)
        if not 1 <= limit <= MOST_CLAUSES:
            raise InputError(f"`limit` is 1 to {MOST_CLAUSES}.")
        began = time.perf_counter()
        try:
            view = await asyncio.to_thread(self._opened.view, asking.collection, asking.principals)
            encoder, ranking = self._encoder(asking), self._ranking(asking)
            return await rank_clauses(view, question, documents, encoder=encoder, limit=limit, ranking=ranking)
        finally:
            await paced(began)

    async def packed(
        self,
        asking: Asking,
        documents: Sequence[str],
        question: str,
        budget: int,
        *,
        counter: Counter | None = None,
        packing: Packing | None = None,
    ) -> Packed:
        """What matters to a question of documents, in at most `budget` tokens. Paced; raises as `clauses`.

        `counter` is that of the model which will read it; without one the encoder's tokenizer counts.
        """
        from rightsized.apps.search.long.packing import DEFAULT, pack

        _check(documents, question)
        if budget > MOST_BUDGET:
            raise InputError(f"A budget of {budget:,} tokens is too large; {MOST_BUDGET:,} is the most.")
        began = time.perf_counter()
        try:
            view = await asyncio.to_thread(self._opened.view, asking.collection, asking.principals)
            encoder = self._encoder(asking)
            return await pack(
                view, question, documents, budget, counter=counter or counter_of(encoder), encoder=encoder,
                ranking=self._ranking(asking), packing=packing or DEFAULT,
            )  # fmt: skip
        finally:
            await paced(began)

    async def summary(self, asking: Asking, document: str, wanted: Wanted) -> Summary:
        """A document in its own sentences. Paced; raises NotFoundError, BusyError."""
        from rightsized.apps.search.long.summary import summarise

        _check([document], wanted.question)
        began = time.perf_counter()
        try:
            view = await asyncio.to_thread(self._opened.view, asking.collection, asking.principals)
            known = await asyncio.to_thread(view.document, document)
            encoder = self._encoder(asking)
            key = asking.collection, known.id, known.content, view.encoder, encoder.digest, wanted
            kept = self._kept.get(key)
            if kept is None:
                kept = await summarise(view, document, wanted, counter=counter_of(encoder), encoder=encoder)
                self._kept.put(key, kept)
            return replace(kept, document=known)  # it may have moved, or be shown to others, since
        finally:
            await paced(began)

    async def written(
        self,
        asking: Asking,
        document: str,
        question: str = "",
        *,
        seconds: float = 0.0,
        progress: Progress = no_progress,
    ) -> WrittenSummary:
        """A document as a model tells it, every sentence traced to passages; in `seconds`, 0 for the default.

        Raises as `write_summary`.
        """
        from rightsized.apps.search.long.written import LIMITS, write_summary

        _check([document], question)
        view = await asyncio.to_thread(self._opened.view, asking.collection, asking.principals)
        await asyncio.to_thread(view.document, document)  # who may not see it is told no more than that
        writer = self._opened.writers(asking.collection, asking.caller)
        limits = LIMITS._replace(seconds=seconds or LIMITS.seconds)
        return await write_summary(view, document, question, writer=writer, limits=limits, progress=progress)

    def _encoder(self, asking: Asking) -> Encoder:
        return self._opened.encoder(asking.collection)

    def _ranking(self, asking: Asking) -> Ranking:
        return self._opened.ranking(asking.collection, asking.caller)


class _Kept:
    """The summaries made last."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[Hashable, Summary] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Summary | None:
        with self._lock:
            if key in self._by_key:
                self._by_key.move_to_end(key)
            return self._by_key.get(key)

    def put(self, key: Hashable, made: Summary) -> None:
        with self._lock:
            self._by_key[key] = made
            while len(self._by_key) > KEPT:
                self._by_key.popitem(last=False)


def _check(documents: Sequence[str], question: str) -> None:
    """Raises InputError."""
    if not 1 <= len(documents) <= MOST_DOCUMENTS:
        raise InputError(f"{len(documents)} documents were named; 1 to {MOST_DOCUMENTS} can be.")
    if len(question) > MOST_CHARS:
        raise InputError(f"The question has {len(question):,} characters; {MOST_CHARS:,} is the most.")
