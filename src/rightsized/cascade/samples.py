"""Further samples of one tier for one request: the same prompt asked with other seeds, to see whether it agrees.

Drawn in calibrating and in serving by this one function. The seeds are fixed, so that nobody can ask again until an
answer passes; whether the same seed brings the same text back is up to the tier's server. What the samples say of the
answer is left to the verifier.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from msgspec import structs

from rightsized.core.errors import RightsizedError
from rightsized.core.generation import Completion, Generation, Generator, Usage
from rightsized.core.types import Frozen

AT_ONCE = 4  # samples of one request under way beside its answer; a tier's own limit on calls binds all requests
_OF_THE_ANSWER = ("n", "best_of", "logprobs", "top_logprobs")  # what the client asked of its answer, not of samples


class SamplePlan(Frozen, frozen=True):
    """How many further samples a tier's check reads, at which temperature, and the seed of the first."""

    count: int
    temperature: float = 0.7
    seed: int = 1


@dataclass(frozen=True)
class Drawn:
    """An answer, and the further samples in the order of their seeds. `missing`: the first failure of a sample.

    `refused`: why a rule about its tests does not let the answer be accepted.
    """

    completion: Completion
    samples: tuple[Completion, ...] = ()
    missing: RightsizedError | None = None
    refused: str = ""

    @property
    def usage(self) -> Usage:
        """Tokens of the samples, all together."""
        used = [sample.usage for sample in self.samples]
        return Usage(
            sum(one.prompt_tokens for one in used),
            sum(one.completion_tokens for one in used),
            any(one.estimated for one in used),
        )


async def draw(generator: Generator, asked: Generation, plan: SamplePlan | None) -> Drawn:
    """The answer to `asked` and its samples, side by side.

    Raises what the answer's call raises; the samples under way are then cancelled. A sample that fails is no failure of
    the answer: it is missing.
    """
    if plan is None or not plan.count:
        return Drawn(await generator.generate(asked))
    gate = asyncio.Semaphore(AT_ONCE)
    tasks = [asyncio.create_task(_sample(generator, sample_of(asked, plan, k), gate)) for k in range(plan.count)]
    try:
        completion = await generator.generate(asked)
        found = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    samples = tuple(one for one in found if isinstance(one, Completion))
    return Drawn(completion, samples, next((one for one in found if isinstance(one, RightsizedError)), None))


def sample_of(asked: Generation, plan: SamplePlan, number: int) -> Generation:
    """The request for sample `number`, from 0: the same words, with the plan's temperature and a seed of its own."""
    body = {name: value for name, value in asked.body.items() if name not in _OF_THE_ANSWER}
    return structs.replace(asked, body=body | {"temperature": plan.temperature, "seed": plan.seed + number})


async def _sample(generator: Generator, asked: Generation, gate: asyncio.Semaphore) -> Completion | RightsizedError:
    async with gate:
        try:
            return await generator.generate(asked)
        except RightsizedError as error:
            return error
