"""`rightsized search suggest` and `search similar`: how a question may go on, and documents that are like one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from rightsized.cli.commands import Result
from rightsized.cli.search_opened import asking
from rightsized.cli.search_query import AsOptions, asker, told_hits
from rightsized.cli.tables import aligned
from rightsized.core.errors import NotFoundError

if TYPE_CHECKING:
    from rightsized.apps.search.protocols import View
    from rightsized.apps.search.query.suggesting import Suggestion
    from rightsized.apps.search.types import Hit

_KINDS = {"title": "a document", "word": "a word goes on", "spelling": "did you mean"}


@dataclass(frozen=True, kw_only=True)
class SuggestOptions(AsOptions):
    typed: Annotated[str, typer.Argument(help="What was typed so far.")]
    limit: Annotated[int, typer.Option(help="Most suggestions.", min=1, max=20)] = 8


@dataclass(frozen=True, kw_only=True)
class SimilarOptions(AsOptions):
    document: Annotated[str, typer.Argument(help="A document: its key, such as hr/leave.pdf, or its id.")]
    start: Annotated[
        int | None, typer.Option(help="Like its passage that holds this character, not all of it.", min=0)
    ] = None
    limit: Annotated[int, typer.Option(help="Most documents shown.", min=1, max=100)] = 5


def suggest(options: SuggestOptions) -> Result:
    """Say how a question may go on: titles, words of the documents, and what misspelt words were meant for."""

    async def ask() -> tuple[Suggestion, ...]:
        async with asking(options.settings()) as service:
            return await service.suggest(options.collection, options.typed, asker(options.as_), options.limit)

    found = asyncio.run(ask())
    text = aligned(["", ""], [[one.text, _KINDS[one.kind]] for one in found]).strip() if found else "Nothing."
    return Result({"collection": options.collection, "suggestions": msgspec.to_builtins(found)}, text)


def similar(options: SimilarOptions) -> Result:
    """Find documents that are like one: the best passage of each, best first."""
    from rightsized.apps.search.service import Like
    from rightsized.server.documents.bodies import SimilarResponse
    from rightsized.server.documents.handlers import passage

    async def ask() -> tuple[Hit, ...]:
        principals = asker(options.as_)
        async with asking(options.settings()) as service:
            document = document_of(service.view(options.collection, principals), options.document)
            like = Like(document, options.start, limit=options.limit)
            return await service.similar(options.collection, like, principals)

    hits = asyncio.run(ask())
    data = SimilarResponse(options.collection, tuple(passage(hit) for hit in hits))
    return Result(msgspec.to_builtins(data), told_hits(hits, "Nothing that you may see is like it."))


def document_of(view: View, given: str) -> str:
    """The id of a visible document, by id or key. Raises NotFoundError, InputError where a key is of several."""
    from rightsized.apps.search.types import Filters
    from rightsized.core.errors import InputError

    documents = view.documents(Filters())
    found = [one.id for one in documents if one.id == given] or [one.id for one in documents if one.key == given]
    if not found:
        raise NotFoundError(f"There is no document {given!r}.", fix="Keys and ids stand in: search query --json")
    if len(found) > 1:
        raise InputError(f"{len(found)} documents are called {given!r}.", fix=f"Name one by its id: {', '.join(found)}")
    return found[0]
