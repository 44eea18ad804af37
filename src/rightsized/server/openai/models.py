"""`GET /v1/models` and `GET /v1/models/{id}`: everything that `model` in a request may name."""

from __future__ import annotations

import time

import msgspec
from msgspec import Struct

from rightsized.server.openai.address import Parts
from rightsized.server.openai.errors import InvalidError
from rightsized.server.openai.exchange import Exchange
from rightsized.server.openai.tasks import PREFIX
from rightsized.tasks.gateway_protocol import ModelEntry

ROUTE = "/v1/models"


class Model(Struct, frozen=True):
    """One model, with more than OpenAI says: its kind and tier, what it does, and the state of its promise.

    `kind` is `cascade`, `tier`, `model`, `task` or `encoder`; `context` 0 where it is not known.
    """

    id: str
    created: int
    kind: str
    tier: int
    operations: tuple[str, ...]
    context: int
    state: str
    certificate: str
    object: str = "model"
    owned_by: str = "rightsized"


class ModelList(Struct, frozen=True):
    """All models."""

    data: tuple[Model, ...]
    object: str = "list"


class Models:
    """The work of both addresses."""

    def __init__(self, parts: Parts) -> None:
        self._service = parts.service
        self._since = int(time.time())

    async def list(self, exchange: Exchange) -> None:
        """All of them."""
        await exchange.json(200, msgspec.json.encode(ModelList(tuple(self._all().values()))))

    async def show(self, exchange: Exchange) -> None:
        """One of them. Raises InvalidError (404)."""
        name = exchange.scope["path"].removeprefix(f"{ROUTE}/")
        found = self._all().get(name)
        if found is None:
            known = ", ".join(self._all()) or "none"
            raise InvalidError(f"There is no model {name!r}. Models here: {known}.", "model", "model_not_found", 404)
        await exchange.json(200, msgspec.json.encode(found))

    def _all(self) -> dict[str, Model]:
        """By id; where a tier and an encoder share a name, the tier answers."""
        gateway = self._service.gateway
        found: dict[str, Model] = {}
        for entry in gateway.models() if gateway else ():
            found.setdefault(entry.id, self._of(entry))
        for status in self._service.tasks():
            name = PREFIX + status.task.name
            certificate = status.certificate
            found[name] = Model(
                name, int(certificate.created), "task", 3, ("chat", "completions"), 0, status.state, certificate.id
            )
        for name in self._service.encoders():
            local = Model(name, self._since, "encoder", 3, ("embeddings", "rerank"), 0, "none", "")
            found.setdefault(name, local)
        return found

    def _of(self, entry: ModelEntry) -> Model:
        return Model(
            entry.id, self._since, entry.kind, entry.tier, entry.operations, entry.context, entry.state,
            entry.certificate,
        )  # fmt: skip
