"""What the server asks of the gateway: text from the smallest tier that is good enough. `tasks/gateway.py` is it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from rightsized.core.frozen import Frozen
from rightsized.core.generation import Caller, DataClass, EngineStatus, Generation, Operation, Piece
from rightsized.core.types import Begun, Certificate, Reply, State
from rightsized.tasks.records import MonitorStatus

__all__ = ["Begun", "Gateway", "GatewayStatus", "ModelEntry", "TierStatus"]


class ModelEntry(Frozen, frozen=True):
    """Something that `model` in a request may name: `auto`, a tier, a tier's model, or `task:NAME`."""

    id: str
    kind: str  # cascade, tier, model or task
    tier: int
    operations: tuple[Operation, ...]
    context: int = 0
    state: State = "none"
    certificate: str = ""


class TierStatus(Frozen, frozen=True):
    """A tier as it stands: what it is, what it may be sent, what it costs, and how it is.

    `ready` is None where its engine is not running here, so that nobody knows; `detail` says what is wrong. Prices are
    US dollars a million tokens. `digest` names what its answers depend on; empty where it cannot be opened. A
    `pseudonymised` tier is sent placeholders in place of personal data.
    """

    name: str
    tier: int
    engine: str
    model: str = ""
    url: str = ""
    digest: str = ""
    on_premises: bool | None = None
    operations: tuple[Operation, ...] = ()
    data_classes: tuple[DataClass, ...] = ()
    region: str = ""
    languages: tuple[str, ...] = ()
    context: int = 0
    price_in: float = 0.0
    price_out: float = 0.0
    fallback: tuple[str, ...] = ()
    ready: bool | None = None
    in_flight: int = 0
    detail: str = ""
    pseudonymised: bool = False


class GatewayStatus(Frozen, frozen=True):
    """The tiers, and the promise under which `auto` is answered. `note` says why none is in force; empty where one is.

    `uncertified_tier` answers `auto` meanwhile; empty: the last tier that may. `waiting`: how many wait for a person.
    `data_class` is that of a request which declares none.
    """

    cascade: str
    tiers: tuple[TierStatus, ...]
    state: State = "none"
    version: str = ""
    certificate: Certificate | None = None
    note: str = ""
    monitor: MonitorStatus | None = None
    uncertified_tier: str = ""
    waiting: int = 0
    data_class: DataClass = "secret"


class Gateway(Protocol):
    """Writes text by the ladder of tiers, each decision on record."""

    @property
    def cascade(self) -> str:
        """The task's name under which its decisions stand."""
        ...

    def standing(self) -> GatewayStatus:
        """The tiers and the promise now, from memory and one short read."""
        ...

    def models(self) -> list[ModelEntry]:
        """Everything a request may name as its model."""
        ...

    def status(self) -> dict[str, EngineStatus]:
        """How each tier is, from memory."""
        ...

    def failures(self) -> dict[tuple[str, str], int]:
        """Attempts that came to nothing since the start, by tier and the error's code."""
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
    ) -> AsyncIterator[Begun | Piece | Reply]:
        """First `Begun`, once the decision is on the disk; then pieces; then the Reply, once its end is there too.

        Raises as `generate`, before `Begun` or after it. Closing the iterator cancels the work and records that.
        """
        ...
