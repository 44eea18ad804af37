"""Which permission each route needs: the whole table, API and pages, in one place.

`core/roles.py` says which role holds which permission. A route that is not in the table needs `administer`; a test
walks every route the server has and fails where one is missing here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rightsized.core.roles import Permission

OPEN = "open"  # needs no key anywhere


class Route(NamedTuple):
    """A method and an address as the router names it, and what it needs: a permission, or OPEN."""

    method: str
    path: str
    needs: Permission | str


API = (
    Route("GET", "/healthz", OPEN),
    Route("GET", "/readyz", OPEN),
    Route("POST", "/v1/classify", "ask"),
    Route("POST", "/v1/chat/completions", "ask"),
    Route("POST", "/v1/completions", "ask"),
    Route("POST", "/v1/embeddings", "ask"),
    Route("POST", "/v1/rerank", "ask"),
    Route("POST", "/v1/responses", "ask"),
    Route("GET", "/v1/responses/{id}", "ask"),
    Route("POST", "/v1/feedback", "correct"),
    Route("POST", "/v1/search", "search"),
    Route("POST", "/v1/answer", "search"),
    Route("POST", "/v1/suggest", "search"),
    Route("POST", "/v1/similar", "search"),
    Route("POST", "/v1/clauses", "search"),
    Route("POST", "/v1/context", "search"),
    Route("POST", "/v1/summary", "search"),
    Route("GET", "/v1/collections", "search"),
    Route("GET", "/v1/collections/{name}/documents/{id}", "search"),
    Route("GET", "/v1/models", "list"),
    Route("GET", "/v1/models/{id}", "list"),
    Route("GET", "/v1/tasks", "list"),
    Route("GET", "/v1/tasks/{name}", "list"),
    Route("GET", "/openapi.json", "list"),
    Route("GET", "/v1/gateway", "look"),
    Route("GET", "/v1/promises", "look"),
    Route("GET", "/v1/decisions", "read"),
    Route("GET", "/v1/decisions/{id}", "read"),
    Route("GET", "/v1/decisions/{id}/explanation", "read"),
    Route("GET", "/v1/decisions/{id}/proof", "audit"),
    Route("GET", "/v1/record", "audit"),
    Route("GET", "/v1/policy", "audit"),
    Route("GET", "/v1/egress", "audit"),
    Route("POST", "/v1/record/accesses", "administer"),
    Route("POST", "/v1/record/keys", "administer"),
    Route("POST", "/v1/record/retention", "administer"),
    Route("GET", "/v1/queue", "review"),
    Route("POST", "/v1/queue/{id}", "review"),
    Route("DELETE", "/v1/queue/{id}", "review"),
    Route("GET", "/v1/triage", "look"),
    Route("POST", "/v1/triage", "ask"),
    Route("POST", "/v1/triage/{inbox}/hook", OPEN),  # its signature is the key
    Route("GET", "/v1/triage/{inbox}/forecast", "review"),
    Route("GET", "/v1/triage/{inbox}/messages", "review"),
    Route("GET", "/v1/triage/{inbox}/messages/{number}", "review"),
    Route("POST", "/v1/triage/{inbox}/messages/{number}", "review"),
    Route("POST", "/v1/triage/{inbox}/messages/{number}/draft", "review"),
    Route("GET", "/v1/jobs", "look"),
    Route("DELETE", "/v1/jobs/{id}", "operate"),
    Route("GET", "/metrics", "measure"),
)
PAGES = (
    Route("GET", "/", "look"),
    Route("GET", "/try", "look"),
    Route("POST", "/try", "ask"),
    Route("GET", "/queue", "review"),
    Route("POST", "/queue/{id}", "review"),
    Route("POST", "/queue/{id}/undo", "review"),
    Route("POST", "/reviewer", "review"),
    Route("GET", "/triage", "look"),
    Route("GET", "/triage/{inbox}", "review"),
    Route("POST", "/triage/{inbox}/{number}", "review"),
    Route("GET", "/decisions", "read"),
    Route("GET", "/decisions/{id}", "read"),
    Route("POST", "/decisions/{id}/feedback", "correct"),
    Route("GET", "/record", "audit"),
    Route("GET", "/models", "look"),
    Route("POST", "/models", "ask"),
    Route("GET", "/tasks/{name}", "look"),
    Route("GET", "/tasks/{name}/report", "look"),
    Route("GET", "/search", "search"),
    Route("GET", "/search/{name}", "search"),
    Route("GET", "/search/{name}/{id}", "search"),
    Route("GET", "/search/{name}/{id}/pages/{page}", "search"),
    Route("GET", "/search/{name}/{id}/similar", "search"),
    Route("GET", "/search/{name}/{id}/clauses", "search"),
    Route("GET", "/search/{name}/{id}/summary", "search"),
    Route("GET", "/reviews", "review"),
    Route("GET", "/reviews/{name}/{set}", "review"),
    Route("POST", "/reviews/{name}/{set}", "review"),
    Route("POST", "/reviews/{name}/{set}/next", "review"),
    Route("GET", "/jobs", "look"),
    Route("POST", "/jobs/{id}/cancel", "operate"),
    Route("GET", "/problems/{code}", "list"),
    Route("GET", "/static/{name}", "list"),
)
ROUTES: tuple[Route, ...] = (*API, *PAGES)
_WITH_SLASHES = "/v1/models/{id}"  # the id of a model may hold slashes


def _pattern(path: str) -> re.Pattern[str]:
    part = ".+" if path == _WITH_SLASHES else "[^/]+"
    return re.compile("".join(part if piece.startswith("{") else re.escape(piece) for piece in _PIECES.split(path)))


_PIECES = re.compile(r"(\{\w+\})")
_EXACT = {(route.method, route.path): route.needs for route in ROUTES if "{" not in route.path}
_PATTERNS = [(route.method, _pattern(route.path).fullmatch, route.needs) for route in ROUTES if "{" in route.path]


def needed(method: str, path: str) -> Permission | str:
    """What a request needs. HEAD is GET without a body; what the table does not name needs `administer`."""
    method = "GET" if method == "HEAD" else method
    found = _EXACT.get((method, path))
    if found is None:
        found = next((needs for verb, fits, needs in _PATTERNS if verb == method and fits(path)), None)
    return found or "administer"
