"""The handlers of the JSON routes: each turns a call into one question to the service. None of them knows of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from rightsized.core.errors import ForbiddenError, JobError, NotFoundError
from rightsized.core.roles import LOCAL_ADMIN, Identity
from rightsized.core.types import Explanation
from rightsized.ledger.prove import Proof
from rightsized.server import bodies
from rightsized.server.problems import RefusedError
from rightsized.tasks.accesses import access, documents_seen
from rightsized.tasks.finding import awaits_blind_look, shown_to, wanted_of
from rightsized.tasks.gateway_protocol import GatewayStatus
from rightsized.tasks.leaving import Leaving
from rightsized.tasks.record_views import KeyChange, PolicyView, Purged, RecordStatus
from rightsized.tasks.records import Review, TaskStatus
from rightsized.tasks.service_protocol import Service


class Call(NamedTuple):
    """A request once read: parts of its path, its checked query parameters, its decoded body, and who asks."""

    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any = None
    identity: Identity = LOCAL_ADMIN


async def list_tasks(service: Service, call: Call) -> bodies.Tasks:
    return bodies.Tasks(tuple(service.tasks()))


async def show_task(service: Service, call: Call) -> TaskStatus:
    return service.task(call.path["name"])


async def show_gateway(service: Service, call: Call) -> GatewayStatus:
    if service.gateway is None:
        raise NotFoundError(
            "No tier that writes is configured here.", fix="Name one under [[tiers]] in rightsized.toml."
        )
    return service.gateway.standing()


async def find_decisions(service: Service, call: Call) -> bodies.Decisions:
    limit = call.query["limit"]
    found = await service.record.find(wanted_of(call.query), limit, blind_too=call.identity.may("audit"))
    if found.decisions:
        await service.record.note(access(call.identity, "list", *(one.id for one in found.decisions)))
    shown = (shown_to(call.identity, one, blind=one.id in found.blind) for one in found.decisions)
    return bodies.Decisions(tuple(shown), len(found.decisions) == limit)


async def explain_decision(service: Service, call: Call) -> Explanation:
    decision = service.decision(call.path["id"])
    if not call.identity.may("audit") and awaits_blind_look(decision, service.record.blind):
        raise ForbiddenError(
            f"Decision {decision.id} waits for a blind look; whoever may give it sees no outcome before.",
            fix="Label it in the queue first.",
        )
    text = service.decision_text(decision.id)
    if text is None:
        raise RefusedError(
            "text-removed",
            f"The text of decision {decision.id} was deleted; only its digest is kept, so it cannot be explained.",
            fix="Keep texts for longer with [record] text_days.",
        )
    await service.record.note(access(call.identity, "explanation", decision.id))
    return await service.explain(decision.task, text, decision)


async def prove_decision(service: Service, call: Call) -> Proof:
    return await service.record.proof(call.path["id"])


async def show_record(service: Service, call: Call) -> RecordStatus:
    return service.record.status()


async def show_policy(service: Service, call: Call) -> PolicyView:
    return service.record.policy()


async def show_egress(service: Service, call: Call) -> Leaving:
    return await service.record.leaving(call.query["days"])


async def note_seen(service: Service, call: Call) -> None:
    seen: bodies.SeenRequest = call.body
    who = msgspec.structs.replace(call.identity, name=seen.name)
    await service.record.note(documents_seen(who, seen.what, seen.collection, seen.documents))


async def rotate_key(service: Service, call: Call) -> KeyChange:
    return await service.record.rotate_key()


async def purge_texts(service: Service, call: Call) -> Purged:
    return await service.record.purge()


async def give_feedback(service: Service, call: Call) -> Review:
    given: bodies.FeedbackRequest = call.body
    return await service.feedback(given.decision, given.label, call.identity.signs_as(given.reviewer))


def check_task(service: Service, name: str) -> None:
    """An unknown task is an error, not an empty queue. Raises NotFoundError."""
    promised = any(one.task == name for one in service.promises.all())
    if not promised and (service.gateway is None or service.gateway.cascade != name):
        service.task(name)


async def list_jobs(service: Service, call: Call) -> bodies.Jobs:
    return bodies.Jobs(tuple(service.jobs()))


async def cancel_job(service: Service, call: Call) -> None:
    try:
        service.cancel_job(call.path["id"])
    except JobError as error:
        raise RefusedError("job-ended", error.message, fix=error.fix) from None


async def health(service: Service, call: Call) -> bodies.Health:
    return bodies.Health("ok")


async def ready(service: Service, call: Call) -> bodies.Health:
    if not service.ready():
        unopened = " ".join(f"The task {name!r} could not be opened: {why}" for name, why in service.unopened().items())
        raise _not_ready(unopened or "The tasks are still being loaded.")
    if trouble := await service.trouble():
        raise _not_ready(trouble)
    return bodies.Health("ready")


def _not_ready(why: str) -> RefusedError:
    return RefusedError("not-ready", why, headers={"retry-after": "1"})
