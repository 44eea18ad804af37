"""Document search as the server and the command line use it: collections by name, each question for one asker.

Nothing is read but through a view, and no view is made without the asker's principals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rightsized.apps.search.collections import Collections
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.results import Ranking, Results, Settings
from rightsized.apps.search.types import Filters
from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.frozen import Frozen

MOST_HITS = 100  # of one page of results
MOST_CHARS = 4_000  # of a question
FACETS = ("type", "folder", "author")  # counted where nobody says which


class Question(Frozen, frozen=True):
    """What is asked of a collection: the words, what narrows them, which page of the results, and how."""

    text: str
    filters: Filters = Filters()
    limit: int = 10
    offset: int = 0
    settings: Settings = Settings(facets=FACETS)


class VisibleCollection(Frozen, frozen=True):
    """A collection and how many of its documents the asker may see."""

    name: str
    documents: int


class SearchService:
    """The collections of a home, open for questions.

    Args:
        collections: opened here as they are asked for, and closed by `close`.
    """

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def collections(self, principals: Sequence[str]) -> list[VisibleCollection]:
        """Collections that hold something which the asker may see, by name: others are not named."""
        found = [
            VisibleCollection(name, len(self.view(name, principals).documents(Filters())))
            for name in self._collections.names()
        ]
        return [one for one in found if one.documents]

    def view(self, name: str, principals: Sequence[str]) -> View:
        """What an asker may see of a collection. Raises NotFoundError, which names no other collection."""
        if name not in self._collections.names():
            raise NotFoundError(f"There is no collection {name!r}.", fix="See: rightsized search list")
        return self._collections.open(name).view(principals)

    async def search(self, name: str, question: Question, principals: Sequence[str]) -> Results:
        """The passages that answer best. Raises NotFoundError, InputError, BusyError."""
        from rightsized.apps.search.query.search import search

        if len(question.text) > MOST_CHARS:
            raise InputError(f"The question has {len(question.text):,} characters; {MOST_CHARS:,} is the most.")
        if not 1 <= question.limit <= MOST_HITS or question.offset < 0:
            raise InputError(f"`limit` is 1 to {MOST_HITS}, and `offset` at least 0.")
        view = await asyncio.to_thread(self.view, name, principals)
        return await search(
            view,
            question.text,
            encoder=self._collections.open(name).encoder,
            filters=question.filters,
            limit=question.limit,
            offset=question.offset,
            settings=question.settings,
            ranking=Ranking(),
        )

    def close(self) -> None:
        """Close what was opened."""
        self._collections.close()
