"""The table of the API: each route's address, bodies, parameters and failures, in one place.

The router, the OpenAPI document and the tests all read this table; a route that is not in it does not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from rightsized.apps.triage.drafts.writing import Draft
from rightsized.core.generation import DATA_CLASSES
from rightsized.core.types import Explanation
from rightsized.ledger.prove import Proof
from rightsized.server import api, bodies, reviewing
from rightsized.server.documents import answer_bodies, answering, long, long_bodies
from rightsized.server.documents import bodies as documents
from rightsized.server.documents import handlers as search
from rightsized.server.openai import answers
from rightsized.server.openai.asked import MAX_FIELD
from rightsized.server.openai.bodies import ChatRequest, CompletionRequest, EmbeddingsRequest, RerankRequest
from rightsized.server.openai.models import Model, ModelList
from rightsized.server.openai.response_request import ResponsesRequest
from rightsized.server.triage import bodies as mail
from rightsized.server.triage import handlers as triage
from rightsized.tasks.gateway_protocol import GatewayStatus
from rightsized.tasks.leaving import Leaving
from rightsized.tasks.record_views import KeyChange, PolicyView, Purged, RecordStatus
from rightsized.tasks.records import Review, TaskStatus

Handler = Callable[[Any, api.Call], Awaitable[Struct | None]]
# What answers: tasks and tiers, document search, triage, or decisions as one person may read them.
Part = Literal["tasks", "documents", "triage", "desk"]
MAX_QUEUE = 1000  # items of one queue request
MAX_DAYS = 36_500  # of a look back


class Parameter(NamedTuple):
    """A query parameter: its schema as JSON Schema, and what it means."""

    name: str
    schema: Mapping[str, Any]
    meaning: str


class Operation(NamedTuple):
    """One method on one address.

    `response` None means no JSON body: 204, or text of the type `media`. `handler` None means that `app.py` answers.
    `failures` says by status what an address of the OpenAI-compatible API answers in its own shape of errors; such an
    address has no `problems`. `streams`: it answers with events where the body asks for that. `part`: whom the handler
    asks. `watched`: the work ends once its client has gone, as where a model writes for minutes.
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
    headers: tuple[Parameter, ...] = ()
    failures: Mapping[int, str] = MappingProxyType({})
    streams: bool = False
    part: Part = "tasks"
    watched: bool = False


_BODY = (
    "invalid-json",
    "cross-site",
    "request-timeout",
    "payload-too-large",
    "unsupported-media-type",
    "invalid-field",
)
_TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_FIELD}
_WISHES = (
    Parameter("X-Rightsized-Data-Class", {"type": "string", "enum": list(DATA_CLASSES)},
              "What the request holds; a tier answers only classes it was given."),
    Parameter("X-Rightsized-Region", _TEXT, "Where the data must stay."),
    Parameter("X-Rightsized-Conversation", _TEXT, "The thread it belongs to; a thread stays on its tier."),
    Parameter("X-Rightsized-Subject", _TEXT, "Whom it is about; the record is sealed under a key of that person."),
    Parameter("X-Rightsized-Provenance", {"type": "string", "enum": ["trusted", "untrusted"]},
              "Whether anybody vouches for the content; untrusted content leads to no tools but those a policy names."),
    Parameter("X-Rightsized-Timeout", {"type": "number", "exclusiveMinimum": 0}, "Seconds after which nobody waits."),
)  # fmt: skip
_REFUSED = {
    401: "No key, or one that is not valid.",
    403: "The key, or a rule, does not allow that; or another web site sent this through a browser.",
    404: "No such model, or no tier is configured.",
    405: "Another method.",
    421: "The request names a host that this server does not answer for.",
    429: "Too much is waiting, or a key has used up its share; `Retry-After` says when to come back.",
    500: "Something went wrong inside the server.",
    503: "The server is shutting down.",
}
_UNREAD = {
    400: "The body is no JSON object, or the field named by `param` cannot be used.",
    408: "The request did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
}
_UPSTREAM = {502: "A model server failed or answered nonsense.", 504: "No model server answered in time."}
_PERSON = {422: "`needs_person`: no tier may answer; `decision` is the id under which a person finds it."}
_MADE = {**_UNREAD, **_REFUSED, **_UPSTREAM}
_WRITTEN = {**_MADE, **_PERSON}
_LABEL = (*_BODY, "not-found", "input")
_TASK = Parameter("task", {"type": "string"}, "Only this task's messages.")
_LIMIT = Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_QUEUE, "default": 100}, "At most so many.")
_DAYS = Parameter("days", {"type": "integer", "minimum": 0, "maximum": MAX_DAYS, "default": 30},
                  "What has left in the last so many days; 0 is all that is on record.")  # fmt: skip
