"""Decisions and the queue as one person may read them: what quotes documents is for those who may see all of them.

The handlers of these routes; the pages ask the same `Desk`. Who may see a document is decided by its collection's view
at the moment of reading, never here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import structs

from rightsized.apps.search.service import SearchService
from rightsized.core.errors import NotFoundError
from rightsized.core.roles import Identity
from rightsized.core.types import Decision
from rightsized.server import bodies
from rightsized.server.api import Call, check_task
from rightsized.server.documents.handlers import principals_of
from rightsized.tasks.accesses import Access, access
from rightsized.tasks.finding import awaits_blind_look, shown_to
from rightsized.tasks.records import QueueItem, Review
from rightsized.tasks.service_protocol import Service
from rightsized.tasks.written import documents_of


class Desk(NamedTuple):
    """The decisions of a service, and the documents that some of them quote."""

    service: Service
    documents: SearchService

    async def waiting(self, identity: Identity, task: str | None, limit: int) -> list[QueueItem]:
        """What waits that somebody may read, oldest first."""
        may_read = self.documents.may_read(principals_of(identity))
        return await asyncio.to_thread(self.service.queue, task, limit, may_read)

    async def readable(self, identity: Identity, decision: Decision) -> bool:
        """Whether somebody may read the texts of a decision."""
        quoted = documents_of(decision)
        if not quoted:
            return True
        return await asyncio.to_thread(self.documents.may_read(principals_of(identity)), quoted)

    async def check(self, identity: Identity, decision_id: str) -> None:
        """Raises NotFoundError where there is no such decision, or its texts are not for whoever would judge them."""
        if not await self.readable(identity, self.service.decision(decision_id)):
            raise NotFoundError(
                f"Decision {decision_id} quotes documents that you may not see.",
                fix="Whoever may see them can label it.",
            )

    async def note_queue(self, identity: Identity, items: Sequence[QueueItem]) -> None:
        """Put on record that somebody is shown these, with the documents that they quote."""
        seen = access(identity, "queue", *(item.decision for item in items))
        await self.service.record.note(structs.replace(seen, documents=_documents(items)))

    async def note_decision(self, identity: Identity, decision: Decision, *, whole: bool) -> None:
        """The same of one decision; `whole`: with its texts."""
        seen: Access = access(identity, "decision", decision.id)
        await self.service.record.note(structs.replace(seen, documents=documents_of(decision) if whole else ()))


def _documents(items: Iterable[QueueItem]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for item in items for each in item.documents))


async def list_queue(desk: Desk, call: Call) -> bodies.Queue:
    task = call.query.get("task")
    if task is not None:
        check_task(desk.service, task)
    items = tuple(await desk.waiting(call.identity, task, call.query["limit"]))
    if items:
        await desk.note_queue(call.identity, items)
    return bodies.Queue(items)


async def label_item(desk: Desk, call: Call) -> Review:
    given: bodies.LabelRequest = call.body
    await desk.check(call.identity, call.path["id"])
    return await desk.service.label(call.path["id"], given.label, call.identity.signs_as(given.reviewer))


async def unlabel_item(desk: Desk, call: Call) -> None:
    await desk.check(call.identity, call.path["id"])
    await desk.service.unlabel(call.path["id"], call.identity.signs_as(""))


async def show_decision(desk: Desk, call: Call) -> bodies.DecisionView:
    service, decision = desk.service, desk.service.decision(call.path["id"])
    whole = await desk.readable(call.identity, decision)
    await desk.note_decision(call.identity, decision, whole=whole)
    shown = shown_to(call.identity, decision, blind=awaits_blind_look(decision, service.record.blind))
    text = service.decision_text(decision.id) if whole else None
    return bodies.DecisionView(shown, text, service.written(decision.id) if whole and shown is decision else None)


async def list_promises(desk: Desk, call: Call) -> bodies.Promises:
    return bodies.Promises(tuple(desk.service.promises.all()))
