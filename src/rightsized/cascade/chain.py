"""Monitors for a chain of stricter and stricter configurations, so that an alarm leaves something to fall back on.

All run from the start on the same audits. After an alarm the loosest configuration without one may answer where the
owner allows it, marked uncertified: drift voids every certificate, and a stricter configuration can even be worse.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rightsized.cascade.monitor import Monitor, MonitorPlan, MonitorState
from rightsized.cascade.path import Thresholds
from rightsized.core.errors import ConfigError, InputError
from rightsized.core.types import Frozen

LONGEST = 4  # each link divides delta; more would slow every alarm for a fallback hardly different from the next


class ChainState(Frozen, frozen=True):
    """Everything a chain knows. `answered` holds, for each audit waiting, the rung that answers under each link."""

    links: tuple[Thresholds, ...]
    monitors: tuple[MonitorState, ...]
    answered: dict[str, tuple[int, ...]]


def nested_chain(
    rejected: Sequence[Thresholds], deployed: Thresholds, longest: int = LONGEST
) -> tuple[Thresholds, ...]:
    """Configurations from strict to `deployed`, each answering only what the next one answers too.

    Args:
        rejected: the certificate's configurations; about a fifth of the steps between them are not nested.
    """
    chain = [deployed]
    for candidate in reversed(rejected):
        if candidate != chain[-1] and all(_bar(c) >= _bar(d) for c, d in zip(candidate, chain[-1], strict=True)):
            chain.append(candidate)
    keep = min(longest, len(chain))
    spread = [chain[round(i * (len(chain) - 1) / max(1, keep - 1))] for i in range(keep)]
    return tuple(reversed(spread))


def answering_rung(thresholds: Thresholds, scores: Sequence[float]) -> int:
    """The rung that answers, or -1 where none before the last does. NaN goes up."""
    return next((k for k, t in enumerate(thresholds) if scores[k] >= _bar(t)), -1)


class ChainMonitor:
    """One monitor a link, the deployed configuration last, each with its part of delta."""

    def __init__(self, plan: MonitorPlan, links: Sequence[Thresholds]) -> None:
        if not links:
            raise ConfigError("A chain of monitors needs at least the deployed configuration.")
        each = msgspec.structs.replace(plan, delta=plan.delta / len(links))
        self.links = tuple(links)
        self.monitors = tuple(Monitor(each) for _ in links)
        self._answered: dict[str, tuple[int, ...]] = {}

    @property
    def deployed(self) -> Monitor:
        """The monitor of the configuration in force: its alarm suspends the promise."""
        return self.monitors[-1]

    def watch(self, decision_id: str, scores: Sequence[float], *, audit: bool, probability: float) -> bool:
        """Take note of a decision with every rung's score. Returns whether a label of it is wanted."""
        rungs = tuple(answering_rung(link, scores) for link in self.links)
        wanted = [
            monitor.watch(decision_id, local=rung >= 0, audit=audit, probability=probability)
            for monitor, rung in zip(self.monitors, rungs, strict=True)
        ]
        if any(wanted):
            self._answered[decision_id] = rungs
        return any(wanted)

    def label(self, decision_id: str, correct: Sequence[bool]) -> bool:
        """Enter which rungs were right. Returns whether the deployed configuration's alarm stands.

        Raises:
            InputError: no audit of this decision waits for an answer.
        """
        rungs = self._answered.pop(decision_id, None)
        if rungs is None:
            raise InputError(f"No audit of decision {decision_id!r} waits for an answer.")
        for monitor, rung in zip(self.monitors, rungs, strict=True):
            if rung >= 0:
                monitor.label(decision_id, wrong=not correct[rung])
        return self.deployed.alarmed

    def fallback(self) -> Thresholds | None:
        """The loosest configuration whose monitor has not alarmed; None where all have."""
        pairs = zip(reversed(self.links), reversed(self.monitors), strict=True)
        return next((link for link, monitor in pairs if not monitor.alarmed), None)

    def state(self) -> ChainState:
        """For keeping; `ChainMonitor.restore` takes it back."""
        return ChainState(self.links, tuple(monitor.state() for monitor in self.monitors), dict(self._answered))

    @classmethod
    def restore(cls, state: ChainState) -> ChainMonitor:
        """The chain as it was."""
        chain = cls(state.monitors[-1].plan, state.links)
        chain.monitors = tuple(Monitor.restore(kept) for kept in state.monitors)
        chain._answered = dict(state.answered)
        return chain


def _bar(threshold: float | None) -> float:
    return float("inf") if threshold is None else threshold
