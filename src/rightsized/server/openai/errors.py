"""Failures in the shape that OpenAI clients raise: `{"error": {message, type, param, code}}` and a right status.

`type` says whose turn it is: `invalid_request_error` the caller's, `rate_limit_error` wait, `upstream_error` and
`timeout_error` a model server's, `server_error` ours, and `needs_person`: no tier may answer, a person must.
"""

from __future__ import annotations

import logging
import math
from typing import NamedTuple

import msgspec
from msgspec import Struct

from rightsized.core.errors import (
    BusyError,
    ConfigError,
    ContextLengthError,
    EgressDeniedError,
    ForbiddenError,
    InputError,
    NotFoundError,
    RateLimitError,
    RightsizedError,
    UnauthorizedError,
    UpstreamError,
    UpstreamTimeoutError,
)
from rightsized.core.types import Reply
from rightsized.server.problems import HTTP_KINDS, RETRY_AFTER_SECONDS, RefusedError

log = logging.getLogger("rightsized.server")
INVALID = "invalid_request_error"
TYPES = {
    400: INVALID,
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    502: "upstream_error",
    503: "server_error",
    504: "timeout_error",
}
# First match wins. `InputError` is 422 in our own API; OpenAI clients know 400 for a request that cannot be answered.
_KINDS: tuple[tuple[type[RightsizedError], int, str], ...] = (
    (RateLimitError, 429, "rate_limit_exceeded"),
    (BusyError, 429, "busy"),
    (ContextLengthError, 400, "context_length_exceeded"),
    (InputError, 400, ""),
    (UnauthorizedError, 401, "invalid_api_key"),
    (EgressDeniedError, 403, ""),
    (ForbiddenError, 403, ""),
    (NotFoundError, 404, "model_not_found"),  # a tier, a model or a task that `model` names
    (UpstreamTimeoutError, 504, "upstream_timeout"),
    (UpstreamError, 502, "upstream"),
    (ConfigError, 500, ""),
)

# What a field of a chat is called elsewhere.
_NAMES: dict[str, dict[str, str]] = {
    "/v1/completions": {"messages": "prompt"},
    "/v1/embeddings": {"messages": "input"},
    "/v1/rerank": {"messages": "documents"},
    "/v1/responses": {"messages": "input", "response_format": "text.format"},
}
_TOO_LONG = "The prompt is longer than the model's context length."  # clients look for these words to shorten theirs


class ErrorDetail(Struct, frozen=True):
    """What went wrong. `param` names the field at fault, `code` the kind for programs.

    `decision` is the id under which the request is on record, where it is.
    """

    message: str
    type: str
    param: str | None = None
    code: str | None = None
    decision: str | None = None


class ErrorBody(Struct, frozen=True):
    """The body of every failure of the OpenAI-compatible API."""

    error: ErrorDetail


class InvalidError(Exception):
    """A request that cannot be answered as given; `param` names the field."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.param, self.code, self.status = message, param, code, status


class NeedsPersonError(Exception):
    """No tier may answer; the decision waits for a person."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.id)
        self.reply = reply


class Failure(NamedTuple):
    """A failure as it leaves: status, more header fields, and the body."""

    status: int
    headers: dict[str, str]
    body: ErrorBody

    def encoded(self) -> bytes:
        return msgspec.json.encode(self.body)


def from_exception(error: Exception, path: str) -> Failure:
    """The failure for whatever was raised. Unforeseen errors go to the log only."""
    if isinstance(error, InvalidError):
        return _failure(error.status, ErrorDetail(error.message, INVALID, error.param, error.code))
    if isinstance(error, NeedsPersonError):
        return _needs_person(error.reply)
    if isinstance(error, RefusedError):
        status = 400 if error.code == "invalid-field" else HTTP_KINDS[error.code][0]
        kind = "server_error" if status >= 500 else TYPES.get(status, INVALID)
        message = f"{error.detail} {error.fix}".strip()
        return _failure(status, ErrorDetail(message, kind, None, error.code.replace("-", "_")), error.headers)
    if isinstance(error, RightsizedError):
        return _from_ours(error, path)
    log.error("Unforeseen error at %s", path, exc_info=error)
    message = "The request could not be handled. The server's log holds the details."
    return _failure(500, ErrorDetail(message, "server_error", None, "internal"))


def _from_ours(error: RightsizedError, path: str) -> Failure:
    matched = ((status, code) for kind, status, code in _KINDS if isinstance(error, kind))
    status, code = next(matched, (error.status, ""))
    if isinstance(error, UpstreamError) and error.status < 500:
        status = error.status  # a model server blames the request: the client can mend it, and need not try again
    message = f"{error} {_TOO_LONG}" if isinstance(error, ContextLengthError) else str(error)
    detail = ErrorDetail(
        message, TYPES.get(status, "server_error" if status >= 500 else INVALID),
        _param(error, path),
        code or error.code.replace("-", "_"), error.decision or None,
    )  # fmt: skip
    on_record = {"x-rightsized-decision": error.decision} if error.decision else {}
    return _failure(status, detail, {**_retry_after(error), **on_record})


def _param(error: RightsizedError, path: str) -> str | None:
    """The field of the request that is to blame, by its name at that address; None where none is known."""
    if isinstance(error, NotFoundError):
        return "model"
    named = (
        "messages" if isinstance(error, ContextLengthError) else error.param if isinstance(error, InputError) else ""
    )
    return _NAMES.get(path, {}).get(named, named) or None


def _retry_after(error: RightsizedError) -> dict[str, str]:
    """When to try again, in whole seconds; only where that is known to help."""
    seconds: float | None = None
    if isinstance(error, RateLimitError | UpstreamError):
        seconds = error.retry_after
    elif isinstance(error, BusyError):
        seconds = RETRY_AFTER_SECONDS
    return {} if seconds is None else {"retry-after": str(max(1, math.ceil(seconds)))}


def _needs_person(reply: Reply) -> Failure:
    reasons = "; ".join(f"{a.rung}: {a.reason}" for a in reply.attempts if a.reason) or "no tier may answer"
    message = f"No model may answer this; it waits for a person as decision {reply.id}. {reasons}."
    detail = ErrorDetail(message, "needs_person", None, "needs_person", reply.id)
    headers = {
        "x-request-id": reply.id,
        "x-rightsized-decision": reply.id,
        "x-rightsized-tier": "0",
        "x-rightsized-state": "uncertified",
    }
    return _failure(422, detail, headers)


def _failure(status: int, detail: ErrorDetail, headers: dict[str, str] | None = None) -> Failure:
    return Failure(status, headers or {}, ErrorBody(detail))
