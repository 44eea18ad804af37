"""The console's pages and forms. Every form works without JavaScript: a post answers with a page or leads to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from starlette.responses import HTMLResponse, RedirectResponse, Response

from rightsized.apps.triage.service import TriageService
from rightsized.core.errors import JobError, RightsizedError
from rightsized.core.types import Decision, Explanation, Reply
from rightsized.server import problems
from rightsized.server.api import check_task
from rightsized.server.console import views, writing
from rightsized.server.console.assets import Assets
from rightsized.server.console.decisions import DecisionPages
from rightsized.server.console.inbox import InboxPages
from rightsized.server.console.models import ModelPages
from rightsized.server.console.record import RecordPage
from rightsized.server.console.request import Asked, may, page
from rightsized.server.console.reviews import ReviewPages
from rightsized.server.console.search import SearchPages
from rightsized.server.console.search_long import LongPages
from rightsized.server.endpoint import Respond
from rightsized.server.guards import PAGE_HEADERS, REPORT_HEADERS
from rightsized.server.problems import Problem, RefusedError
from rightsized.server.reviewing import Desk
from rightsized.server.tenants import TenantUses
from rightsized.tasks import pages
from rightsized.tasks.dataset import OUT_OF_SCOPE, SEPARATOR
from rightsized.tasks.finding import cited
from rightsized.tasks.gateway_protocol import GatewayStatus
from rightsized.tasks.records import PromiseStatus, QueueItem, TaskStatus
from rightsized.tasks.written import VERDICTS, is_written

TEMPLATES = Path(__file__).parent / "templates"
SHOWN = 200  # waiting messages looked through for the queue page
ALL = 1_000_000  # more than ever wait
NEXT = 8  # waiting messages listed below the current one
REVIEWER = "reviewer"  # the cookie that remembers who labels
REVIEWER_DAYS = 365
NOBODY = "console"


class Console:
    """Builds the pages from what the service says. `limit` is the largest form, bytes; `uses`: what tenants used."""

    def __init__(self, desk: Desk, triage: TriageService, limit: int, uses: TenantUses) -> None:
        service, documents = desk
        self._desk, self._service, self._limit = desk, service, limit
        self._search, self._long = SearchPages(documents, self._show), LongPages(documents, self._show)
        self._reviews = ReviewPages(documents, self._show)
        self._inbox = InboxPages(triage, service, self._show, _reviewer)
        self._models = ModelPages(service, self._show, uses)
        self._record = RecordPage(service, self._show)

    def addresses(self) -> dict[str, dict[str, Respond]]:
        """Every address of the console with what answers it."""
        table: dict[str, dict[str, Any]] = {
            "/": {"GET": self.home},
            "/try": {"GET": self.home, "POST": self.try_message},
            "/queue": {"GET": self.queue},
            "/queue/{id}": {"POST": self.label},
            "/queue/{id}/undo": {"POST": self.undo},
            "/reviewer": {"POST": self.name_reviewer},
            "/decisions": {"GET": DecisionPages(self._service, self._show).decisions},
            "/decisions/{id}": {"GET": self.decision},
            "/decisions/{id}/feedback": {"POST": self.correct},
            "/record": {"GET": self._record.record},
            "/models": {"GET": self._models.models, "POST": self._models.ask},
            "/tasks/{name}": {"GET": self.task},
            "/tasks/{name}/report": {"GET": self.report},
            "/search": {"GET": self._search.collections},
            "/search/{name}": {"GET": self._search.results},
            "/search/{name}/{id}": {"GET": self._search.document},
            "/search/{name}/{id}/pages/{page}": {"GET": self._search.page_image},
            "/search/{name}/{id}/similar": {"GET": self._search.similar},
            "/search/{name}/{id}/clauses": {"GET": self._long.clauses},
            "/search/{name}/{id}/summary": {"GET": self._long.summary},
            "/reviews": {"GET": self._reviews.sets},
            "/reviews/{name}/{set}": {"GET": self._reviews.desk, "POST": self._reviews.decide},
            "/reviews/{name}/{set}/next": {"POST": self._reviews.lend},
            "/triage": {"GET": self._inbox.inboxes},
            "/triage/{inbox}": {"GET": self._inbox.inbox},
            "/triage/{inbox}/{number}": {"POST": self._inbox.step},
            "/jobs": {"GET": self.jobs},
            "/jobs/{id}/cancel": {"POST": self.cancel},
            "/problems/{code}": {"GET": self.kinds},
        }
        made = {path: {m: page(handler, self._limit) for m, handler in by.items()} for path, by in table.items()}
        return {**made, "/static/{name}": {"GET": Assets()}}

    def _show(self, template: str, *, http: int = 200, **context: Any) -> Response:
        context.setdefault("tasks", views.by_state(self._service.tasks()))
        if "gateway" not in context:
            context["gateway"] = self._standing()
        if "promises" not in context:
            context["promises"] = self._service.promises.all()
        context["queues"] = _queues(context["tasks"], context["gateway"], context["promises"])
        waiting = sum(count for _, count in context["queues"])
        shown = {"waiting": waiting, "views": views, "words": writing, "may": may, **context}
        text = pages.render(template, folders=(TEMPLATES,), **shown)
        return HTMLResponse(text, http, dict(PAGE_HEADERS))

    def _standing(self) -> GatewayStatus | None:
        return self._service.gateway.standing() if self._service.gateway else None

    async def home(self, asked: Asked) -> Response:
        return self._home(chosen=asked.query.get("task", ""), text="", outcome=None, problem=None)

    def _home(self, **context: Any) -> Response:
        return self._show("home.html", unopened=self._service.unopened(), **context)

    async def try_message(self, asked: Asked) -> Response:
        task, text = asked.form.get("task", ""), asked.form.get("text", "")
        try:
            reply = await self._service.classify(task, text, caller=asked.caller)
            outcome = await self._outcome(reply, text)
        except RightsizedError as error:
            problem, _ = problems.from_error(error, "/try")
            return self._home(http=problem.status, chosen=task, text=text, outcome=None, problem=problem)
        return self._home(chosen=task, text=text, outcome=outcome, problem=None)

    async def _outcome(self, reply: Reply, text: str | None, about: Decision | None = None) -> dict[str, Any]:
        """What `_outcome.html` shows of a reply. Where it cannot be explained the page says why and shows the rest."""
        status = self._status(reply.task)
        explanation, unexplained = None, "The text was deleted; only its digest is kept."
        if text is not None:
            explanation, unexplained = await self._explain(reply.task, text, about)
        return {
            "reply": reply,
            "status": status,
            "text": text,
            "rungs": views.rungs(reply, status.certificate if status else None),
            "explanation": explanation,
            "unexplained": unexplained,
            "pieces": views.marked(text, explanation.contributions) if text is not None and explanation else [],
        }

    def _status(self, task: str) -> TaskStatus | None:
        """A task as served now; None where it is gone, for its decisions remain."""
        try:
            return self._service.task(task)
        except RightsizedError:
            return None

    async def _explain(self, task: str, text: str, about: Decision | None) -> tuple[Explanation | None, str]:
        try:
            return await self._service.explain(task, text, about), ""
        except RightsizedError as error:
            return None, str(error)

    async def decision(self, asked: Asked) -> Response:
        decision = self._service.decision(asked.path["id"])
        shown: dict[str, Any] = {"decision": decision, "about_text": is_written(decision)}
        if self._awaits_blind_review(decision):
            return self._show("blind.html", **shown)
        whole = shown["whole"] = await self._desk.readable(asked.identity, decision)
        await self._desk.note_decision(asked.identity, decision, whole=whole)
        shown |= {"labels": self._service.labels_of(decision.id), "text": None, "outcome": None, "status": None}
        if shown["about_text"]:
            written = self._service.written(decision.id) if whole else None
            return self._show("decision.html", written=written, **shown)
        shown["text"] = self._service.decision_text(decision.id)
        shown["outcome"] = await self._outcome(decision.reply, shown["text"], decision) if decision.reply else None
        shown["status"] = self._status(decision.task)
        return self._show("decision.html", **shown)

    def _awaits_blind_review(self, decision: Decision) -> bool:
        """Whether showing the prediction would spoil an audit that waits for its label."""
        if any(map(self._service.record.blind, cited(decision))):
            return True
        if not decision.audit:
            return False
        waiting = self._service.queue(decision.task, ALL)
        return any(item.decision == decision.id and item.kind == "audit" for item in waiting)

    async def correct(self, asked: Asked) -> Response:
        decision_id, label = asked.path["id"], SEPARATOR.join(asked.labels)
        await self._service.feedback(decision_id, label, _reviewer(asked))
        return _go(f"/decisions/{quote(decision_id, safe='')}")

    async def queue(self, asked: Asked) -> Response:
        task = asked.query.get("task") or None
        if task:
            check_task(self._service, task)
        items = await self._desk.waiting(asked.identity, task, SHOWN)
        current = _current(items, asked.query.get("after", ""))
        coming = [item for item in items if item is not current][:NEXT]
        if current is not None:
            await self._desk.note_queue(asked.identity, (current, *coming))
        return self._show(
            "queue.html",
            task=task,
            after=asked.query.get("after", ""),
            current=current,
            status=self._service.task(current.task) if current and not current.written else None,
            of_task=self._waiting_of(task) if task else 0,
            coming=coming,
            done=self._done(asked.query),
            reviewer=_reviewer(asked),
        )

    def _waiting_of(self, task: str) -> int:
        return dict(_queues(self._service.tasks(), self._standing(), self._service.promises.all())).get(task, 0)

    def _done(self, query: Mapping[str, str]) -> tuple[str, str] | None:
        """The decision just labelled and its label, so that it can be undone; None where the address was made up."""
        try:
            decision = self._service.decision(query.get("done", ""))
        except RightsizedError:
            return None
        label = query.get("as", "")
        if is_written(decision):
            return (decision.id, label) if label in VERDICTS else None
        label = _labels_only(label, self._status(decision.task))
        return (decision.id, label) if label else None

    async def label(self, asked: Asked) -> Response:
        decision_id, label = asked.path["id"], SEPARATOR.join(asked.labels).strip()
        await self._desk.check(asked.identity, decision_id)
        await self._service.label(decision_id, label, _reviewer(asked))
        return _go(
            "/queue",
            task=asked.form.get("task", ""),
            after=asked.form.get("after", ""),
            done=decision_id,
            **{"as": label},
        )

    async def undo(self, asked: Asked) -> Response:
        """Take a label or a correction back. A correction was given on the decision's page: lead back there."""
        decision_id = asked.path["id"]
        await self._desk.check(asked.identity, decision_id)
        await self._service.unlabel(decision_id, _reviewer(asked))
        if asked.form.get("from") == "decision":
            return _go(f"/decisions/{quote(decision_id, safe='')}")
        return _go("/queue", task=asked.form.get("task", ""))

    async def name_reviewer(self, asked: Asked) -> Response:
        response = _go("/queue", task=asked.form.get("task", ""))
        name = asked.form.get("name", "").strip()[:100] or NOBODY
        response.set_cookie(
            REVIEWER, quote(name), max_age=REVIEWER_DAYS * 86_400, httponly=True, samesite="strict", path="/"
        )
        return response

    async def task(self, asked: Asked) -> Response:
        status = self._service.task(asked.path["name"])
        return self._show("task.html", status=status, has_report=self._has_report(status))

    def _has_report(self, status: TaskStatus) -> bool:
        try:
            self._service.report_html(status.task.name)
        except RightsizedError:
            return False
        return True

    async def report(self, asked: Asked) -> Response:
        return HTMLResponse(self._service.report_html(asked.path["name"]), 200, dict(REPORT_HEADERS))

    async def jobs(self, asked: Asked) -> Response:
        return self._show("jobs.html", jobs=self._service.jobs())

    async def cancel(self, asked: Asked) -> Response:
        try:
            self._service.cancel_job(asked.path["id"])
        except JobError as error:
            raise RefusedError("job-ended", error.message, fix=error.fix) from None
        return _go("/jobs")

    async def kinds(self, asked: Asked) -> Response:
        code, known = asked.path["code"], problems.kinds()
        if code not in known:
            raise RefusedError("unknown-route", f"There is no kind of problem called {code!r}.")
        return self._show("kinds.html", code=code, kinds=known)

    def problem(self, problem: Problem) -> Response:
        """A problem as a page for a person. It asks the service nothing: the service may be what went wrong."""
        return self._show("problem.html", http=problem.status, problem=problem, tasks=(), gateway=None, promises=())


