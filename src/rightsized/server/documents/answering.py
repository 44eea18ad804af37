"""The handler of answers: asks the service as whom the caller sees documents, and gives the answer as the API does."""

from __future__ import annotations

from rightsized.apps.search.answer.records import Answer, Cited, Said
from rightsized.apps.search.query.results import Settings
from rightsized.apps.search.service import FACETS, Question, SearchService
from rightsized.apps.search.types import Filters
from rightsized.server.api import Call
from rightsized.server.documents import bodies
from rightsized.server.documents.answer_bodies import AnswerRequest, AnswerResponse, AnswerSentence, Citation
from rightsized.server.documents.handlers import principals_of, reference, response
from rightsized.tasks.accesses import documents_seen


async def answer(service: SearchService, call: Call) -> AnswerResponse:
    asked: AnswerRequest = call.body
    given = asked.filters
    question = Question(
        asked.question,
        Filters(given.documents, given.fields, given.since, given.until),
        asked.limit,
        settings=Settings(scope=asked.scope, facets=FACETS),
    )
    principals = principals_of(call.identity, asked.principals)
    found = await service.answer(asked.collection, question, principals, call.identity.caller, asked.method)
    shown = documents_shown(found)
    if shown:
        await service.seen(documents_seen(call.identity, "search", asked.collection, shown))
    return answer_response(asked.collection, found)


def documents_shown(found: Answer) -> list[str]:
    """Ids of the documents of which an answer shows anything; a sentence may come from beyond the hits with it."""
    cited = (place.found for one in (*found.sentences, *found.offered) for place in one.citations)
    return list(dict.fromkeys(one.document.id for one in (*cited, *(hit.found for hit in found.results.hits))))


def answer_response(collection: str, found: Answer) -> AnswerResponse:
    """An answer as the API gives it."""
    return AnswerResponse(
        collection=collection,
        status=found.status,
        method=found.method,
        text=found.text,
        sentences=_sentences(found.sentences),
        probability=round(found.probability, 4),
        state=found.state,
        promise=found.promise,
        notes=found.notes,
        search=response(collection, found.results),
        extract=_sentences(found.offered),
        written=found.written,
        decision=found.decision,
    )


def _sentences(said: tuple[Said, ...]) -> tuple[AnswerSentence, ...]:
    return tuple(AnswerSentence(one.text, tuple(map(citation, one.citations))) for one in said)


def citation(cited: Cited) -> Citation:
    """Where a sentence comes from, as the API gives it."""
    passage, mark = cited.found.passage, cited.mark
    page = mark.boxes[0].page if mark.boxes else passage.page
    span = bodies.Span(mark.start, mark.end, mark.boxes)
    return Citation(reference(cited.found.document), cited.text, span, page, passage.path)
