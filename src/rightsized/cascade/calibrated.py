"""What calibration leaves for the ladder of tiers that write: thresholds, skips, and who scores by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rightsized.cascade.parameters import UNSAID
from rightsized.cascade.samples import SamplePlan
from rightsized.core.generation import Completion, Generation


class Verifier(Protocol):
    """Probabilities that a tier's answer is right, as calibrated. Functions of the request and the answer alone."""

    async def outside(self, generation: Generation) -> str:
        """Why the prompt is too unlike those that were calibrated on, in words; empty where it is not."""
        ...

    async def before(self, tier: str, generation: Generation) -> float:
        """From the prompt alone, in [0, 1]."""
        ...

    async def after(
        self, tier: str, generation: Generation, completion: Completion, samples: Sequence[Completion] = ()
    ) -> float:
        """From the prompt, the answer and the further samples, in [0, 1]; NaN where the check cannot be made."""
        ...


@dataclass(frozen=True)
class Calibrated:
    """What calibration left: `names` in order of cost, a threshold each, or for all but the last.

    Args:
        thresholds: on `Verifier.after`; None where a tier never answers. With as many as names, a person stands last.
        skips: on `Verifier.before`; a tier below its own is not asked.
        logprobs: tiers whose check reads the log probabilities of what they wrote; they are asked for them.
        samples: tiers whose check reads further samples, and how those are drawn.
        afresh: each request begins at the first tier, whatever its conversation did before: a promise about the answers
            given here is about all that pass the check, not about those of conversations that never moved up.
        parameters: of the requests that were tested; the promise covers no others.
    """

    names: tuple[str, ...]
    thresholds: tuple[float | None, ...]
    skips: tuple[float, ...]
    verifier: Verifier
    logprobs: frozenset[str] = frozenset()
    samples: Mapping[str, SamplePlan] = field(default_factory=dict)
    afresh: bool = False
    parameters: tuple[str, ...] = (UNSAID,)
