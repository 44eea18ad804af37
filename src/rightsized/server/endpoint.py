"""One address as an ASGI application: picks the method, times it, and turns every failure into a problem."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response

from rightsized.core.roles import LOCAL_ADMIN
from rightsized.server import problems
from rightsized.server.api import Call
from rightsized.server.guards import API_HEADERS
from rightsized.server.keys import IDENTITY
from rightsized.server.metrics import Metrics
from rightsized.server.openai.exchange import Exchange, Watched
from rightsized.server.problems import Problem, RefusedError
from rightsized.server.reading import (
    JSON_TYPE,
    DisconnectedError,
    Message,
    Receive,
    Scope,
    Send,
    decode,
    read_body,
    require_type,
)
from rightsized.server.routes import Operation

Respond = Callable[[Scope, Receive], Awaitable[Response]]
AsPage = Callable[[Problem], Response]


class Endpoint:
    """Answers one address. `as_page` shows a problem to a person; without it problems are JSON."""

    def __init__(
        self, route: str, methods: Mapping[str, Respond], metrics: Metrics, as_page: AsPage | None = None
    ) -> None:
        self._route, self._methods, self._metrics, self._as_page = route, dict(methods), metrics, as_page
        if "GET" in methods:
            self._methods["HEAD"] = methods["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            response = await self._pick(scope)(scope, receive)
        except DisconnectedError:
            return
        except Exception as error:  # noqa: BLE001 - the process boundary: whatever happened leaves as a problem
            response = problem_response(error, scope["path"], self._as_page if wants_page(scope) else None, self._route)
        self._metrics.request(self._route, scope["method"], response.status_code, time.perf_counter() - started)
        await response(scope, receive, send)

    def _pick(self, scope: Scope) -> Respond:
        respond = self._methods.get(scope["method"])
        if respond is None:
            allowed = ", ".join(sorted(self._methods))
            detail = f"{self._route} takes {allowed}, not {scope['method'][:20]}."
            raise RefusedError("method-not-allowed", detail, fix=f"Use {allowed}.", headers={"allow": allowed})
        return respond


def wants_page(scope: Scope) -> bool:
    """Whether a person's browser asks."""
    return b"text/html" in dict(scope["headers"]).get(b"accept", b"")


def problem_response(error: Exception, path: str, as_page: AsPage | None = None, route: str = "refused") -> Response:
    """The failure as problem details, or as a page; said in the log too, under the address that `route` names."""
    problem, headers = problems.from_error(error, path)
    problems.log_failure(route, problem.status, problem.code)
    if as_page:
        response = as_page(problem)
    else:
        response = Response(problems.encode(problem), problem.status, dict(API_HEADERS), problems.MEDIA_TYPE)
    for name, value in headers.items():
        response.headers[name] = value
    return response


def json_operation(operation: Operation, service: object, limit: int) -> Respond:
    """What answers a JSON route of the table by asking `service`. `limit` is the largest body, bytes."""
    handler = operation.handler
    if handler is None:
        raise ValueError(f"{operation.path} has no handler")
    decoder = msgspec.json.Decoder(operation.request) if operation.request else None

    async def respond(scope: Scope, receive: Receive) -> Response:
        body = None
        if decoder:
            headers = dict(scope["headers"])
            require_type(headers, JSON_TYPE)
            body = decode(decoder, await read_body(receive, headers, limit))
        identity = scope.get(IDENTITY, LOCAL_ADMIN)
        call = Call(scope["path_params"], read_query(operation, scope["query_string"]), body, identity)
        async with attended(scope, receive) if operation.watched else contextlib.nullcontext():
            made = await handler(service, call)
        if made is None:
            return Response(None, 204, dict(API_HEADERS))
        return Response(msgspec.json.encode(made), 200, dict(API_HEADERS), operation.media)

    return respond


def attended(scope: Scope, receive: Receive) -> Watched:
    """Cancels the work inside once its client has gone, and raises DisconnectedError. Its body has been read before."""
    return Watched(Exchange(scope, receive, _unsent))


async def _unsent(message: Message) -> None:
    raise RuntimeError("nothing is sent while the work goes on")


def read_query(operation: Operation, query: bytes) -> dict[str, Any]:
    """The query parameters, checked against the table; absent ones get their default."""
    known = {parameter.name: parameter.schema for parameter in operation.query}
    found: dict[str, Any] = {name: schema["default"] for name, schema in known.items() if "default" in schema}
    for name, text in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in known:
            takes = ", ".join(known) or "none"
            raise RefusedError("invalid-field", f"Unknown parameter {name!r}.", fix=f"Parameters taken here: {takes}.")
        found[name] = _parameter(name, text, known[name])
    return found


def _parameter(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    if "enum" in schema and text not in schema["enum"]:
        raise RefusedError("invalid-field", f"{name} = {text[:100]!r} must be one of {', '.join(schema['enum'])}.")
    if schema["type"] != "integer":
        return text
    low, high = schema["minimum"], schema["maximum"]
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not low <= int(text) <= high:
        raise RefusedError("invalid-field", f"{name} = {text!r} must be a whole number from {low} to {high}.")
    return int(text)
