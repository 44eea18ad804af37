"""Answers under a certificate as decisions on record: the audit coin is thrown before anything is searched.

What a reviewer reads of one is the question, the sentences that were given and the places that they rest on. Who may
read it is decided by the documents cited, whose ids stand in the record. Without a certificate nothing is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from rightsized.apps.search.answer.answering import Bar
from rightsized.apps.search.answer.promises import Watching, task_of
from rightsized.apps.search.answer.records import Answer, Method
from rightsized.apps.search.answer.ways import Ask
from rightsized.apps.search.protocols import View
from rightsized.apps.search.types import Filters
from rightsized.core.generation import Caller, Completion, DataClass
from rightsized.core.protocols import Answerer
from rightsized.core.types import ANSWER, TIER_SMALL, TIER_TASK, Attempt, Reply, Request
from rightsized.tasks.finding import CITES
from rightsized.tasks.records import PromiseStatus

TIERS: dict[Method, int] = {"extract": TIER_TASK, "write": TIER_SMALL}


class Recording(Watching, Protocol):
    """What keeps decisions on record, throws the coin and watches: `tasks.promises.Promises`."""

    def audited(self, inner: Answerer, version: str) -> Answerer: ...

    async def refresh(self) -> None: ...

    def all(self) -> list[PromiseStatus]: ...


class Asked(NamedTuple):
    """Whose question it is, to which collection, and how it is answered. `data_class`: what its documents hold."""

    collection: str
    method: Method
    caller: Caller
    principals: Sequence[str]
    data_class: DataClass
    bar: Bar


def on_record(ask: Ask, asked: Asked, recording: Recording | None) -> Ask:
    """The same way to answer, with each answer on record where its bar is a certificate's."""
    if recording is None or not asked.bar.certificate:
        return ask
    version = asked.bar.certificate.removeprefix("sha256:")[:12]

    async def kept(view: View, question: str, **how: Any) -> Answer:
        answering = _Answering(ask, asked, view, question, how)
        reply = await recording.audited(answering, version).answer(_request(asked, question, how))
        assert answering.found is not None, "asked before there was an answer"
        return replace(answering.found, decision=reply.id)

    return kept


class _Answering(Answerer):
    """One question's answer in the shape of everything that answers; `found` is the answer itself."""

    def __init__(self, ask: Ask, asked: Asked, view: View, question: str, how: dict[str, Any]) -> None:
        self._ask, self._asked, self._view, self._question, self._how = ask, asked, view, question, how
        self.found: Answer | None = None

    async def answer(self, request: Request) -> Reply:
        """Raises what the way to answer raises."""
        begun = time.perf_counter()
        self.found = await self._ask(self._view, self._question, **self._how)
        return reply_of(self.found, self._asked, self._view, request, (time.perf_counter() - begun) * 1000)


def reply_of(found: Answer, asked: Asked, view: View, request: Request, latency_ms: float) -> Reply:
    """What an answer comes to on record. One by another path than was tested is under no promise."""
    answered, certified = found.status == "answered", found.state == "certified"
    method, by = asked.method, found.written
    model = by.model if by is not None else view.encoder or ""
    written = completion_of(found, asked.collection) if answered else None
    attempt = Attempt(
        rung=method,
        tier=TIERS[method],
        model=model,
        score=found.probability,
        threshold=asked.bar.least,
        accepted=answered,
        reason=f"{CITES}{by.decision}" if by is not None and by.decision else "" if answered else "not sure enough",
        latency_ms=latency_ms,
        completion=written,
    )
    return Reply(
        id=request.id,
        task=request.task,
        status=found.status,
        output=None,
        rung=method,
        tier=TIERS[method],
        model=model,
        confidence=found.probability,
        state="certified" if certified else "none",
        certificate=asked.bar.certificate,
        certified=certified and answered,
        latency_ms=latency_ms,
        attempts=(attempt,),
        completion=written,
    )


def completion_of(found: Answer, collection: str) -> Completion:
    """The sentences given, and the places that they rest on, as they are kept with retention."""
    cited = [one for said in found.sentences for one in said.citations]
    choice = {"index": 0, "message": {"role": "assistant", "content": found.text}, "finish_reason": "stop"}
    places = [
        {
            "collection": collection,
            "document": one.found.document.id,
            "title": one.found.document.title or one.found.document.key,
            "headings": list(one.found.passage.path),
            "page": one.mark.boxes[0].page if one.mark.boxes else one.found.passage.page,
            "start": one.mark.start,
            "end": one.mark.end,
            "quote": " ".join(one.text.split()),
        }
        for one in cited
    ]
    documents = tuple(dict.fromkeys(f"{collection}/{one.found.document.id}" for one in cited))
    return Completion(found.text, "stop", body={"choices": [choice], "citations": places}, documents=documents)


def _request(asked: Asked, question: str, how: dict[str, Any]) -> Request:
    caller, filters = asked.caller, how.get("filters", Filters())
    body = {"query": question, "collection": asked.collection, "principals": list(asked.principals)}
    if filters != Filters():
        body["filters"] = msgspec.to_builtins(filters)
    return Request(
        task=task_of(asked.collection, asked.method),
        text=msgspec.json.encode(body).decode(),
        tenant=caller.tenant,
        key=caller.key,
        roles=caller.roles,
        subject=caller.subject,
        data_class=asked.data_class,
        operation=ANSWER,
    )
