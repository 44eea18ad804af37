"""The pages of document search: which collections there are, what answers a question, and documents with words marked.

What may be seen is decided by the view; these pages only show it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.responses import Response

from rightsized.apps.search.answer.records import Answer, Method
from rightsized.apps.search.places import page_name, place
from rightsized.apps.search.query.highlighting import mark
from rightsized.apps.search.query.results import Results, Settings
from rightsized.apps.search.service import FACETS, Like, Question, SearchService
from rightsized.apps.search.types import Document, Facet, Filters, Found, Highlight, Hit
from rightsized.core.errors import NotFoundError, RightsizedError
from rightsized.core.generation import Caller
from rightsized.parsers.wire import Page
from rightsized.server import problems
from rightsized.server.console.request import Asked
from rightsized.server.console.search_answer import answer_view
from rightsized.server.documents.handlers import note_hits, principals_of
from rightsized.server.guards import PAGE_HEADERS
from rightsized.tasks.accesses import documents_seen

Show = Callable[..., Response]
PAGE = 10  # hits of one page
MOST_OFFSET = 1000
FACET_VALUES = 8  # shown of one field
KINDS = {
    "wordprocessingml": "Word", "spreadsheetml": "Excel", "presentationml": "PowerPoint", "pdf": "PDF", "html": "HTML",
    "markdown": "Markdown", "rfc822": "mail", "mbox": "mailbox", "plain": "text", "csv": "table", "zip": "archive",
}  # fmt: skip


class Piece(NamedTuple):
    """A stretch of text, marked or not. `first`: where the page should be opened."""

    text: str
    marked: bool
    first: bool = False


class HitView(NamedTuple):
    """One hit as the page shows it: where it is, its text in pieces, and where the whole document stands."""

    title: str
    where: str
    address: str
    pieces: list[Piece]
    scores: str


class Choice(NamedTuple):
    """A value of a facet, as it is shown, how many documents have it, whether it is chosen, where a click leads."""

    value: str
    shown: str
    documents: int
    chosen: bool
    address: str


class SearchPages:
    """Answers `/search` and what is beneath. `show` renders a template with what every page needs."""

    def __init__(self, service: SearchService, show: Show) -> None:
        self._service, self._show = service, show

    async def collections(self, asked: Asked) -> Response:
        """Every collection that holds something for whoever asks."""
        principals = principals_of(asked.identity)
        found = await asyncio.to_thread(self._service.collections, principals)
        return self._show("collections.html", collections=found, principals=principals)

    async def results(self, asked: Asked) -> Response:
        """What answers the question in `q`; without one, an empty box."""
        name, text = asked.path["name"], asked.query.get("q", "").strip()
        principals = principals_of(asked.identity)
        await asyncio.to_thread(self._service.view, name, principals)  # an unknown collection is a problem page
        shown: dict[str, Any] = {"name": name, "question": text, "found": None, "problem": None, "hits": []}
        shown["writes"] = self._service.writes
        if not text:
            return self._show("search.html", **shown)
        chosen = {field: asked.query[field] for field in FACETS if asked.query.get(field)}
        offset = _offset(asked.query.get("from", ""))
        settings = Settings(facets=FACETS, scope=asked.query.get("scope") != "no")
        filters = Filters(fields={field: (value,) for field, value in chosen.items()})
        try:
            question = Question(text, filters, PAGE, offset, settings)
            method: Method = "write" if asked.query.get("answer") == "written" else "extract"
            found, said = await self._found(name, question, principals, asked.caller, method)
        except RightsizedError as error:
            shown["problem"], _ = problems.from_error(error, f"/search/{name}")
            return self._show("search.html", http=shown["problem"].status, **shown)
        await note_hits(self._service, asked.identity, name, found)
        here = Here(name, {"q": text, **chosen, **({"scope": "no"} if not settings.scope else {})})
        shown |= {
            "found": found,
            "lead": lead(found),
            "answer": answer_view(said, here) if said else None,
            "hits": [hit_view(hit, here) for hit in found.hits],
            "facets": choices(found.facets, chosen, here),
            "next": here.with_("from", str(offset + PAGE)) if offset + PAGE < found.total else "",
            "before": here.with_("from", str(max(0, offset - PAGE))) if offset else "",
            "lift": here.with_("scope", "no") if found.scope.documents else "",
        }
        return self._show("search.html", **shown)

    async def _found(
        self, name: str, question: Question, principals: Sequence[str], caller: Caller, method: Method
    ) -> tuple[Results, Answer | None]:
        """The results, and on their first page the answer that goes with them."""
        if question.offset:
            return await self._service.search(name, question, principals, caller), None
        said = await self._service.answer(name, question, principals, caller, method)
        return said.results, said

    async def document(self, asked: Asked) -> Response:
        """A document's text, with the characters `start` to `end` marked."""
        name, principals = asked.path["name"], principals_of(asked.identity)
        view = await asyncio.to_thread(self._service.view, name, principals)
        document = view.document(asked.path["id"])
        await self._service.seen(documents_seen(asked.identity, "document", name, [document.id]))
        passages = await asyncio.to_thread(view.passages, document.id)
        text = await asyncio.to_thread(view.text, document.id)
        start, end = _span(asked.query, len(text))
        boxes = mark(start, end, await asyncio.to_thread(view.lines, document.id)).boxes if end > start else ()
        page = boxes[0].page if boxes else page_of(passages, start) if end > start else 0
        return self._show(
            "document.html",
            name=name,
            document=document,
            kind=kind(document.media_type),
            part=page_name(document.media_type),
            question=asked.query.get("q", ""),
            pieces=marked(text, 0, len(text), [Highlight(start, end)] if end > start else []),
            page=page or (1 if document.pages else 0),
            image=_image(name, document, page, start, end),
        )

    async def similar(self, asked: Asked) -> Response:
        """Documents that are like one."""
        name, principals = asked.path["name"], principals_of(asked.identity)
        view = await asyncio.to_thread(self._service.view, name, principals)
        document = view.document(asked.path["id"])
        hits = await self._service.similar(name, Like(document.id, limit=PAGE), principals)
        ids = [document.id, *(hit.found.document.id for hit in hits)]
        await self._service.seen(documents_seen(asked.identity, "search", name, ids))
        question = asked.query.get("q", "")
        shown = [hit_view(hit, Here(name, {"q": question})) for hit in hits]
        return self._show("similar.html", name=name, document=document, question=question, hits=shown)

    async def page_image(self, asked: Asked) -> Response:
        """A page of a document as a picture."""
        page = asked.path["page"]
        if not (page.isascii() and page.isdigit() and len(page) < 6):
            raise NotFoundError(f"There is no page {page[:20]!r}.")
        name, principals = asked.path["name"], principals_of(asked.identity)
        wanted = await asyncio.to_thread(self._boxed, asked, int(page), principals)
        image = await asyncio.to_thread(self._service.page_image, name, asked.path["id"], wanted, principals)
        return Response(image.png, 200, dict(PAGE_HEADERS), "image/png")

    def _boxed(self, asked: Asked, page: int, principals: Sequence[str]) -> Page:
        view = self._service.view(asked.path["name"], principals)
        start, end = _span(asked.query, len(view.text(asked.path["id"])))
        return Page(page, mark(start, end, view.lines(asked.path["id"])).boxes if end > start else ())


