"""The pages of triage: the inboxes, and one inbox worked through message by message, with a key for each step.

What may be shown of an audited answer is decided by the service. A look is put on record before the text is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args
from urllib.parse import quote, urlencode

import msgspec
from starlette.responses import RedirectResponse, Response

from rightsized.apps.triage.composing import DEPARTMENT
from rightsized.apps.triage.drafts.writing import Draft
from rightsized.apps.triage.records import Labelled, Mail
from rightsized.apps.triage.service import STEPS, Shown, Step, TriageService
from rightsized.apps.triage.store.records import Kept, Status, Waits
from rightsized.core.errors import InputError, NotFoundError, RightsizedError
from rightsized.core.types import Contribution
from rightsized.data import folder
from rightsized.server.console import views
from rightsized.server.console.request import Asked
from rightsized.server.console.said import places, stretches
from rightsized.server.guards import PAGE_HEADERS
from rightsized.tasks.dataset import OUT_OF_SCOPE, SEPARATOR
from rightsized.tasks.service_protocol import Service

Show = Callable[..., Response]
ReviewerOf = Callable[[Asked], str]
DRAFT = "draft"  # a step that changes nothing
COMING = 12  # messages listed below the current one
SEE_OTHER = 303
STATUSES: tuple[Status, ...] = get_args(Status)[:3]


class LabelRow(NamedTuple):
    """A task's answer as the page shows it; `choices` are the labels that may be given instead."""

    role: str
    one: Labelled
    blind: bool
    choices: tuple[str, ...]


