"""What the server asks of the gateway: text from the smallest tier that is good enough. `tasks/gateway.py` is it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from rightsized.core.frozen import Frozen
from rightsized.core.generation import Caller, Delta, EngineStatus, Generation, Operation
from rightsized.core.types import Begun, Reply, State

__all__ = ["Begun", "Gateway", "ModelEntry"]


class ModelEntry(Frozen, frozen=True):
    """Something that `model` in a request may name: `auto`, a tier, a tier's model, or `task:NAME`."""

    id: str
    kind: str  # cascade, tier, model or task
    tier: int
    operations: tuple[Operation, ...]
    context: int = 0
    state: State = "none"
    certificate: str = ""


class Gateway(Protocol):
    """Writes text by the ladder of tiers, each decision on record."""

    def models(self) -> list[ModelEntry]:
        """Everything a request may name as its model."""
        ...

    def status(self) -> dict[str, EngineStatus]:
        """How each tier is, from memory."""
        ...

    async def generate(self, generation: Generation, caller: Caller, conversation: str = "") -> Reply:
        """The whole answer: `Reply.completion.body` is the OpenAI-shaped response.

        `Reply.status` is `abstained` where every tier was passed over and a person must answer; the attempts say why.
        Raises NotFoundError (no such model), InputError, UnsupportedError, ContextLengthError, BusyError,
        RateLimitError, UpstreamError, UpstreamTimeoutError, EgressDeniedError, ForbiddenError (no tier may take this
        data class).
        """
        ...

    def stream(
        self, generation: Generation, caller: Caller, conversation: str = ""
    ) -> AsyncIterator[Begun | Delta | Reply]:
        """First `Begun`, once the decision is on the disk; then pieces; then the Reply, once its end is there too.

        Raises as `generate`, before `Begun` or after it. Closing the iterator cancels the work and records that.
        """
        ...
