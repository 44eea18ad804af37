"""The handlers of document search. Each finds out as whom the caller sees documents, and asks the service once."""

from __future__ import annotations

import asyncio
import functools
import os
import pwd
from collections.abc import Sequence

from rightsized.apps.search.access.names import principals_of_login
from rightsized.apps.search.query.results import Results, Settings
from rightsized.apps.search.service import FACETS, Like, Question, SearchService
from rightsized.apps.search.types import Document, Filters, Hit
from rightsized.core.errors import ForbiddenError
from rightsized.core.principals import checked
from rightsized.core.roles import Identity
from rightsized.server.api import Call
from rightsized.server.documents import bodies
from rightsized.tasks.accesses import documents_seen


def principals_of(identity: Identity, wanted: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """As whom a caller sees documents: their own principals, or those of somebody else where they are an admin.

    Whoever needs no key, since only this machine's own people reach the server, is its account.

    Raises ForbiddenError, InputError.
    """
    if wanted is None:
        return login() if identity.kind == "local" else identity.principals
    if not identity.may("administer"):
        raise ForbiddenError(
            f"{identity.name!r} may not search on behalf of others.",
            fix="Leave `principals` out, or use a key made with --role admin.",
        )
    return checked(wanted)


@functools.cache
def login() -> tuple[str, ...]:
    """The account that this process runs under: as whom those see documents who need no key here."""
    try:
        return principals_of_login(pwd.getpwuid(os.geteuid()).pw_name)
    except KeyError:  # an account without a name, as containers have them
        return ()


async def search(service: SearchService, call: Call) -> bodies.SearchResponse:
    asked: bodies.SearchRequest = call.body
    age = asked.half_life_days
    settings = Settings(scope=asked.scope, by_document=asked.by_document, half_life_days=age, facets=FACETS)
    question = Question(asked.query, filters_of(asked.filters), asked.limit, asked.offset, settings)
    principals = principals_of(call.identity, asked.principals)
    found = await service.search(asked.collection, question, principals, call.identity.caller)
    await note_hits(service, call.identity, asked.collection, found)
    return response(asked.collection, found)


async def suggest(service: SearchService, call: Call) -> bodies.SuggestResponse:
    asked: bodies.SuggestRequest = call.body
    principals = principals_of(call.identity, asked.principals)
    found = await service.suggest(asked.collection, asked.text, principals, asked.limit)
    return bodies.SuggestResponse(asked.collection, found)


async def similar(service: SearchService, call: Call) -> bodies.SimilarResponse:
    asked: bodies.SimilarRequest = call.body
    like = Like(asked.document, asked.start, filters_of(asked.filters), asked.limit)
    hits = await service.similar(asked.collection, like, principals_of(call.identity, asked.principals))
    await _note(service, call.identity, asked.collection, hits)
    return bodies.SimilarResponse(asked.collection, tuple(passage(hit) for hit in hits))


async def list_collections(service: SearchService, call: Call) -> bodies.CollectionList:
    found = await asyncio.to_thread(service.collections, principals_of(call.identity))
    return bodies.CollectionList(tuple(found))


async def show_document(service: SearchService, call: Call) -> bodies.DocumentView:
    view = await asyncio.to_thread(service.view, call.path["name"], principals_of(call.identity))
    document = view.document(call.path["id"])
    await service.seen(documents_seen(call.identity, "document", call.path["name"], [document.id]))
    return bodies.DocumentView(reference(document), await asyncio.to_thread(view.text, document.id))


async def note_hits(service: SearchService, identity: Identity, collection: str, found: Results) -> None:
    """Put on record of which documents somebody is about to be shown passages."""
    await _note(service, identity, collection, found.hits)


async def _note(service: SearchService, identity: Identity, collection: str, hits: Sequence[Hit]) -> None:
    if hits:
        await service.seen(documents_seen(identity, "search", collection, [hit.found.document.id for hit in hits]))


def filters_of(given: bodies.DocumentFilters) -> Filters:
    """What narrows a search, as the service takes it."""
    return Filters(given.documents, given.fields, given.since, given.until)


def response(collection: str, found: Results) -> bodies.SearchResponse:
    """Results as the API gives them."""
    return bodies.SearchResponse(
        collection,
        tuple(passage(hit) for hit in found.hits),
        found.total,
        found.more,
        found.facets,
        found.scope,
        found.corrections,
        found.notes,
        {part: round(seconds * 1000, 2) for part, seconds in found.seconds.items()},
    )


def passage(hit: Hit) -> bodies.PassageHit:
    """One hit as the API gives it."""
    one = hit.found.passage
    spans = tuple(bodies.Span(mark.start, mark.end, mark.boxes) for mark in hit.highlights)
    where = reference(hit.found.document)
    return bodies.PassageHit(where, one.text, one.start, one.end, one.page, one.path, hit.score, hit.scores, spans)


def reference(document: Document) -> bodies.DocumentRef:
    """A document as the API gives it: without the principals that may see it."""
    return bodies.DocumentRef(
        document.id,
        document.title,
        document.source,
        document.key,
        document.media_type,
        document.date,
        document.pages,
        document.parent,
        document.metadata,
    )
