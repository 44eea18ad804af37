"""The shapes that parts compose over. A new engine, source or sink implements one of these and touches nothing else.

Arrays are named in types only; this folder imports nothing beyond the standard library and msgspec.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from rightsized.core.generation import Piece
from rightsized.core.types import Begun, Decision, Prediction, Reply, Request

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Answerer(Protocol):
    """Everything that answers: a tier, a cascade of tiers, a policy or a recorder around one."""

    async def answer(self, request: Request) -> Reply:
        """Answer one request; `Reply.output` is None where this answerer abstains."""
        ...

    async def answer_many(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer several; replies stand in the order of the requests."""
        return list(await asyncio.gather(*(self.answer(request) for request in requests)))

    async def stream(self, request: Request) -> AsyncIterator[Begun | Piece | Reply]:
        """Yield pieces of text and, last, the Reply. Made from `answer` unless overridden."""
        yield await self.answer(request)


class Encoded(NamedTuple):
    """A text as a unit vector: float32, shape (dimension,); how many tokens it had; whether some were cut."""

    vector: NDArray[np.float32]
    tokens: int
    truncated: bool


class Encodings(NamedTuple):
    """Many texts: vectors float32 (n, dimension), tokens int32 (n,), truncated bool (n,)."""

    vectors: NDArray[np.float32]
    tokens: NDArray[np.int32]
    truncated: NDArray[np.bool_]


@runtime_checkable
class Encoder(Protocol):
    """Turns a text into a vector. The vector is a function of the text alone: bit-equal alone and under load."""

    @property
    def digest(self) -> str:
        """`sha256:...` over everything the vector depends on."""
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    def encode_now(self, text: str) -> Encoded:
        """Encode in the calling thread (fitting, benchmarks)."""
        ...

    async def encode(self, text: str) -> Encoded:
        """Encode in the bounded pool. Raises BusyError when its queue is full."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Remembers(Protocol):
    """An encoder that knows what it has just made."""

    @property
    def digest(self) -> str: ...

    def lately(self, text: str) -> Encoded | None:
        """What `encode` gave for this text, where that was just now; None else. Computes nothing."""
        ...


class Scored(NamedTuple):
    """A model's prediction and s(x) in [0, 1]: the calibrated probability that the prediction is right."""

    prediction: Prediction
    score: float
    truncated: bool = False


class Rung(Protocol):
    """One step of the ladder: scores a text with no knowledge of thresholds or of other requests."""

    @property
    def name(self) -> str: ...

    @property
    def tier(self) -> int: ...

    @property
    def model(self) -> str:
        """`sha256:...` of all that the score depends on."""
        ...

    @property
    def cost(self) -> float:
        """US dollars a call."""
        ...

    async def score(self, text: str) -> Scored: ...


class Store(Protocol):
    """Models on disk, by name and digest."""

    def path(self, name: str) -> str:
        """Folder of the installed model. Raises NotFoundError, IntegrityError."""
        ...


class Ledger(Protocol):
    """The append-only log of decisions. `begin` and `finish` return once the row is durable."""

    async def begin(self, decision: Decision, text: str, *, urgent: bool = False) -> None:
        """`urgent`: somebody waits for this row; else it may wait some milliseconds for company."""
        ...

    async def finish(self, decision: Decision, texts: Sequence[tuple[str, str]] = ()) -> None:
        """`texts`: what was written, as (sha256, text), kept apart from the record with retention."""
        ...

    def get(self, decision_id: str) -> Decision | None: ...


class Progress(Protocol):
    """Receives the progress of long work: a stage's name, steps done, and steps in all (0 = unknown)."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


def no_progress(stage: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""
