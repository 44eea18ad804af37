"""The pages of one long document: which of its clauses matter for a question, and its summary, section by section."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.responses import Response

from rightsized.apps.search.long.records import Clause, ClauseRanking, RankedClause, Section, Sentence, Summary
from rightsized.apps.search.long.service import Asking
from rightsized.apps.search.long.summary import Wanted
from rightsized.apps.search.service import SearchService
from rightsized.core.errors import RightsizedError
from rightsized.server import problems
from rightsized.server.console.request import Asked
from rightsized.server.documents.handlers import principals_of
from rightsized.tasks.accesses import documents_seen

Show = Callable[..., Response]
RANKED = 10  # clauses shown whole


class Shown(NamedTuple):
    """A stretch of text; `marked` where it is the sentence that answers best."""

    text: str
    marked: bool


class ClauseView(NamedTuple):
    """A clause as the page shows it; `pieces` are empty below the line."""

    heading: str
    where: str
    address: str
    score: float
    pieces: tuple[Shown, ...] = ()


class SentenceView(NamedTuple):
    text: str
    address: str


class SectionView(NamedTuple):
    heading: str
    where: str
    sentences: tuple[SentenceView, ...]


class LongPages:
    """Answers `/search/{name}/{id}/clauses` and `/summary`. `show` renders a template with what every page needs."""

    def __init__(self, service: SearchService, show: Show) -> None:
        self._service, self._show = service, show

    async def clauses(self, asked: Asked) -> Response:
        """Every clause of the document for the question in `q`; without one, an empty box."""
        name, text = asked.path["name"], asked.query.get("q", "").strip()
        asking = Asking(name, principals_of(asked.identity), asked.caller)
        view = await asyncio.to_thread(self._service.view, name, asking.principals)
        document = await asyncio.to_thread(view.document, asked.path["id"])
        await self._service.seen(documents_seen(asked.identity, "document", name, [document.id]))
        shown = {"name": name, "document": document, "question": text, "found": None, "problem": None}
        if not text:
            return self._show("clauses.html", **shown)
        try:
            found = await self._service.long.clauses(asking, [document.id], text, RANKED)
        except RightsizedError as error:
            problem, _ = problems.from_error(error, f"/search/{name}/{document.id}/clauses")
            return self._show("clauses.html", http=problem.status, **{**shown, "problem": problem})
        here = _Here(name, document.id, text)
        ranked = [here.clause(one.clause, pieces(one)) for one in found.ranked]
        below = [here.clause(one) for one in found.below]
        return self._show("clauses.html", **{**shown, "found": found}, ranked=ranked, below=below, lead=lead(found))

    async def summary(self, asked: Asked) -> Response:
        """The document in its own sentences, for the question in `q` where there is one."""
        name, text = asked.path["name"], asked.query.get("q", "").strip()
        asking = Asking(name, principals_of(asked.identity), asked.caller)
        found = await self._service.long.summary(asking, asked.path["id"], Wanted(text))
        await self._service.seen(documents_seen(asked.identity, "document", name, [found.document.id]))
        here = _Here(name, found.document.id, text)
        return self._show(
            "summary.html",
            name=name,
            document=found.document,
            question=text,
            found=found,
            sentences=[here.sentence(one) for one in found.sentences],
            sections=[here.section(one) for one in found.sections],
            told=told(found),
        )


class _Here(NamedTuple):
    """Addresses in one document."""

    name: str
    document: str
    question: str

    def at(self, start: int, end: int) -> str:
        query = {"start": start, "end": end, **({"q": self.question} if self.question else {})}
        return f"/search/{self.name}/{self.document}?{urlencode(query)}#here"

    def clause(self, one: Clause, text: tuple[Shown, ...] = ()) -> ClauseView:
        heading = one.path[-1] if one.path else ""
        number = "" if heading.startswith(one.number) else one.number
        named = " · ".join(part for part in (number, heading) if part)
        parts = [f"page {one.page}" if one.page else "", " › ".join(one.path[:-1])]
        where = " · ".join(part for part in parts if part)
        return ClauseView(
            named or f"Characters {one.start:,} to {one.end:,}", where, self.at(one.start, one.end), one.score, text
        )

    def sentence(self, one: Sentence) -> SentenceView:
        return SentenceView(" ".join(one.text.split()), self.at(one.mark.start, one.mark.end))

    def section(self, one: Section) -> SectionView:
        heading = " › ".join(one.path) or f"Characters {one.start:,} to {one.end:,}"
        where = f"page {one.page}" if one.page else ""
        return SectionView(heading, where, tuple(map(self.sentence, one.sentences)))


def pieces(one: RankedClause) -> tuple[Shown, ...]:
    """The text of a clause with its best sentence marked."""
    first, last = one.sentence.start - one.clause.start, one.sentence.end - one.clause.start
    cut = (Shown(one.text[:first], False), Shown(one.text[first:last], True), Shown(one.text[last:], False))
    return tuple(piece for piece in cut if piece.text)


def lead(found: ClauseRanking) -> str:
    """What was ranked, in a sentence."""
    if not found.below:
        return f"All {found.clauses:,} clauses, those that matter most first."
    return f"All {found.clauses:,} clauses were read; the {len(found.ranked):,} that matter most stand first."


def told(found: Summary) -> str:
    """How the summary came about, in a sentence."""
    return (
        f"Sentences of the document itself: the most central of {found.passages:,} passages, of which {found.read:,} "
        "sentences were compared. Nothing was written."
    )
