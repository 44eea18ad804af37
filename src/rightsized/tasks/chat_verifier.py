"""All tiers' verifiers behind the one face that the ladder asks: vectors computed once, scores under the loss.

What is scored here while serving is scored by the same functions while calibrating.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rightsized.cascade.samples import SamplePlan
from rightsized.core.generation import Completion, Generation
from rightsized.core.types import Loss
from rightsized.engines.domain import Domain
from rightsized.engines.onnx import OnnxEncoder
from rightsized.engines.signals.signal import Exchange
from rightsized.engines.verifier import Verifier
from rightsized.tasks.chat_exchange import compared, exchange_of, said

KEPT_VECTORS = 256  # vectors of prompts between the prediction and the check of one request


class ChatVerifier:
    """Implements `cascade.generate.Verifier`. All scores are functions of the texts alone.

    The prompt's vector is computed once for all tiers, in the encoder's bounded pool.

    Args:
        logprobs: tiers whose check reads log probabilities; `samples`: those whose check reads further samples.
        domain: where the prompts lie that were learned from; None: nothing is too far away.
    """

    def __init__(
        self,
        tiers: dict[str, Verifier],
        encoder: OnnxEncoder | None,
        loss: Loss = "error",
        *,
        logprobs: frozenset[str] = frozenset(),
        samples: Mapping[str, SamplePlan] | None = None,
        domain: Domain | None = None,
    ) -> None:
        self.tiers, self.logprobs, self.samples = tiers, logprobs, samples or {}
        self._encoder, self._loss, self._domain = encoder, loss, domain
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def outside(self, generation: Generation) -> str:
        """Why no tier that is checked may be asked, in words; empty where each may. Raises BusyError."""
        if self._domain is None:
            return ""
        vector = await self._vector(exchange_of(generation).prompt)
        return "" if vector is None else self._domain.outside(vector)

    async def before(self, tier: str, generation: Generation) -> float:
        """1 less the gain expected of moving up, in [0, 1]. Raises BusyError where the encoder's queue is full."""
        prompt = exchange_of(generation).prompt
        return likely(self.tiers[tier].before(prompt, await self._vector(prompt)))

    async def after(
        self, tier: str, generation: Generation, completion: Completion, samples: Sequence[Completion] = ()
    ) -> float:
        """The probability that this answer is right (under `regret`: that nothing is lost by it), in [0, 1].

        NaN where what the check was calibrated with is not there: then the request goes up. Raises BusyError.
        """
        plan = self.samples.get(tier)
        exchange = exchange_of(generation, completion, samples if plan is not None else ())
        if plan is not None and len(exchange.samples) != plan.count:
            return math.nan
        if tier not in self.logprobs:
            exchange = replace(exchange, logprobs=())  # the client's own wish; the check was not made with them
        elif not exchange.logprobs:
            return math.nan
        if self._encoder is not None and exchange.samples:
            exchange = compared(exchange, [(await self._encoder.encode(text)).vector for text in said(exchange)])
        return score_of(self.tiers[tier], exchange, await self._vector(exchange.prompt), self._loss)

    async def _vector(self, prompt: str) -> NDArray[np.float32] | None:
        if self._encoder is None:
            return None
        found = self._vectors.get(prompt)
        if found is None:
            found = (await self._encoder.encode(prompt)).vector
            self._vectors[prompt] = found
            while len(self._vectors) > KEPT_VECTORS:
                self._vectors.popitem(last=False)
        return found


def likely(uplift: float) -> float:
    """An uplift in [-1, 1] as a score in [0, 1] that is low where the bigger tier would do better."""
    return min(max(1.0 - uplift, 0.0), 1.0)


def score_of(verifier: Verifier, exchange: Exchange, vector: NDArray[np.float32] | None, loss: Loss) -> float:
    """s(x) under a loss: what thresholds are compared with, in calibrating and in serving."""
    return verifier.safe(exchange, vector) if loss == "regret" else verifier.judge(exchange, vector)
