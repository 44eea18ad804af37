"""The table of the API: each route's address, bodies, parameters and failures, in one place.

The router, the OpenAPI document and the tests all read this table; a route that is not in it does not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from rightsized.core.types import Explanation
from rightsized.server import api, bodies
from rightsized.tasks.records import Review, TaskStatus
from rightsized.tasks.service_protocol import Service

Handler = Callable[[Service, api.Call], Awaitable[Struct | None]]
MAX_QUEUE = 1000  # items of one queue request


class Parameter(NamedTuple):
    """A query parameter: its schema as JSON Schema, and what it means."""

    name: str
    schema: Mapping[str, Any]
    meaning: str


class Operation(NamedTuple):
    """One method on one address.

    `response` None means no JSON body: 204, or text of the type `media`. `handler` None means that `app.py` answers.
    """

    method: str
    path: str
    summary: str
    handler: Handler | None
    response: type[Struct] | None = None
    request: type[Struct] | None = None
    query: tuple[Parameter, ...] = ()
    problems: tuple[str, ...] = ()
    media: str = "application/json"


_BODY = (
    "invalid-json",
    "cross-site",
    "request-timeout",
    "payload-too-large",
    "unsupported-media-type",
    "invalid-field",
)
_LABEL = (*_BODY, "not-found", "input")
_TASK = Parameter("task", {"type": "string"}, "Only this task's messages.")
_LIMIT = Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_QUEUE, "default": 100}, "At most so many.")
_D = "/v1/decisions/{id}"
_Q = "/v1/queue"

OPERATIONS = (
    Operation("POST", "/v1/classify", "Classify one text, or several.", None,
              bodies.Replies, bodies.ClassifyRequest, problems=(*_LABEL, "busy")),
    Operation("GET", "/v1/tasks", "List the tasks with the state of their promise.", api.list_tasks, bodies.Tasks),
    Operation("GET", "/v1/tasks/{name}", "Show one task.", api.show_task, TaskStatus, problems=("not-found",)),
    Operation("GET", _D, "Show the record of one request.", api.show_decision,
              bodies.DecisionView, problems=("not-found",)),
    Operation("GET", _D + "/explanation", "Show which words led to a decision.", api.explain_decision,
              Explanation, problems=("not-found", "text-removed", "busy")),
    Operation("POST", "/v1/feedback", "Correct the label of a decision.", api.give_feedback,
              Review, bodies.FeedbackRequest, problems=_LABEL),
    Operation("GET", _Q, "List the messages that wait for a person.", api.list_queue,
              bodies.Queue, query=(_TASK, _LIMIT), problems=("not-found", "invalid-field")),
    Operation("POST", _Q + "/{id}", "Label a waiting message.", api.label_item,
              Review, bodies.LabelRequest, problems=_LABEL),
    Operation("DELETE", _Q + "/{id}", "Take a label back; the message waits again.", api.unlabel_item,
              problems=("cross-site", "not-found")),
    Operation("GET", "/v1/jobs", "List long work, newest first.", api.list_jobs, bodies.Jobs),
    Operation("DELETE", "/v1/jobs/{id}", "Cancel a job.", api.cancel_job,
              problems=("cross-site", "not-found", "job-ended")),
    Operation("GET", "/healthz", "Say that the process is alive.", api.health, bodies.Health),
    Operation("GET", "/readyz", "Say whether every task is loaded.", api.ready, bodies.Health, problems=("not-ready",)),
    Operation("GET", "/metrics", "Figures for Prometheus.", None, media="text/plain"),
    Operation("GET", "/openapi.json", "This description.", None),
)  # fmt: skip