class InboxPages:
    """Answers `/triage` and what is beneath. `show` renders a template with what every page needs."""

    def __init__(self, triage: TriageService, service: Service, show: Show, reviewer: ReviewerOf) -> None:
        self._triage, self._service, self._show, self._reviewer = triage, service, show, reviewer

    async def inboxes(self, asked: Asked) -> Response:
        """Every inbox, and how much waits in each."""
        found = await asyncio.to_thread(self._triage.standings)
        down = {one.name: self._triage.inboxes.open(one.name).reach.down() for one in found if not one.problem}
        return self._show("inboxes.html", inboxes=found, down=down, sample=folder("mailbox") / "messages")

    async def inbox(self, asked: Asked) -> Response:
        """The message that comes first, or the one named, with all that helps to decide about it."""
        return await self._page(asked)

    async def _page(self, asked: Asked, draft: Draft | None = None) -> Response:
        name, query = asked.path["inbox"], asked.query
        wanted = _wanted(query)
        listed = await asyncio.to_thread(self._triage.waiting, name, wanted)
        total = await asyncio.to_thread(self._triage.count, name, wanted)
        current = await self._current(name, query, listed)
        if current is not None:
            await self._triage.seen(asked.identity, "queue", [current.kept, *current.thread, *listed])
        shown: dict[str, Any] = {"current": current, "rows": (), "text": (), "explained": "", "similar": ()}
        if current is not None:
            shown |= await self._about(name, current)
        coming = [one for one in listed if current is None or one.key != current.kept.key][:COMING]
        return self._show(
            "inbox.html", name=name, wanted=wanted, total=total, coming=coming, statuses=STATUSES,
            query=_kept(query), reviewer=self._reviewer(asked), no_label=OUT_OF_SCOPE, draft=draft, **shown,
        )  # fmt: skip

    async def step(self, asked: Asked) -> Response:
        """Do what the form says, then go on to the next message. A draft is shown with its message."""
        step, form = asked.form.get("step", ""), asked.form
        if step == DRAFT:
            number = _number(asked.path["number"])
            name, by = asked.path["inbox"], self._reviewer(asked)
            draft = await self._triage.draft(name, number, asked.identity, by)
            stays = {**form, "number": str(number)}
            return await self._page(asked._replace(query=stays), draft)
        if step not in STEPS:
            raise InputError(f"{step!r} is no step.", fix=f"One of: {', '.join(STEPS)}.")
        value = SEPARATOR.join(asked.labels) if step == "correct" else form.get("value", "")
        number = _number(asked.path["number"])
        by = self._reviewer(asked)
        name = asked.path["inbox"]
        await self._triage.step(name, number, _as_step(step), by, role=form.get("role", ""), value=value)
        kept = {key: form[key] for key in ("status", "queue", "assignee") if form.get(key)}
        stays = {"number": str(number)} if step in ("correct", "assign", "detach", "join") else {}
        return _go(name, {**kept, **stays})

    async def _current(self, name: str, query: Mapping[str, str], listed: list[Kept]) -> Shown | None:
        if query.get("number"):
            return await asyncio.to_thread(self._triage.show, name, _number(query["number"]))
        forward, back = query.get("after", ""), query.get("before", "")
        way = listed[::-1] if back else listed  # at either end it goes round
        beside = [place for place, one in enumerate(way) if str(one.number) == (back or forward)]
        rest = way[beside[0] + 1 :] if beside else listed
        chosen = next(iter(rest or way), None)
        return await asyncio.to_thread(self._triage.show, name, chosen.number) if chosen else None

    async def _about(self, name: str, shown: Shown) -> dict[str, Any]:
        """Labels with their choices, the words that led to the first of them, and messages like this one."""
        kept = shown.kept
        labels = kept.handled.labels if kept.handled else {}
        rows = [self._row(role, one, role in shown.blind) for role, one in labels.items()]
        pieces, why = await self._marked(kept.mail, rows)
        said = places(kept.mail, kept.handled.summary.sentences) if kept.mail and kept.handled else []
        text, like = stretches(pieces, said), await self._triage.similar(name, kept)
        settings = self._triage.inboxes.open(name).settings
        can = {"drafts": bool(settings.write.tier), "acts": settings.actions.enabled}
        return {"rows": rows, "text": text, "explained": why, "similar": like, **can}

    def _row(self, role: str, one: Labelled, blind: bool) -> LabelRow:
        try:
            choices = (*self._service.task(one.task).task.labels, OUT_OF_SCOPE)
        except RightsizedError:  # the task was removed since; its decision stays
            choices = ()
        return LabelRow(role, one, blind, choices)

    async def _marked(self, mail: Mail | None, rows: list[LabelRow]) -> tuple[list[views.Piece], str]:
        """What was written, its words marked by what they did for the first label; and which label that is."""
        if mail is None:
            return [], ""
        open_rows = [row for row in rows if not row.blind and row.one.decision]
        first = next((row for row in open_rows if row.role == DEPARTMENT), next(iter(open_rows), None))
        if first is None:
            return [views.Piece(mail.written.strip(), "", 0.0)], ""
        try:
            about = self._service.decision(first.one.decision)
            explanation = await self._service.explain(first.one.task, mail.text, about)
        except RightsizedError:
            return [views.Piece(mail.written.strip(), "", 0.0)], ""
        start = len(mail.text) - len(mail.written.strip())
        inside = [_moved(one, start) for one in explanation.contributions if one.start >= start]
        return views.marked(mail.written.strip(), inside), f"{first.role}: {explanation.label}"


def _moved(one: Contribution, by: int) -> Contribution:
    return msgspec.structs.replace(one, start=one.start - by, end=one.end - by)


def _wanted(query: Mapping[str, str]) -> Waits:
    status = query.get("status", "waiting")
    if status not in STATUSES:
        raise InputError(f"{status[:50]!r} is no status.", fix=f"One of: {', '.join(STATUSES)}.")
    chosen = next(one for one in STATUSES if one == status)
    return Waits(chosen, query.get("queue") or None, query.get("assignee") or None, newest=status != "waiting")


def _kept(query: Mapping[str, str]) -> dict[str, str]:
    """The parameters that stay from one message to the next."""
    return {key: query[key] for key in ("status", "queue", "assignee") if query.get(key)}


def _as_step(step: str) -> Step:
    return next(one for one in STEPS if one == step)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise NotFoundError("There is no such message.", fix="See the inbox.")
    return int(text)


def _go(name: str, query: Mapping[str, str]) -> RedirectResponse:
    address = f"/triage/{quote(name)}" + (f"?{urlencode(query)}" if query else "")
    return RedirectResponse(address, SEE_OTHER, dict(PAGE_HEADERS))
