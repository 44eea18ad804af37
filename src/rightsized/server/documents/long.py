"""The handlers of long documents. Each notes whose documents are about to be shown before it shows anything."""

from __future__ import annotations

from rightsized.apps.search.long.records import Clause, ClauseRanking, Packed, Part, Sentence, Summary, WrittenSummary
from rightsized.apps.search.long.service import Asking
from rightsized.apps.search.long.summary import Wanted
from rightsized.apps.search.service import SearchService
from rightsized.apps.search.types import Highlight
from rightsized.server.api import Call
from rightsized.server.documents import long_bodies as bodies
from rightsized.server.documents.answer_bodies import AnswerSentence, Citation
from rightsized.server.documents.answering import citation
from rightsized.server.documents.bodies import Span
from rightsized.server.documents.handlers import principals_of, reference
from rightsized.tasks.accesses import documents_seen


async def clauses(service: SearchService, call: Call) -> bodies.ClausesResponse:
    asked: bodies.ClausesRequest = call.body
    found = await service.long.clauses(_asking(call), asked.documents, asked.question, asked.limit)
    await _note(service, call, [one.id for one in found.documents])
    return clauses_response(asked.collection, found)


async def context(service: SearchService, call: Call) -> bodies.ContextResponse:
    asked: bodies.ContextRequest = call.body
    found = await service.long.packed(_asking(call), asked.documents, asked.question, asked.budget)
    await _note(service, call, [one.found.document.id for one in found.parts])
    return context_response(asked.collection, found)


async def summary(service: SearchService, call: Call) -> bodies.SummaryResponse:
    asked: bodies.SummaryRequest = call.body
    if asked.written:
        written = await service.long.written(_asking(call), asked.document, asked.question, seconds=asked.seconds)
        await _note(service, call, [written.document.id])
        return written_response(asked.collection, written)
    wanted = Wanted(asked.question, asked.budget, asked.each)
    found = await service.long.summary(_asking(call), asked.document, wanted)
    await _note(service, call, [found.document.id])
    return summary_response(asked.collection, found)


def _asking(call: Call) -> Asking:
    principals = principals_of(call.identity, call.body.principals)
    return Asking(call.body.collection, principals, call.identity.caller)


async def _note(service: SearchService, call: Call, documents: list[str]) -> None:
    if documents:
        await service.seen(documents_seen(call.identity, "document", call.body.collection, documents))


def clauses_response(collection: str, found: ClauseRanking) -> bodies.ClausesResponse:
    """A ranking of clauses as the API gives it."""
    ranked = tuple(
        bodies.ClauseHit(
            reference(one.document),
            _place(one.clause),
            one.text,
            one.scores,
            tuple(map(_span, one.highlights)),
            _span(one.sentence),
        )
        for one in found.ranked
    )
    documents = tuple(map(reference, found.documents))
    below = tuple(map(_place, found.below))
    return bodies.ClausesResponse(collection, documents, ranked, below, found.clauses, found.passages, found.notes)


def _place(one: Clause) -> bodies.ClausePlace:
    return bodies.ClausePlace(one.document, one.number, one.path, one.start, one.end, one.page, one.score)


def context_response(collection: str, found: Packed) -> bodies.ContextResponse:
    """A packed context as the API gives it."""
    parts = tuple(map(_part, found.parts))
    return bodies.ContextResponse(
        collection, found.text, found.tokens, found.budget, found.exact, parts, found.left_out, found.notes
    )


def _part(one: Part) -> bodies.ContextPart:
    passage = one.found.passage
    return bodies.ContextPart(
        one.found.document.id, one.start, one.end, passage.page, passage.path, one.score, one.whole
    )


def summary_response(collection: str, found: Summary) -> bodies.SummaryResponse:
    """A summary in the document's own sentences as the API gives it."""
    return bodies.SummaryResponse(
        collection,
        reference(found.document),
        "extract",
        "extracted",
        tuple(map(_sentence, found.sentences)),
        found.passages,
        sections=tuple(
            bodies.SummarySection(
                one.path, one.start, one.end, one.page, one.passages, tuple(map(_sentence, one.sentences))
            )
            for one in found.sections
        ),
        tokens=found.tokens,
        notes=found.notes,
        took_ms={part: round(seconds * 1000, 2) for part, seconds in found.seconds.items()},
    )


def written_response(collection: str, found: WrittenSummary) -> bodies.SummaryResponse:
    """A summary that a model wrote as the API gives it."""
    return bodies.SummaryResponse(
        collection,
        reference(found.document),
        "write",
        found.status,
        tuple(AnswerSentence(one.text, tuple(map(citation, one.citations))) for one in found.sentences),
        found.passages,
        steps=found.steps,
        unread=tuple(bodies.UnreadPart(one.path, one.start, one.end, one.page, one.reason) for one in found.unread),
        written=found.written,
        left_out=found.left_out,
        cost=found.cost,
        promise=found.promise,
        notes=found.notes,
    )


def _sentence(one: Sentence) -> AnswerSentence:
    passage = one.found.passage
    page = one.mark.boxes[0].page if one.mark.boxes else passage.page
    place = Citation(reference(one.found.document), one.text, _span(one.mark), page, passage.path)
    return AnswerSentence(" ".join(one.text.split()), (place,))


def _span(mark: Highlight) -> Span:
    return Span(mark.start, mark.end, mark.boxes)
