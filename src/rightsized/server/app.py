"""Puts the server together: guards in front, the hot path beside them, everything else behind Starlette's router."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import msgspec
from starlette.responses import Response
from starlette.routing import Route, Router

from rightsized.apps.search.collections import Collections
from rightsized.apps.search.rank.rerankers import data_class_of, reranking_of
from rightsized.apps.search.service import SearchService
from rightsized.apps.triage.service import TriageService
from rightsized.apps.triage.watching import look_after, watch
from rightsized.core.config import Config
from rightsized.core.egress import Egress
from rightsized.core.errors import RateLimitError, RightsizedError, UnauthorizedError
from rightsized.server import openapi
from rightsized.server.classify import ROUTE as CLASSIFY
from rightsized.server.classify import Classify
from rightsized.server.console.pages import Console
from rightsized.server.endpoint import Endpoint, Respond, json_operation, problem_response, wants_page
from rightsized.server.guards import API_HEADERS, Guard
from rightsized.server.keys import BROWSER, Gate
from rightsized.server.metrics import Metrics
from rightsized.server.openai.exchange import Exchange
from rightsized.server.openai.surface import Surface
from rightsized.server.problems import RefusedError
from rightsized.server.reading import MIB, WHOLE, Receive, Scope, Send, in_time
from rightsized.server.reviewing import Desk
from rightsized.server.routes import OPERATIONS, Part
from rightsized.server.triage.bodies import HOOK
from rightsized.server.triage.gauges import InboxGauges
from rightsized.server.triage.hook import signed_intake
from rightsized.server.triage.policies import policies_of
from rightsized.store.home import Home
from rightsized.tasks.accesses import Access
from rightsized.tasks.service_protocol import Service
from rightsized.tasks.spending import Spending
from rightsized.tasks.writing import gateway_writers

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class App:
    """The ASGI application. `lifespan` starts and closes the service; ASGI's own lifespan messages do the same."""

    def __init__(self, service: Service, config: Config, gate: Gate | None = None) -> None:
        self.config = config
        self._gate = gate or Gate(config, Spending())
        self._service = service
        limit = int(config.server.max_body_mb * MIB)
        self._metrics = Metrics(service, config.server.metric_tenants)
        self._guard = Guard(config.server.host)
        self._classify = Classify(service, self._metrics, limit)
        self._openai = Surface(service, config.gateway, self._metrics, limit, self._gate.used)
        self._documents = documents_of(service, config)
        self._triage = TriageService(config, service, policies_of(self._documents))
        self._metrics.registry.register(InboxGauges(self._triage))
        self._desk = Desk(service, self._documents)
        self._console = Console(self._desk, self._triage, limit, self._metrics.uses)
        self._router = self._build_router(limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan_messages(receive, send)
        else:
            raise ValueError(f"{scope['type']!r} connections are not served")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = self._openai.at(scope["path"])
        try:
            self._guard.check(scope["method"], dict(scope["headers"]))
            self._gate.admit(scope)
        except (RefusedError, RightsizedError) as error:
            if address is not None:
                await address.refuse(Exchange(scope, receive, send), error)
                return
            response = problem_response(error, scope["path"], self._console.problem if wants_page(scope) else None)
            if isinstance(error, UnauthorizedError) and wants_page(scope):
                response.headers.update(BROWSER)
            self._metrics.request("refused", "any", response.status_code, 0.0)
            if isinstance(error, RateLimitError):
                self._metrics.tenant_request(error.tenant, response.status_code)
            await response(scope, receive, send)
            return
        if WHOLE not in scope:
            receive = in_time(receive, self.config.server.body_seconds)
        if address is not None:
            await address(scope, receive, send)
        elif scope["path"] == CLASSIFY:
            await self._classify(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """The service runs inside. Raises what its start raises."""
        await self._service.start()
        watching = asyncio.ensure_future(self._watch())
        try:
            await asyncio.to_thread(self._documents.watch)
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self._documents.close()
            self._triage.close()
            await self._service.close()

    async def _watch(self) -> None:
        """Read the sources of the inboxes that the settings name, and look after all."""
        async with asyncio.TaskGroup() as group:
            group.create_task(look_after(self._triage))
            if names := self.config.triage.inboxes:
                egress = Egress.at(self.config.home, self.config.egress.allow)
                group.create_task(watch(self._triage, names, egress))

    async def _lifespan_messages(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except RightsizedError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})

    def _build_router(self, limit: int) -> Router:
        addresses: dict[str, dict[str, Respond]] = {}
        asked: dict[Part, object] = {
            "tasks": self._service,
            "documents": self._documents,
            "triage": self._triage,
            "desk": self._desk,
        }
        for operation in OPERATIONS:
            if operation.handler:
                respond = json_operation(operation, asked[operation.part], limit)
                addresses.setdefault(operation.path, {})[operation.method] = respond
        addresses[HOOK] = {"POST": signed_intake(self._triage, limit)}
        addresses["/metrics"] = {"GET": _text(self._metrics.exposition, METRICS_TYPE)}
        description = msgspec.json.encode(openapi.document())
        addresses["/openapi.json"] = {"GET": _text(lambda: description, "application/json")}
        routes = [Route(path, Endpoint(path, methods, self._metrics)) for path, methods in addresses.items()]
        as_page = self._console.problem
        for path, methods in self._console.addresses().items():
            routes.append(Route(path, Endpoint(path, methods, self._metrics, as_page)))
        nowhere = Endpoint(
            "unknown",
            dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), _nowhere),
            self._metrics,
            as_page,
        )
        return Router(routes, redirect_slashes=False, default=nowhere)


def _text(make: Callable[[], bytes], media: str) -> Respond:
    async def respond(scope: Scope, receive: Receive) -> Response:
        return Response(make(), 200, {**API_HEADERS, "content-type": media})

    return respond


async def _nowhere(scope: Scope, receive: Receive) -> Response:
    raise RefusedError(
        "unknown-route",
        f"There is nothing at {scope['path']}.",
        fix="The addresses are listed in /openapi.json; the console starts at /.",
    )


def documents_of(service: Service, config: Config) -> SearchService:
    """Document search over the home, with an encoder that the tasks share.

    Raises NotFoundError where the settings name a reranker that is not installed, ConfigError where it does not rerank.
    """
    encoder = config.search.encoder
    collections = Collections(Home(config.home), lambda: service.open_encoder(encoder), service.open_encoder)

    async def seen(one: Access) -> None:
        if config.record.enabled:
            await service.record.note(one)

    egress = Egress.at(config.home, config.egress.allow)
    writers = gateway_writers(lambda: service.gateway, config.search.data_class, config.search.data_classes)
    return SearchService(
        collections,
        egress,
        reranking_of(config, lambda: service.gateway),
        seen,
        writers,
        service.promises,
        partial(data_class_of, config),
    )


def create_app(service: Service, config: Config, gate: Gate | None = None) -> App:
    """The server's ASGI application, with its API and console.

    Args:
        service: what answers; started and closed by the application's lifespan.
        config: `server.host` decides which Host headers are answered, `server.max_body_mb` the largest body and
            `server.body_seconds` how long it may take to arrive.
        gate: admits requests. It must share what keys have used with the gateway of the service, else limits of
            tokens do not bind; without one, nothing is shared.
    """
    return App(service, config, gate)
