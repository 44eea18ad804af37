"""Failures as RFC 9457 problem details. Every failure leaves through here; no stack trace ever does.

`type` is a path on this server (`/problems/not-found`) where the kind is described; `code` is its last part, for
programs; `fix` says what mends it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator

import msgspec

from rightsized.core.errors import BusyError, RateLimitError, RightsizedError
from rightsized.core.types import Frozen

log = logging.getLogger("rightsized.server")
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1  # a full queue empties within a second at any speed worth serving

# code -> (HTTP status, title) of what HTTP itself can get wrong; the tree in core/errors adds its own.
HTTP_KINDS: dict[str, tuple[int, str]] = {
    "invalid-json": (400, "The body is not valid JSON."),
    "cross-site": (403, "Another web site sent this request through a browser."),
    "unknown-route": (404, "There is nothing at this address."),
    "method-not-allowed": (405, "This address does not take this method."),
    "request-timeout": (408, "The request did not arrive in time."),
    "job-ended": (409, "The job has already ended."),
    "text-removed": (410, "The text was deleted when its time of keeping ended."),
    "payload-too-large": (413, "The body is larger than this server takes."),
    "unsupported-media-type": (415, "The body is not of a type that this address takes."),
    "wrong-host": (421, "The request names a host that this server does not answer for."),
    "invalid-field": (422, "A field or parameter is missing, unknown or of the wrong type."),
    "header-too-large": (431, "The header of the request is larger than this server takes."),
    "internal": (500, "Something went wrong inside the server."),
    "not-ready": (503, "The server cannot answer now: tasks are being loaded, or decisions cannot be recorded."),
}


class Problem(Frozen, frozen=True):
    """Problem details (RFC 9457) with two members of our own: `code` for programs and `fix` for people."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    fix: str = ""


class RefusedError(Exception):
    """A request that HTTP rules turn away before any task sees it; `code` is one of HTTP_KINDS."""

    def __init__(self, code: str, detail: str, *, fix: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.fix = code, detail, fix
        self.headers = headers or {}


def late(part: str, seconds: float) -> RefusedError:
    """The refusal of a request of which this part (`header`, `body`) did not arrive in `seconds`."""
    return RefusedError(
        "request-timeout",
        f"The {part} of the request was not complete after {seconds:g} seconds.",
        fix="Send it in one piece. [server] body_seconds sets the time for a slow line.",
        headers={"connection": "close"},
    )


def header_too_large(limit: int) -> RefusedError:
    """The refusal of a request whose header has no end within `limit` bytes."""
    return RefusedError(
        "header-too-large",
        f"The header of the request is larger than {limit // 1024} KiB.",
        fix="Send fewer or shorter header fields; texts belong into the body.",
        headers={"connection": "close"},
    )


def kinds() -> dict[str, tuple[int, str]]:
    """Every kind of problem: code -> (status, title)."""
    ours = {kind("").code: (kind.status, _title(kind)) for kind in _tree(RightsizedError)}
    return dict(sorted({**ours, **HTTP_KINDS}.items(), key=lambda entry: (entry[1][0], entry[0])))


def _tree(kind: type[RightsizedError]) -> Iterator[type[RightsizedError]]:
    for child in kind.__subclasses__():
        if child.__module__ == RightsizedError.__module__:
            yield child
            yield from _tree(child)


def _title(kind: type[RightsizedError]) -> str:
    return (kind.__doc__ or kind.__name__).strip().split("\n", 1)[0]


def from_error(error: Exception, instance: str) -> tuple[Problem, dict[str, str]]:
    """The problem and the extra headers for whatever a handler raised. Unforeseen errors go to the log only."""
    if isinstance(error, RefusedError):
        status, title = HTTP_KINDS[error.code]
        return _problem(error.code, status, title, error.detail, error.fix, instance), error.headers
    if isinstance(error, RightsizedError):
        headers = {"retry-after": str(retry_after(error))} if isinstance(error, BusyError) else {}
        if error.decision:
            headers["x-rightsized-decision"] = error.decision
        problem = _problem(error.code, error.status, _title(type(error)), error.message, error.fix, instance)
        return problem, headers
    log.error("Unforeseen error at %s", instance, exc_info=error)
    status, title = HTTP_KINDS["internal"]
    detail = "The request could not be handled. The server's log holds the details."
    return _problem("internal", status, title, detail, "Look at the server's log and report it.", instance), {}


def log_failure(route: str, status: int, code: str | None, decision: str | None = None) -> None:
    """Say in the log that a request failed. `route` is the address as the metrics name it, never what was asked."""
    level = logging.WARNING if status >= 500 else logging.INFO if status in (401, 403) else logging.DEBUG
    fields = {"route": route, "status": status, "error": code, "decision": decision}
    log.log(level, "A request failed", extra=fields)


def retry_after(error: BusyError) -> int:
    """Whole seconds until it is worth asking again."""
    return math.ceil(error.retry_after) if isinstance(error, RateLimitError) else RETRY_AFTER_SECONDS


def _problem(code: str, status: int, title: str, detail: str, fix: str, instance: str) -> Problem:
    return Problem(f"/problems/{code}", title, status, detail, instance, code, fix)


def encode(problem: Problem) -> bytes:
    """The problem as JSON."""
    return msgspec.json.encode(problem)
