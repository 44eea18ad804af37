"""`rightsized search clauses`, `summary` and `context`: one document, or several, longer than anybody wants to read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from rightsized.cli.commands import Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.search_opened import asking, writing
from rightsized.cli.search_query import AsOptions, asker
from rightsized.cli.tables import aligned

if TYPE_CHECKING:
    from rightsized.apps.search.long.records import Clause, ClauseRanking, Packed, Summary
    from rightsized.apps.search.long.service import Asking
    from rightsized.apps.search.service import SearchService
    from rightsized.server.documents.long_bodies import SummaryResponse
    from rightsized.tasks.remote import RunningServer

_BELOW_SHOWN = 5  # clauses below the line, listed for people; --json gives all


@dataclass(frozen=True, kw_only=True)
class DocumentOptions(AsOptions):
    """What every command on a document takes."""

    document: Annotated[str, typer.Argument(help="The document: its id, path, file name or title.")]


@dataclass(frozen=True, kw_only=True)
class ClausesOptions(DocumentOptions):
    question: Annotated[str, typer.Argument(help="What the clauses are to be about, in your own words.")]
    limit: Annotated[int, typer.Option(help="Clauses shown whole.", min=1, max=100)] = 10


@dataclass(frozen=True, kw_only=True)
class ContextOptions(DocumentOptions):
    question: Annotated[str, typer.Argument(help="What the model is to be asked.")]
    budget: Annotated[int, typer.Option(help="Most tokens, by the collection's encoder.", min=32)] = 2000


@dataclass(frozen=True, kw_only=True)
class SummaryOptions(DocumentOptions):
    question: Annotated[str, typer.Option(help="What the summary is for. Default: everything.")] = ""
    budget: Annotated[int, typer.Option(help="Most tokens of the summary of the whole.", min=32, max=4000)] = 300
    each: Annotated[int, typer.Option(help="Sentences of each section.", min=1, max=10)] = 2
    written: Annotated[bool, typer.Option("--written", help="Let a model write it, part by part, each checked.")] = (
        False
    )
    seconds: Annotated[float, typer.Option(help="Most seconds that a model may take for all parts.", min=1)] = 900.0


def clauses(options: ClausesOptions) -> Result:
    """Rank every clause of a document by how much it matters; says what was left below the line."""
    from rightsized.server.documents.long import clauses_response

    async def ask() -> ClauseRanking:
        async with asking(options.settings()) as service:
            asked, document = await _named(service, options)
            return await service.long.clauses(asked, [document], options.question, options.limit)

    found = asyncio.run(ask())
    return Result(msgspec.to_builtins(clauses_response(options.collection, found)), _told_clauses(found))


def context(options: ContextOptions) -> Result:
    """Pack what matters to a question of a document into a budget of tokens, for a model to read."""
    from rightsized.server.documents.long import context_response

    async def ask() -> Packed:
        async with asking(options.settings()) as service:
            asked, document = await _named(service, options)
            return await service.long.packed(asked, [document], options.question, options.budget)

    found = asyncio.run(ask())
    return Result(msgspec.to_builtins(context_response(options.collection, found)), found.text)


def summary(options: SummaryOptions) -> Result:
    """Summarise a document in its own sentences, section by section; or let a model write it with --written."""
    from rightsized.apps.search.long.summary import Wanted
    from rightsized.server.documents.long import summary_response

    if options.written:
        return _written(options)

    async def ask() -> Summary:
        async with asking(options.settings()) as service:
            asked, document = await _named(service, options)
            return await service.long.summary(asked, document, Wanted(options.question, options.budget, options.each))

    found = asyncio.run(ask())
    return Result(msgspec.to_builtins(summary_response(options.collection, found)), _told_summary(found))


def _written(options: SummaryOptions) -> Result:
    """What writes is open in the server, where one runs."""
    from rightsized.store.home import Home
    from rightsized.tasks.remote import find_server

    server = find_server(Home(options.settings().home))
    found = _by_server(options, server) if server is not None else asyncio.run(_here(options))
    return Result(msgspec.to_builtins(found), _told_written(found), 0 if found.sentences else 1)


async def _here(options: SummaryOptions) -> SummaryResponse:
    from rightsized.server.documents.long import written_response

    async with writing(options.settings()) as service:
        asked, document = await _named(service, options)
        with progress_bars(options.json) as progress:
            found = await service.long.written(
                asked, document, options.question, seconds=options.seconds, progress=progress
            )
    return written_response(options.collection, found)


def _by_server(options: SummaryOptions, server: RunningServer) -> SummaryResponse:
    from rightsized.server.documents.long_bodies import SummaryRequest, SummaryResponse

    async def named() -> tuple[Asking, str]:
        async with asking(options.settings()) as service:
            return await _named(service, options)

    asked, document = asyncio.run(named())
    body = SummaryRequest(
        options.collection,
        document,
        options.question,
        written=True,
        seconds=options.seconds,
        principals=tuple(asked.principals),
    )
    return msgspec.convert(server.summary(msgspec.to_builtins(body), options.seconds), SummaryResponse)


async def _named(service: SearchService, options: DocumentOptions) -> tuple[Asking, str]:
    """As whom it is asked, and the id of the document that was named. Raises NotFoundError, InputError."""
    from rightsized.apps.search.long.resolving import document_named
    from rightsized.apps.search.long.service import Asking

    principals = asker(options.as_)
    view = await asyncio.to_thread(service.view, options.collection, principals)
    document = await asyncio.to_thread(document_named, view, options.document)
    return Asking(options.collection, principals), document.id


def _told_clauses(found: ClauseRanking) -> Text:
    lines: list[Any] = [f"{note}\n" for note in found.notes]
    for one in found.ranked:
        first, last = one.sentence.start - one.clause.start, one.sentence.end - one.clause.start
        text = one.text
        lines += ["\n", (f"{one.place}. {_heading(one.clause)}", "bold"), f"  {one.clause.score:.2f}\n"]
        lines += [(f"{_where(one.clause)}\n", "dim")]
        lines += [text[:first], (text[first:last], "bold underline"), text[last:], "\n"]
    below = f"All {found.clauses:,} clauses were scored; {len(found.below):,} stand below the line."
    lines += ["\n", below if found.below else f"All {found.clauses:,} clauses were scored.", "\n"]
    if found.below:
        rows = [[f"{one.score:.2f}", _heading(one), _where(one)] for one in found.below[:_BELOW_SHOWN]]
        lines += [aligned(["score", "next below", "place"], rows), "\n"]
    return Text.assemble(*lines, end="")


def _heading(clause: Clause) -> str:
    name = clause.path[-1] if clause.path else ""
    number = "" if name.startswith(clause.number) else clause.number
    return " · ".join(part for part in (number, name) if part) or "(no heading)"


def _where(clause: Clause) -> str:
    page = f"page {clause.page}" if clause.page else ""
    return "  ".join(part for part in (page, f"[{clause.start}:{clause.end}]") if part)


def _told_summary(found: Summary) -> Text:
    lines: list[Any] = [f"{note}\n" for note in found.notes]
    for one in found.sentences:
        lines += [" ".join(one.text.split()), (f"  [{one.mark.start}:{one.mark.end}]\n", "dim")]
    for section in found.sections:
        page = f"  page {section.page}" if section.page else ""
        name = " > ".join(section.path) or f"characters {section.start:,} to {section.end:,}"
        lines += ["\n", (name, "bold"), (f"{page}\n", "dim")]
        lines += [f"  {' '.join(one.text.split())}\n" for one in section.sentences]
    size = f"\n{found.passages:,} passages; {found.read:,} sentences of the most central ones were compared.\n"
    return Text.assemble(*lines, size, end="")


def _told_written(found: SummaryResponse) -> Text:
    lines: list[Any] = []
    for one in found.sentences:
        places = "; ".join(dict.fromkeys(_place(cited.headings, cited.place.start) for cited in one.citations))
        lines += [one.text, (f"  {places}\n", "dim")]
    lines = lines or ["Nothing that was written may be shown.\n"]
    lines += [f"\n{note}" for note in found.notes]
    for part in found.unread:
        lines += [f"\nNot read: {' > '.join(part.headings)} [{part.start}:{part.end}]: {part.reason}"]
    maps = sum(one.kind == "map" for one in found.steps)
    lines += [f"\n{maps:,} parts read and {len(found.steps) - maps:,} times joined. {found.promise}\n"]
    return Text.assemble(*lines, end="")


def _place(path: tuple[str, ...], start: int) -> str:
    return f"{path[-1] if path else 'character'} [{start:,}]"