_WORD: Mapping[str, Any] = {"type": "string"}
_WANTED = (
    Parameter("task", _WORD, "Of this task or cascade."),
    Parameter("since", _WORD, "From this time on, such as 2026-11-01 or 2026-11-01T08:30; UTC."),
    Parameter("until", _WORD, "Up to before this time."),
    Parameter("status", _WORD, "With this outcome: answered, abstained, failed, or open (no end yet)."),
    Parameter("label", _WORD, "Answered with this label."),
    Parameter("rule", _WORD, "A rule of the policy with this id said something."),
    Parameter("tenant", _WORD, "Of this tenant."),
    Parameter("key", _WORD, "Asked with the key of this id."),
    Parameter("subject", _WORD, "About this person."),
    Parameter("conversation", _WORD, "Of this conversation."),
    Parameter("certificate", _WORD, "Answered under the certificate of this id."),
    Parameter("rung", _WORD, "Tried by this rung or tier."),
    Parameter("model", _WORD, "Tried by the model with this digest."),
)
_D = "/v1/decisions/{id}"
_Q = "/v1/queue"
_M = "/v1/triage/{inbox}/messages"
_STATUS = Parameter("status", {"type": "string", "enum": ["waiting", "routed", "done", "none"], "default": "waiting"},
                    "With this status.")  # fmt: skip
_QUEUE = Parameter("queue", _WORD, "In this queue.")
_ASSIGNEE = Parameter("assignee", _WORD, "Of this person.")

