"""`POST /v1/classify`, the hot path: a bare ASGI handler with no framework in between.

It reads, decodes, asks the service and writes two messages. Everything else the server does goes through Starlette.
"""

from __future__ import annotations

import time

import msgspec

from rightsized.core.errors import BusyError
from rightsized.core.generation import Caller
from rightsized.core.roles import LOCAL_ADMIN
from rightsized.core.types import Reply
from rightsized.server import problems
from rightsized.server.bodies import ClassifyRequest, Replies
from rightsized.server.guards import API_HEADERS
from rightsized.server.keys import CALLER
from rightsized.server.metrics import Metrics
from rightsized.server.problems import RefusedError
from rightsized.server.reading import (
    JSON_TYPE,
    DisconnectedError,
    Receive,
    Scope,
    Send,
    decode,
    read_body,
    require_type,
)
from rightsized.tasks.service_protocol import Service

ROUTE = "/v1/classify"
Headers = list[tuple[bytes, bytes]]

_FIXED: Headers = [
    (b"content-type", b"application/json"),
    *((name.encode(), value.encode()) for name, value in API_HEADERS.items()),
]


class Classify:
    """Answers one text or a batch. `limit` is the largest body, bytes."""

    def __init__(self, service: Service, metrics: Metrics, limit: int) -> None:
        self._service, self._metrics, self._limit = service, metrics, limit
        self._decoder = msgspec.json.Decoder(ClassifyRequest)
        self._encoder = msgspec.json.Encoder()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            replies = await self._answer(scope, receive)
        except DisconnectedError:
            return
        except Exception as error:  # noqa: BLE001 - the process boundary: whatever happened leaves as a problem
            status, headers, body = self._refuse(error)
        else:
            status, headers, body = 200, _headers(replies), self._encoder.encode(Replies(tuple(replies)))
        headers.append((b"content-length", b"%d" % len(body)))
        self._metrics.request(ROUTE, scope["method"], status, time.perf_counter() - started)
        caller = scope.get(CALLER)
        self._metrics.tenant_request(caller.tenant if caller else "", status)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> list[Reply]:
        if scope["method"] != "POST":
            detail = f"{ROUTE} takes POST, not {scope['method']}."
            raise RefusedError("method-not-allowed", detail, fix="Use POST.", headers={"allow": "POST"})
        headers = dict(scope["headers"])
        require_type(headers, JSON_TYPE)
        asked = decode(self._decoder, await read_body(receive, headers, self._limit))
        caller = scope.get(CALLER)
        replies = await self._ask(asked, caller)
        for reply in replies:
            self._metrics.reply(reply)
            self._metrics.tenant_replied(caller.tenant if caller else "", reply)
        return replies

    async def _ask(self, asked: ClassifyRequest, caller: Caller | None) -> list[Reply]:
        held = asked.data_class
        if asked.subject:
            caller = msgspec.structs.replace(caller or LOCAL_ADMIN.caller, subject=asked.subject)
        if asked.text is not None and asked.texts is None:
            about = asked.conversation
            reply = await self._service.classify(
                asked.task, asked.text, conversation=about, caller=caller, data_class=held
            )
            return [reply]
        if asked.texts is None or asked.text is not None:
            given = "neither" if asked.texts is None else "both"
            detail = f"The request holds {given} of `text` and `texts`."
            raise RefusedError("invalid-field", detail, fix="Send `text` for one text, or `texts` for several.")
        if asked.conversation:
            detail = "`conversation` belongs to a single text; this request holds `texts`."
            raise RefusedError("invalid-field", detail, fix="Send the texts of a conversation one by one.")
        return await self._service.classify_many(asked.task, asked.texts, caller=caller, data_class=held)

    def _refuse(self, error: Exception) -> tuple[int, Headers, bytes]:
        if isinstance(error, BusyError):
            self._metrics.busy()
        problem, extra = problems.from_error(error, ROUTE)
        problems.log_failure(ROUTE, problem.status, problem.code, getattr(error, "decision", None))
        headers = [(b"content-type", problems.MEDIA_TYPE.encode()), *_FIXED[1:]]
        headers += [(name.encode(), value.encode("latin-1", "replace")) for name, value in extra.items()]
        return problem.status, headers, problems.encode(problem)


def _headers(replies: list[Reply]) -> Headers:
    """The fixed headers and, for a single text, where its answer came from."""
    if len(replies) != 1:
        return list(_FIXED)
    (reply,) = replies
    return [
        *_FIXED,
        (b"x-rightsized-decision", reply.id.encode("latin-1", "replace")),
        (b"x-rightsized-tier", b"%d" % reply.tier),
        (b"x-rightsized-rung", reply.rung.encode("latin-1", "replace")),
        (b"x-rightsized-state", reply.state.encode()),
    ]
