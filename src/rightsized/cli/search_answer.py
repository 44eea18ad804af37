"""`rightsized search answer`: what the documents say to a question, in their sentences or a model's, with places."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from rightsized.cli.commands import Result
from rightsized.cli.search_opened import answering, asking, writing
from rightsized.cli.search_query import AskOptions, asker

if TYPE_CHECKING:
    from rightsized.apps.search.answer.records import Method
    from rightsized.core.config import Config
    from rightsized.server.documents.answer_bodies import AnswerRequest, AnswerResponse, AnswerSentence, Citation


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(AskOptions):
    written: Annotated[
        bool,
        typer.Option("--written", help="Let a model of [[tiers]] write, each sentence checked against its passage."),
    ] = False


def answer(options: AnswerOptions) -> Result:
    """Answer a question with sentences of the documents, each with its page and place; or say that none fits."""
    found = _asked(options, options.settings())
    return Result(msgspec.to_builtins(found), told(found))


def _asked(options: AnswerOptions, config: Config) -> AnswerResponse:
    """What a written answer needs is open in the server, where one runs."""
    from rightsized.core.errors import HomeLockedError
    from rightsized.server.documents.answer_bodies import AnswerRequest, AnswerResponse
    from rightsized.store.home import Home
    from rightsized.tasks.remote import find_server

    principals = asker(options.as_)
    method: Method = "write" if options.written else "extract"
    asked = AnswerRequest(
        options.collection, options.question, options.limit, principals=principals, scope=options.scope, method=method
    )
    promised = _promised(config, options.collection)
    server = None
    if options.written or promised:
        # Whoever else writes to the home keeps nobody from an extract; it is without a promise then.
        with nullcontext() if options.written else suppress(HomeLockedError):
            server = find_server(Home(config.home))
    if server is not None:
        return msgspec.convert(server.answer(msgspec.to_builtins(asked)), AnswerResponse)
    return asyncio.run(_here(asked, config, promised))


def _promised(config: Config, collection: str) -> bool:
    """Whether extracts have a certificate, so that they belong on record."""
    from rightsized.apps.search.answer.promises import path_of
    from rightsized.apps.search.index.collection import folder_of
    from rightsized.store.home import Home

    return path_of(folder_of(Home(config.home), collection), "extract").is_file()


async def _here(asked: AnswerRequest, config: Config, promised: bool) -> AnswerResponse:
    from rightsized.apps.search.query.results import Settings
    from rightsized.apps.search.service import FACETS, Question
    from rightsized.server.documents.answering import answer_response

    question = Question(asked.question, limit=asked.limit, settings=Settings(scope=asked.scope, facets=FACETS))
    opened = writing if asked.method == "write" else answering if promised else asking
    async with opened(config) as service:
        found = await service.answer(asked.collection, question, asked.principals or (), method=asked.method)
    return answer_response(asked.collection, found)


def told(found: AnswerResponse) -> Text:
    """An answer for people."""
    lines: list[Any] = [f"{note}\n" for note in (*found.search.notes, *found.notes)]
    if found.search.scope.documents:
        lines.append(f"In {', '.join(found.search.scope.titles)} only, which the question names.\n")
    if found.status == "abstained":
        lines.append("Nothing that you may see answers this well enough.\n")
        if found.extract:
            lines.append("What comes nearest in the documents:\n")
            lines += [piece for one in found.extract for piece in _said(one)]
        lines.append(f'The passages that come nearest: rightsized search query {found.collection} "..."\n')
        return Text.assemble(*lines, end="")
    lines += [piece for one in found.sentences for piece in _said(one)]
    lines += ["\n", f"{trust(found)}\n"]
    return Text.assemble(*lines, end="")


def trust(found: AnswerResponse) -> str:
    """How far an answer can be relied on."""
    if found.state == "certified":
        return found.promise
    who = f" Written by {found.written.tier}, decision {found.written.decision}." if found.written else ""
    return f"The passage is right with a probability of {found.probability:.0%}, estimated.{who} {found.promise}"


def _said(one: AnswerSentence) -> list[Any]:
    places = [(f"    {_place(cited)}\n", "dim") for cited in one.citations]
    return ["\n", (" ".join(one.text.split()), "bold"), "\n", *places]


def _place(cited: Citation) -> str:
    from rightsized.apps.search.places import page_name

    where = f"{page_name(cited.document.media_type)} {cited.page}" if cited.page else ""
    parts = [cited.document.key, where, " > ".join(cited.headings)]
    return f"{'  '.join(part for part in parts if part)}  [{cited.place.start}:{cited.place.end}]"
