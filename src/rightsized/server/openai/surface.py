"""Every address of the OpenAI-compatible API, and which of them a path belongs to."""

from __future__ import annotations

from collections.abc import Callable

from rightsized.core.generation import Caller
from rightsized.core.tiers import GatewayConfig
from rightsized.server.metrics import Metrics
from rightsized.server.openai.address import Address, Parts
from rightsized.server.openai.bodies import ChatRequest, CompletionRequest
from rightsized.server.openai.checks import check_chat, check_completion
from rightsized.server.openai.embeddings import Embeddings
from rightsized.server.openai.figures import Figures
from rightsized.server.openai.models import ROUTE as ALL_MODELS
from rightsized.server.openai.models import Models
from rightsized.server.openai.rerank import Rerank
from rightsized.server.openai.responses import ROUTE as RESPONSES
from rightsized.server.openai.responses import Responses, not_stored
from rightsized.server.openai.writing import Writing
from rightsized.tasks.service_protocol import Service


class Surface:
    """Finds the address for a path. `limit` is the largest body, bytes; `used` counts tokens that no tier counted."""

    def __init__(
        self, service: Service, config: GatewayConfig, metrics: Metrics, limit: int, used: Callable[[Caller, int], None]
    ) -> None:
        parts = Parts(service, config, Figures(service, metrics), limit, used)
        chat = Writing("chat", ChatRequest, check_chat, parts)
        completions = Writing("completions", CompletionRequest, check_completion, parts)
        models = Models(parts)
        self._exact = {
            "/v1/chat/completions": Address("POST", "/v1/chat/completions", chat, parts),
            "/v1/completions": Address("POST", "/v1/completions", completions, parts, "completions"),
            "/v1/embeddings": Address("POST", "/v1/embeddings", Embeddings(parts), parts, "embeddings"),
            "/v1/rerank": Address("POST", "/v1/rerank", Rerank(parts), parts, "rerank"),
            RESPONSES: Address("POST", RESPONSES, Responses(parts), parts),
            ALL_MODELS: Address("GET", ALL_MODELS, models.list, parts),
        }
        self._stored = Address("GET", RESPONSES + "/{id}", not_stored, parts)
        self._model = Address("GET", ALL_MODELS + "/{id}", models.show, parts)

    def at(self, path: str) -> Address | None:
        """The address at a path; None where the path is not of this API."""
        found = self._exact.get(path)
        if found is None and path.startswith(RESPONSES + "/"):
            return self._stored
        if found is None and path.startswith(ALL_MODELS + "/"):
            return self._model  # the id of a model may hold slashes
        return found
