"""`rightsized search answer`: what the documents say to a question, in their own sentences, each with its place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from rich.text import Text

from rightsized.cli.commands import Result
from rightsized.cli.search_opened import asking
from rightsized.cli.search_query import AskOptions, asker

if TYPE_CHECKING:
    from rightsized.apps.search.answer.records import Answer, Cited


def answer(options: AskOptions) -> Result:
    """Answer a question with sentences of the documents, each with its page and place; or say that none fits."""
    from rightsized.apps.search.query.results import Settings
    from rightsized.apps.search.service import FACETS, Question
    from rightsized.server.documents.answering import answer_response

    principals = asker(options.as_)
    settings = Settings(scope=options.scope, facets=FACETS)
    question = Question(options.question, limit=options.limit, settings=settings)

    async def ask() -> Answer:
        async with asking(options.settings()) as service:
            return await service.answer(options.collection, question, principals)

    found = asyncio.run(ask())
    return Result(msgspec.to_builtins(answer_response(options.collection, found)), told(options.collection, found))


def told(collection: str, found: Answer) -> Text:
    """An answer for people."""
    lines: list[Any] = [f"{note}\n" for note in (*found.results.notes, *found.notes)]
    if found.results.scope.documents:
        lines.append(f"In {', '.join(found.results.scope.titles)} only, which the question names.\n")
    if found.status == "abstained":
        lines.append("Nothing that you may see answers this well enough.\n")
        lines.append(f'The passages that come nearest: rightsized search query {collection} "..."\n')
        return Text.assemble(*lines, end="")
    for one in found.sentences:
        lines += ["\n", (" ".join(one.text.split()), "bold"), "\n"]
        lines += [(f"    {_place(cited)}\n", "dim") for cited in one.citations]
    lines += ["\n", f"Of such extracts about {found.probability:.0%} answered public test questions. {found.promise}\n"]
    return Text.assemble(*lines, end="")


def _place(cited: Cited) -> str:
    document, passage, mark = cited.found.document, cited.found.passage, cited.mark
    page = mark.boxes[0].page if mark.boxes else passage.page
    parts = [document.key, f"page {page}" if page else "", " > ".join(passage.path)]
    return f"{'  '.join(part for part in parts if part)}  [{mark.start}:{mark.end}]"