def _queues(
    tasks: Sequence[TaskStatus], gateway: GatewayStatus | None, promises: Sequence[PromiseStatus]
) -> list[tuple[str, int]]:
    """Names under which something waits, and how much; the gateway's among the tasks', then answers from documents."""
    found = {status.task.name: status.waiting for status in tasks}
    if gateway is not None:
        found.setdefault(gateway.cascade, gateway.waiting)
    found |= {one.task: one.waiting for one in promises}
    return [(name, count) for name, count in found.items() if count]


def _current(items: list[QueueItem], after: str) -> QueueItem | None:
    """The first waiting message, or the one that follows a skipped one."""
    places = [place for place, item in enumerate(items) if item.decision == after]
    if places:
        items = items[places[0] + 1 :] or items
    return items[0] if items else None


def _labels_only(label: str, status: TaskStatus | None) -> str:
    """A label from an address, in words; empty unless the task has it: an address must not put words on a page."""
    known = (*status.task.labels, OUT_OF_SCOPE) if status else ()
    return views.label_words(label) if set(label.split(SEPARATOR)) <= set(known) else ""


def _reviewer(asked: Asked) -> str:
    """Who labels: whose key it is, where one was shown; else the name that they gave themselves on the page."""
    return asked.identity.signs_as(unquote(asked.cookies.get(REVIEWER, "")).strip()[:100] or NOBODY)


def _go(path: str, **query: str) -> RedirectResponse:
    """Lead on with GET, so that reloading a page never posts twice."""
    given = urlencode({name: value for name, value in query.items() if value})
    return RedirectResponse(f"{path}?{given}" if given else path, 303, dict(PAGE_HEADERS))
