"""`rightsized search query`: what a collection says to a question, as one asker may see it."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from rightsized.cli.commands import Common, Result
from rightsized.cli.search_opened import asking
from rightsized.core.errors import InputError

if TYPE_CHECKING:
    from rightsized.apps.search.query.results import Results
    from rightsized.apps.search.types import Hit


@dataclass(frozen=True, kw_only=True)
class AsOptions(Common):
    """What everything asked of a collection takes."""

    collection: Annotated[str, typer.Argument(help="Name of the collection.")]
    as_: Annotated[
        list[str] | None,
        typer.Option("--as", help="See as user:NAME, group:NAME or everyone; may be repeated. Default: your login."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AskOptions(AsOptions):
    """What every question to a collection takes."""

    question: Annotated[str, typer.Argument(help="A question, in your own words or with search syntax.")]
    limit: Annotated[int, typer.Option(help="Most passages shown.", min=1, max=100)] = 5
    scope: Annotated[
        bool, typer.Option("--scope/--no-scope", help="Search in documents alone that the question names.")
    ] = True


@dataclass(frozen=True, kw_only=True)
class QueryOptions(AskOptions):
    offset: Annotated[int, typer.Option(help="Passages passed over.", min=0)] = 0
    filter: Annotated[
        list[str] | None, typer.Option(help="Only documents with FIELD=VALUE, such as type=pdf; may be repeated.")
    ] = None
    by_document: Annotated[bool, typer.Option("--by-document", help="One passage a document.")] = False
    half_life_days: Annotated[
        float, typer.Option(help="After so many days a document has lost half of what age can take; 0: nothing.", min=0)
    ] = 0.0


def query(options: QueryOptions) -> Result:
    """Find the passages that answer a question, each with its document, page and place."""
    from rightsized.apps.search.query.results import Settings
    from rightsized.apps.search.service import FACETS, Question
    from rightsized.apps.search.types import Filters
    from rightsized.server.documents.handlers import response

    principals, age = asker(options.as_), options.half_life_days
    settings = Settings(scope=options.scope, by_document=options.by_document, half_life_days=age, facets=FACETS)
    filters = Filters(fields=fields_of(options.filter or []))
    question = Question(options.question, filters, options.limit, options.offset, settings)

    async def ask() -> Results:
        async with asking(options.settings()) as service:
            return await service.search(options.collection, question, principals)

    found = asyncio.run(ask())
    return Result(msgspec.to_builtins(response(options.collection, found)), _told(found))


def asker(given: list[str] | None) -> tuple[str, ...]:
    """The principals that were named, or those of this login. Raises InputError, NotFoundError."""
    from rightsized.apps.search.access import principals_of_login
    from rightsized.core.principals import checked

    return checked(given) if given else principals_of_login(getpass.getuser())


def fields_of(given: list[str]) -> dict[str, tuple[str, ...]]:
    """Filters as they are typed, FIELD=VALUE. Raises InputError."""
    fields: dict[str, tuple[str, ...]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise InputError(f"{one!r} is no filter.", fix="Write FIELD=VALUE, such as --filter type=pdf.")
        fields[name] = (*fields.get(name, ()), value)
    return fields


def _told(found: Results) -> Text:
    lines: list[Any] = []
    if found.scope.documents:
        lines += [f"In {', '.join(found.scope.titles)} only, which the question names (--no-scope searches all).\n"]
    lines += [f"Nothing visible has “{one.word}”; searched for “{one.meant}” too.\n" for one in found.corrections]
    lines += [f"{note}\n" for note in found.notes]
    return Text.assemble(*lines, told_hits(found.hits, "Nothing that you may see answers this."), end="")


def told_hits(hits: Sequence[Hit], nothing: str) -> Text:
    """Hits for people, numbered; `nothing` where there are none."""
    lines: list[Any] = [] if hits else [f"{nothing}\n"]
    for number, hit in enumerate(hits, 1):
        lines += ["\n", *_hit(number, hit)]
    return Text.assemble(*lines, end="")


def _hit(number: int, hit: Hit) -> list[Any]:
    from rightsized.apps.search.places import place

    document, passage = hit.found.document, hit.found.passage
    where = [document.key, place(document, passage.page), " > ".join(passage.path)]
    head = f"{number}. {document.title or document.key}"
    there = f"{'  '.join(part for part in where if part)}  [{passage.start}:{passage.end}]"
    return [(head, "bold"), f"  {hit.score:.2f}\n", (f"{there}\n", "dim"), *_marked(hit), "\n"]


def _marked(hit: Hit) -> list[Any]:
    """The passage's text with its highlights in bold."""
    passage, at = hit.found.passage, hit.found.passage.start
    pieces: list[Any] = []
    for mark in sorted(hit.highlights, key=lambda one: one.start):
        low, high = max(mark.start, at), min(mark.end, passage.end)
        if low < high:
            pieces += [passage.text[at - passage.start : low - passage.start]]
            pieces += [(passage.text[low - passage.start : high - passage.start], "bold underline")]
            at = high
    return [*pieces, passage.text[at - passage.start :]]
