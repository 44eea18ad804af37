"""The pages of legal discovery: the sets that one may see, and a desk with the documents that are to be read.

Which documents, and who may see them, is decided by the set; a look is put on record before the text is shown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from rightsized.apps.search.discovery import desk
from rightsized.apps.search.discovery.records import DECIDING, PRIVILEGED, Asker
from rightsized.apps.search.discovery.review import Review, Wanted
from rightsized.apps.search.service import SearchService
from rightsized.core.errors import InputError
from rightsized.core.roles import Identity
from rightsized.server.console.request import Asked
from rightsized.server.documents.handlers import principals_of
from rightsized.server.guards import PAGE_HEADERS
from rightsized.tasks.accesses import documents_seen

T = TypeVar("T")
Show = Callable[..., Response]
LENT = 20  # documents given out at a time
SEE_OTHER = 303


class Reading(NamedTuple):
    """A document to be read: its tags, and those waiting after it by title."""

    id: str
    title: str
    key: str
    date: float
    metadata: dict[str, str]
    tags: list[str]
    coming: list[str]


class Progress(NamedTuple):
    documents: int
    reviewed: int
    responsive: int
    mine: int


class ReviewPages:
    """Answers `/reviews` and what is beneath. `show` renders a template with what every page needs."""

    def __init__(self, service: SearchService, show: Show) -> None:
        self._service, self._show = service, show

    async def sets(self, asked: Asked) -> Response:
        """Every set that holds something for whoever asks."""
        who = asker_of(asked.identity)

        def read() -> list[desk.VisibleSet]:
            found = (desk.sets_of(self._service.opened(name), who) for name in self._service.names())
            return [one for some in found for one in some]

        return self._show("reviews.html", sets=await asyncio.to_thread(read), reviewer=who.reviewer)

    async def desk(self, asked: Asked) -> Response:
        """The next document that one has, with its text; an empty desk asks for more."""
        progress, reading = await asyncio.to_thread(self._read, asked)
        name, text = asked.path["name"], ""
        if reading:
            await self._service.seen(documents_seen(asked.identity, "document", name, [reading.id]))
            text = await asyncio.to_thread(self._text, asked, reading.id)
        return self._show(
            "review.html", name=name, set=asked.path["set"], progress=progress, reading=reading, text=text,
            decisions=DECIDING, lent=LENT,
        )  # fmt: skip

    async def decide(self, asked: Asked) -> Response:
        """Tag the document of the form, then go on to the next."""
        decision, document = asked.form.get("decision", ""), asked.form.get("document", "")
        if decision not in DECIDING:
            raise InputError(f"{decision!r} is no decision.", fix=f"One of: {', '.join(DECIDING)}.")
        tags = (decision, PRIVILEGED) if asked.form.get("privileged") else (decision,)
        wanted = Wanted(document, tags, note=asked.form.get("note", "").strip())
        await asyncio.to_thread(self._with, asked, lambda review: review.tag_all([wanted]))
        return self._back(asked)

    async def lend(self, asked: Asked) -> Response:
        """Give out documents."""
        collection = self._service.opened(asked.path["name"])
        await asyncio.to_thread(self._with, asked, lambda review: desk.lend(collection, review, LENT))
        return self._back(asked)

    def _read(self, asked: Asked) -> tuple[Progress, Reading | None]:
        def read(review: Review) -> tuple[Progress, Reading | None]:
            decided, mine = review.decided(), desk.on_desk(review, time.time())
            progress = Progress(len(review.documents), len(decided), sum(decided.values()), len(mine))
            if not mine:
                return progress, None
            titles = [review.documents[one].title or review.documents[one].key for one in mine]
            one, tags = review.documents[mine[0]], review.tags_of(mine[0])
            return progress, Reading(one.id, titles[0], one.key, one.date, one.metadata, tags, titles[1:])

        return self._with(asked, read)

    def _text(self, asked: Asked, document: str) -> str:
        return self._with(asked, lambda review: review.text(document))

    def _with(self, asked: Asked, work: Callable[[Review], T]) -> T:
        collection = self._service.opened(asked.path["name"])
        with desk.opened(collection, asked.path["set"], asker_of(asked.identity)) as review:
            return work(review)

    def _back(self, asked: Asked) -> Response:
        address = f"/reviews/{quote(asked.path['name'])}/{quote(asked.path['set'])}"
        return RedirectResponse(address, SEE_OTHER, dict(PAGE_HEADERS))


def asker_of(identity: Identity) -> Asker:
    """Who works on a set: the key or person by name, as whom it sees documents."""
    return Asker(identity.name or identity.id, principals_of(identity))