class Here(NamedTuple):
    """The address of a page of results, and addresses near it."""

    name: str
    query: dict[str, str]

    def with_(self, field: str, value: str) -> str:
        """The same with one more parameter; without it where the value is empty."""
        kept = {**self.query, field: value}
        return f"/search/{self.name}?{urlencode({key: one for key, one in kept.items() if one})}"

    def document(self, found: Found, start: int, end: int) -> str:
        """Where a document is opened at a place."""
        query = urlencode({"start": start, "end": end, "q": self.query["q"]})
        return f"/search/{self.name}/{found.document.id}?{query}#here"


def hit_view(hit: Hit, here: Here) -> HitView:
    """One hit, ready to be shown."""
    document, passage = hit.found.document, hit.found.passage
    parts = [place(document, passage.page), " › ".join(passage.path)]
    return HitView(
        document.title or document.key,
        " · ".join(part for part in (document.key, *parts) if part),
        here.document(hit.found, passage.start, passage.end),
        marked(passage.text, passage.start, passage.end, hit.highlights),
        ", ".join(f"{part} {value:.2f}" for part, value in hit.scores.items()),
    )


def marked(text: str, start: int, end: int, highlights: Iterable[Highlight]) -> list[Piece]:
    """A text that stands at `start` to `end` of its document, cut at the highlights.

    >>> [piece.text for piece in marked("one two three", 100, 113, [Highlight(104, 107)])]
    ['one ', 'two', ' three']
    """
    pieces, at = list[Piece](), start
    for one in sorted(highlights, key=lambda mark: mark.start):
        low, high = max(one.start, at), min(one.end, end)
        if high <= low:
            continue
        if low > at:
            pieces.append(Piece(text[at - start : low - start], False))
        pieces.append(Piece(text[low - start : high - start], True, not any(piece.marked for piece in pieces)))
        at = high
    return [*pieces, Piece(text[at - start :], False)] if at < end else pieces


