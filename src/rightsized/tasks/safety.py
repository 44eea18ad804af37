"""What safety rules need of this home: topics told by fitted tasks, languages, a score of injection, adapters of tiers.

The only place where `guard/safety` meets engines.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping

from rightsized import data
from rightsized.cascade.replay import pieces_of
from rightsized.cascade.tier import Tier
from rightsized.core.config import Config
from rightsized.core.errors import ConfigError
from rightsized.core.protocols import Answerer
from rightsized.engines.injection import InjectionModel
from rightsized.engines.language import LanguageDetector
from rightsized.guard.policy.store import PolicyStore
from rightsized.guard.safety import Means, Safe
from rightsized.store.home import Home
from rightsized.tasks.opened import Encoders, OpenedTask, open_task
from rightsized.tasks.versions import TaskStore


def safe(
    inner: Answerer, policy: PolicyStore, config: Config, tiers: tuple[Tier, ...], encoders: Encoders | None
) -> Safe:
    """The ladder under the safety rules of the policy."""
    adapters = {tier.name: tuple(tier.config.options.get("adapters", ())) for tier in tiers}
    means = Means(
        topics=Topics(config, encoders).tell,
        language=_Language(),
        injection=_injection().score,
        injection_threshold=_injection().card.threshold,
        adapters=adapters,
    )
    return Safe(inner, policy, means, tiers=[tier.name for tier in tiers], replay=pieces_of)


class Topics:
    """Tells topics by the versions of tasks in force, each opened at its first use and again when it changes."""

    def __init__(self, config: Config, encoders: Encoders | None) -> None:
        self._store, self._encoders = TaskStore(Home(config.home)), encoders
        self._opened: dict[str, tuple[str, OpenedTask]] = {}
        self._opening = asyncio.Lock()

    async def tell(self, task: str, text: str) -> Mapping[str, float]:
        """Probabilities by the task's most capable rung: of the label it says, calibrated; of others, at most the rest.

        Raises NotFoundError, IntegrityError, ConfigError, BusyError.
        """
        opened = await self._open(task)
        scored = await opened.rungs[-1].score(text)
        said, rest = scored.prediction.label, 1.0 - scored.score
        told = {one.label: min(one.probability, rest) for one in scored.prediction.scores}
        return {**told, said: scored.score}

    async def _open(self, task: str) -> OpenedTask:
        if self._encoders is None:
            raise ConfigError("No encoder is open here to tell topics with.")
        version = self._store.current(task)
        found = self._opened.get(task)
        if found is None or found[0] != version:
            async with self._opening:
                opened = await asyncio.to_thread(open_task, self._store, self._encoders, task)
                found = self._opened[task] = (version, opened)
        return found[1]


@functools.cache
def _injection() -> InjectionModel:
    """The model that comes with the package, read once a process."""
    return InjectionModel.open(data.folder("injection"))


class _Language:
    """The language of a text; the model is read at the first one."""

    def __init__(self) -> None:
        self._detector: Callable[[str], str] | None = None

    def __call__(self, text: str) -> str:
        if self._detector is None:
            self._detector = LanguageDetector()
        return self._detector(text)