OPERATIONS = (
    Operation("POST", "/v1/classify", "Classify one text, or several.", None,
              bodies.Replies, bodies.ClassifyRequest, problems=(*_LABEL, "busy")),
    Operation("POST", "/v1/chat/completions", "Continue a conversation.", None,
              answers.ChatCompletion, ChatRequest, headers=_WISHES, failures=_WRITTEN, streams=True),
    Operation("POST", "/v1/completions", "Continue a text, or fill a gap in one.", None,
              answers.TextCompletion, CompletionRequest, headers=_WISHES, failures=_WRITTEN, streams=True),
    Operation("POST", "/v1/responses", "Continue a conversation, in the shape of the Responses API.", None,
              answers.ResponseObject, ResponsesRequest, headers=_WISHES, failures=_WRITTEN, streams=True),
    Operation("POST", "/v1/embeddings", "Turn texts into vectors.", None,
              answers.EmbeddingList, EmbeddingsRequest, headers=_WISHES, failures=_MADE),
    Operation("POST", "/v1/rerank", "Sort documents by how well they answer a query.", None,
              answers.Ranking, RerankRequest, headers=_WISHES, failures=_MADE),
    Operation("GET", "/v1/models", "List everything that `model` may name.", None, ModelList, failures=_REFUSED),
    Operation("GET", "/v1/models/{id}", "Show one model.", None, Model, failures=_REFUSED),
    Operation("GET", "/v1/tasks", "List the tasks with the state of their promise.", api.list_tasks, bodies.Tasks),
    Operation("GET", "/v1/tasks/{name}", "Show one task.", api.show_task, TaskStatus, problems=("not-found",)),
    Operation("GET", "/v1/gateway", "Show the tiers, and the promise under which `auto` is answered.",
              api.show_gateway, GatewayStatus, problems=("not-found",)),
    Operation("GET", "/v1/decisions", "Find decisions, newest first, without their texts.", api.find_decisions,
              bodies.Decisions, query=(*_WANTED, _LIMIT), problems=("invalid-field", "input")),
    Operation("GET", _D, "Show the record of one request.", reviewing.show_decision,
              bodies.DecisionView, problems=("not-found",), part="desk"),
    Operation("GET", _D + "/explanation", "Show which words led to a decision.", api.explain_decision,
              Explanation, problems=("forbidden", "not-found", "text-removed", "busy")),
    Operation("GET", _D + "/proof", "Prove that a decision is in the log as it was recorded.", api.prove_decision,
              Proof, problems=("not-found", "proof")),
    Operation("GET", "/v1/record", "Show how the record of decisions stands, and where its checkpoints are kept.",
              api.show_record, RecordStatus),
    Operation("GET", "/v1/policy", "Show the policy in force.", api.show_policy, PolicyView),
    Operation("GET", "/v1/egress", "List what may leave this machine, and what has.", api.show_egress,
              Leaving, query=(_DAYS,), problems=("invalid-field", "config")),
    Operation("POST", "/v1/record/accesses", "Put on record that a command shows documents to somebody.",
              api.note_seen, request=bodies.SeenRequest, problems=_LABEL),
    Operation("POST", "/v1/record/keys", "Let a new key sign the log; the one so far signs the handover.",
              api.rotate_key, KeyChange, problems=("cross-site",)),
    Operation("POST", "/v1/record/retention", "Delete the texts whose time is over, now.", api.purge_texts,
              Purged, problems=("cross-site",)),
    Operation("POST", "/v1/feedback", "Correct the label of a decision.", api.give_feedback,
              Review, bodies.FeedbackRequest, problems=_LABEL),
    Operation("GET", _Q, "List the messages that wait for a person.", reviewing.list_queue,
              bodies.Queue, query=(_TASK, _LIMIT), problems=("not-found", "invalid-field"), part="desk"),
    Operation("POST", _Q + "/{id}", "Label a waiting message.", reviewing.label_item,
              Review, bodies.LabelRequest, problems=_LABEL, part="desk"),
    Operation("DELETE", _Q + "/{id}", "Take a label back; the message waits again.", reviewing.unlabel_item,
              problems=("cross-site", "not-found"), part="desk"),
    Operation("GET", "/v1/promises", "Show what is promised of answers from documents, and how it is kept.",
              reviewing.list_promises, bodies.Promises, part="desk"),
    Operation("GET", "/v1/jobs", "List long work, newest first.", api.list_jobs, bodies.Jobs),
    Operation("DELETE", "/v1/jobs/{id}", "Cancel a job.", api.cancel_job,
              problems=("cross-site", "not-found", "job-ended")),
    Operation("POST", "/v1/search", "Find the passages of documents that answer a question.", search.search,
              documents.SearchResponse, documents.SearchRequest,
              problems=(*_LABEL, "busy", "forbidden"), part="documents"),
    Operation("POST", "/v1/answer", "Answer a question by documents, or by a model that cites them.", answering.answer,
              answer_bodies.AnswerResponse, answer_bodies.AnswerRequest,
              problems=(*_LABEL, "busy", "forbidden", "unsupported", "rate-limit"), part="documents", watched=True),
    Operation("POST", "/v1/suggest", "Say how a question to documents may go on.", search.suggest,
              documents.SuggestResponse, documents.SuggestRequest,
              problems=(*_LABEL, "forbidden"), part="documents"),
    Operation("POST", "/v1/similar", "Find documents that are like one.", search.similar,
              documents.SimilarResponse, documents.SimilarRequest,
              problems=(*_LABEL, "forbidden"), part="documents"),
    Operation("POST", "/v1/clauses", "Rank every clause of documents by how much it matters.", long.clauses,
              long_bodies.ClausesResponse, long_bodies.ClausesRequest,
              problems=(*_LABEL, "busy", "forbidden"), part="documents"),
    Operation("POST", "/v1/context", "Pack what matters of documents into a budget of tokens.", long.context,
              long_bodies.ContextResponse, long_bodies.ContextRequest,
              problems=(*_LABEL, "busy", "forbidden"), part="documents"),
    Operation("POST", "/v1/summary", "Summarise a document, in its own sentences or written.", long.summary,
              long_bodies.SummaryResponse, long_bodies.SummaryRequest,
              problems=(*_LABEL, "busy", "forbidden", "config", "unsupported", "egress-denied"), part="documents",
              watched=True),
    Operation("GET", "/v1/collections", "List the collections of documents.", search.list_collections,
              documents.CollectionList, part="documents"),
    Operation("GET", "/v1/collections/{name}/documents/{id}", "Show a document with its text.", search.show_document,
              documents.DocumentView, problems=("not-found",), part="documents"),
    Operation("GET", "/v1/triage", "List the inboxes and how much is in each.", triage.list_inboxes,
              mail.InboxList, part="triage"),
    Operation("POST", "/v1/triage", "Label, summarise and route one message.", triage.handle_message,
              mail.MessageResponse, mail.MessageRequest, problems=(*_LABEL, "busy", "forbidden", "config"),
              part="triage"),
    Operation("GET", _M, "List messages of an inbox; those that wait, unless asked otherwise.", triage.list_messages,
              mail.MessageList, query=(_STATUS, _QUEUE, _ASSIGNEE, _LIMIT), problems=("not-found", "invalid-field"),
              part="triage"),
    Operation("POST", mail.HOOK, "Take in a message that is signed as a web hook (Standard Webhooks).", None,
              mail.Taken, problems=("unauthorized", "payload-too-large", "input", "busy", "config"), part="triage"),
    Operation("GET", "/v1/triage/{inbox}/forecast", "Say which waiting messages are likely to be answered late.",
              triage.show_forecast, mail.Forecast, problems=("not-found",), part="triage"),
    Operation("GET", _M + "/{number}", "Show a message with its thread and what happened to it.", triage.show_message,
              mail.MessageView, problems=("not-found", "input"), part="triage"),
    Operation("POST", _M + "/{number}", "Accept, correct, assign or finish a message.", triage.do_step,
              mail.MessageRow, mail.StepRequest, problems=_LABEL, part="triage"),
    Operation("POST", _M + "/{number}/draft", "Draft a reply for a person to check; nothing is sent.",
              triage.draft_reply, Draft, part="triage",
              problems=(*_LABEL, "busy", "forbidden", "config", "unsupported", "egress-denied")),
    Operation("GET", "/healthz", "Say that the process is alive.", api.health, bodies.Health),
    Operation("GET", "/readyz", "Say whether every task is loaded and decisions can be recorded.", api.ready,
              bodies.Health, problems=("not-ready",)),
    Operation("GET", "/metrics", "Figures for Prometheus.", None, media="text/plain"),
    Operation("GET", "/openapi.json", "This description.", None),
)  # fmt: skip