def choices(facets: Sequence[Facet], chosen: dict[str, str], here: Here) -> dict[str, list[Choice]]:
    """Facets by field, those with more than one value or a chosen one."""
    fields: dict[str, list[Choice]] = {}
    for one in facets:
        taken = chosen.get(one.field) == one.value
        address = here.with_(one.field, "" if taken else one.value)
        shown = kind(one.value) if one.field == "type" else one.value
        fields.setdefault(one.field, []).append(Choice(one.value, shown, one.count, taken, address))
    return {
        field: values[:FACET_VALUES]
        for field, values in fields.items()
        if len(values) > 1 or any(v.chosen for v in values)
    }


def kind(media_type: str) -> str:
    """A media type in a word.

    >>> kind("application/vnd.openxmlformats-officedocument.wordprocessingml.document"), kind("image/png")
    ('Word', 'image/png')
    """
    parts = media_type.replace("/", ".").replace("-", ".").split(".")
    return next((KINDS[part] for part in parts if part in KINDS), media_type)


def lead(found: Results) -> str:
    """What was found, in a sentence."""
    if not found.hits:
        return "Nothing that you may see answers this."
    count = f"{found.total:,}" + (" or more" if found.more else "")
    return f"{count} passages, the best first." if found.total != 1 else "One passage."


def _image(name: str, document: Document, page: int, start: int, end: int) -> str:
    """The address of a page's picture; empty where no page can be drawn."""
    if document.media_type != "application/pdf" or not page:
        return ""
    return f"/search/{name}/{document.id}/pages/{page}?{urlencode({'start': start, 'end': end})}"


def page_of(passages: Sequence[Found], start: int) -> int:
    """The page on which the passage at this character begins; 0 where there are no pages."""
    return next((one.passage.page for one in passages if one.passage.start <= start < one.passage.end), 0)


def _offset(value: str) -> int:
    return min(int(value), MOST_OFFSET) if value.isascii() and value.isdigit() else 0


def _span(query: Any, length: int) -> tuple[int, int]:
    """What an address asks to be marked, within the text; nothing where it says nothing sensible."""
    values = [query.get(name, "") for name in ("start", "end")]
    if not all(value.isascii() and value.isdigit() and len(value) < 12 for value in values):
        return 0, 0
    start, end = min(int(values[0]), length), min(int(values[1]), length)
    return (start, end) if start < end else (0, 0)
