"""Stand-ins for models, public so that what is built on Rightsized can be tested without weights or a network.

They are deterministic: the same text gives the same answer in every process.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.core.protocols import Encoded, Encodings, Progress, Scored, no_progress
from rightsized.core.types import TIER_TASK, LabelScore, Prediction, Reply, Request

Scorer = Callable[[str], tuple[str, float]]


class FakeEncoder:
    """Sums a fixed random direction for each word, so that texts that share words are near each other.

    >>> encoder = FakeEncoder(dimension=64)
    >>> a, b, c = (encoder.encode_now(t).vector for t in ("red apple", "green apple", "late train"))
    >>> float(a @ b) > float(a @ c)
    True
    """

    def __init__(self, *, dimension: int = 32, max_tokens: int = 256) -> None:
        self._dimension = dimension
        self._max_tokens = max_tokens

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(f'fake {self._dimension} {self._max_tokens}'.encode()).hexdigest()}"

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def max_tokens(self) -> int:
        return self._max_tokens

    @property
    def runtime(self) -> str:
        return "fake"

    def encode_now(self, text: str) -> Encoded:
        """A unit vector, float32 (dimension,). Words are split at blanks."""
        words = text.lower().split()
        kept = words[: self._max_tokens] or [""]
        total = np.sum([self._direction(word) for word in kept], axis=0)
        vector = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
        return Encoded(vector, len(words), len(words) > self._max_tokens)

    async def encode(self, text: str) -> Encoded:
        """As `encode_now`, after giving way to other tasks once."""
        await asyncio.sleep(0)
        return self.encode_now(text)

    def encode_all_now(self, texts: Sequence[str], *, progress: Progress = no_progress, threads: int = 0) -> Encodings:
        """As `encode_now` for each; `threads` is not used."""
        found = [self.encode_now(text) for text in texts]
        progress("embed", len(found), len(found))
        vectors = np.array([f.vector for f in found], dtype=np.float32).reshape(len(found), self._dimension)
        tokens = np.array([f.tokens for f in found], dtype=np.int32)
        return Encodings(vectors, tokens, np.array([f.truncated for f in found], dtype=np.bool_))

    def close(self) -> None:
        """Nothing to free."""

    def _direction(self, word: str) -> NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        return np.random.default_rng(seed).standard_normal(self._dimension)


class FakeRung:
    """A rung that says what it is told to: a label and a score for each text.

    >>> import asyncio
    >>> rung = FakeRung({"refund please": ("billing", 0.9)}, default=("other", 0.1))
    >>> asyncio.run(rung.score("refund please")).score
    0.9
    """

    def __init__(
        self,
        answers: Mapping[str, tuple[str, float]] | Scorer,
        *,
        name: str = "fake",
        tier: int = TIER_TASK,
        cost: float = 0.0,
        delay: float = 0.0,
        default: tuple[str, float] = ("unknown", 0.0),
    ) -> None:
        """`answers` by text or by function; `cost` in US dollars a call; `delay` in seconds."""
        self.name = name
        self.tier = tier
        self.cost = cost
        self.calls: list[str] = []
        self._answers = answers
        self._delay = delay
        self._default = default

    @property
    def model(self) -> str:
        return f"sha256:{hashlib.sha256(f'fake rung {self.name}'.encode()).hexdigest()}"

    async def score(self, text: str) -> Scored:
        """What was told for `text`; every call is noted in `calls`."""
        self.calls.append(text)
        if self._delay:
            await asyncio.sleep(self._delay)
        known = self._answers
        label, score = known(text) if callable(known) else known.get(text, self._default)
        return Scored(predict(label, score), score)


class FakeAnswerer:
    """Answers every request with one label, or with what a function of the request says.

    >>> import asyncio
    >>> asyncio.run(FakeAnswerer("billing").answer(Request(task="support", text="refund"))).label
    'billing'
    """

    def __init__(self, label: str | Callable[[Request], str | None] | None, *, confidence: float = 1.0) -> None:
        """`label` None abstains."""
        self._label = label
        self._confidence = confidence
        self.requests: list[Request] = []

    async def answer(self, request: Request) -> Reply:
        """One reply; every request is noted in `requests`."""
        self.requests.append(request)
        label = self._label(request) if callable(self._label) else self._label
        return Reply(
            id=request.id or f"fake-{len(self.requests)}",
            task=request.task,
            status="abstained" if label is None else "answered",
            output=None if label is None else predict(label, self._confidence),
            rung="fake",
            tier=TIER_TASK,
            model="sha256:" + hashlib.sha256(b"fake answerer").hexdigest(),
            confidence=0.0 if label is None else self._confidence,
            state="none",
        )


def predict(label: str, probability: float) -> Prediction:
    """A prediction of one label."""
    return Prediction(label=label, labels=(label,), scores=(LabelScore(label, probability),))
