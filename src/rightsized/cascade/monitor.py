"""Watches a promise in service: an e-process against "the error rate is at most epsilon" (Waudby-Smith, Ramdas 2023).

Each audited decision multiplies the evidence by 1 + lambda (w Z - epsilon), Z = 1 where the answer was wrong. While the
promise is kept that is fair or worse for the alarm, so that by Ville's inequality the evidence ever reaches 1 / delta
with probability at most delta. Three choices keep this true with real reviewers:

- Factors stand in the order of the requests, and lambdas are constants fixed before the first: no answer that comes
  late or early can move another's stake. (In order of arrival, false alarms reached 94%.)
- An audit without an answer counts as right. (Dropping them: 99.5%.) A second figure counts them as wrong, for show.
- Lambda never depends on the request itself, nor on its sampling probability: that would weigh the kinds of requests
  that go wrong more than the promise does.

NumPy only; plain arithmetic on a few numbers for each audit. An alarm proves that the rate exceeded epsilon at some
time. No alarm proves nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from msgspec import field
from numpy.typing import NDArray

from rightsized.core.errors import ConfigError, InputError
from rightsized.core.types import Frozen, Promise

Floats = NDArray[np.float64]

TARGETS = (2.0, 4.0)  # error rates, in multiples of epsilon, that the stakes are best for; both are held at once
RESTART = 100  # a fresh start every so many audits, so that a long good time does not blind the monitor


class MonitorPlan(Frozen, frozen=True):
    """What is watched.

    Args:
        promise: R2 (`selective_error`) watches answers given here, R1 (`wrong_local_rate`) all requests.
        epsilon: the promised rate, in (0, 1).
        delta: the chance of ever raising a false alarm, in (0, 1); divide it where several monitors run.
        rate: the audit coin's probability, in (0, 1]; it sets the stakes where `weighted`, and the forecast.
        weighted: audits were drawn with differing probabilities; every decision watched then counts, audited or not.
    """

    promise: Promise
    epsilon: float
    delta: float
    rate: float
    weighted: bool = False


class Pending(Frozen, frozen=True):
    """An audit that waits for its answer: its place in the order and its weight 1 / probability (1 unless weighted)."""

    place: int
    weight: float


class MonitorState(Frozen, frozen=True):
    """Everything a monitor knows, to be kept over a restart. `evidence` is log E of each start and stake."""

    plan: MonitorPlan
    places: int = 0
    audits: int = 0
    wrong: int = 0
    watched: int = 0
    evidence: tuple[tuple[float, ...], ...] = ()
    pending: dict[str, Pending] = field(default_factory=dict)
    alarmed: bool = False


@dataclass(frozen=True)
class Reading:
    """The monitor at a glance. `if_waiting_wrong` is the evidence were every unanswered audit wrong."""

    audits: int
    wrong: int
    waiting: int
    e_value: float
    if_waiting_wrong: float
    alarm_at: float
    alarmed: bool
    messages_to_detection: float | None


class Monitor:
    """One promise under watch. Calls come in the order in which the requests came; labels come when they come."""

    def __init__(self, plan: MonitorPlan) -> None:
        _check(plan)
        self.plan = plan
        self._stakes = stakes(plan)
        self._right = np.log1p(-self._stakes * plan.epsilon)
        self._evidence: Floats = np.zeros((0, len(self._stakes)))
        self._pending: dict[str, Pending] = {}
        self._places = self._audits = self._wrong = self._watched = 0
        self._alarmed = False
        self._every = max(1, round(RESTART / plan.rate)) if plan.weighted else RESTART

    @property
    def alarmed(self) -> bool:
        """True once the evidence has reached 1 / delta; nothing takes it back."""
        return self._alarmed

    @property
    def pending(self) -> tuple[str, ...]:
        """Decisions whose audit waits for an answer, oldest first."""
        return tuple(self._pending)

    def watch(self, decision_id: str, *, local: bool, audit: bool, probability: float) -> bool:
        """Take note of a decision, before its label is known. Returns whether a label of it is wanted.

        Args:
            local: it was answered here under the promise.
            audit: the coin fell on it; `probability` is what it was thrown with (0: no coin was thrown).
        Raises:
            InputError: the decision was watched already, or audited with probability 0.
        """
        if audit and (not probability > 0 or decision_id in self._pending):
            raise InputError(f"Decision {decision_id!r} was watched already, or audited with probability 0.")
        self._watched += 1
        counted = local or self.plan.promise == "wrong_local_rate"
        if not counted or probability <= 0 or not (audit or self.plan.weighted):
            return False
        place = self._next_place()
        self._evidence += self._right  # right until shown to be wrong
        if audit:
            self._audits += 1
        wanted = audit and local
        if wanted:
            self._pending[decision_id] = Pending(place, 1 / probability if self.plan.weighted else 1.0)
        return wanted

    def label(self, decision_id: str, *, wrong: bool) -> bool:
        """Enter a reviewer's answer. Returns whether the alarm stands.

        Raises:
            InputError: no audit of this decision waits for an answer.
        """
        waiting = self._pending.pop(decision_id, None)
        if waiting is None:
            raise InputError(f"No audit of decision {decision_id!r} waits for an answer.")
        if wrong:
            self._wrong += 1
            self._evidence[: self._starts(waiting.place)] += self._jump(waiting.weight)
            self._alarmed = self._alarmed or self._value(self._evidence) >= 1 / self.plan.delta
        return self._alarmed

    def reading(self) -> Reading:
        """All figures now."""
        worst = self._evidence.copy()
        for waiting in self._pending.values():
            worst[: self._starts(waiting.place)] += self._jump(waiting.weight)
        return Reading(
            audits=self._audits,
            wrong=self._wrong,
            waiting=len(self._pending),
            e_value=self._value(self._evidence),
            if_waiting_wrong=self._value(worst),
            alarm_at=1 / self.plan.delta,
            alarmed=self._alarmed,
            messages_to_detection=self.messages_to_detection(),
        )

    def messages_to_detection(self, multiple: float = 2.0) -> float | None:
        """About how many messages until the alarm, were the error rate `multiple` x epsilon from now on.

        Counts messages that the promise is about: answered here (R2), or all (R1). Follows the mean growth of each
        start and stake, the next start included; None where that rate is no probability.
        """
        p = multiple * self.plan.epsilon
        if p >= 1:
            return None
        q = self.plan.rate
        hit = q * p if self.plan.weighted else p  # chance that a place brings a wrong audit
        jumps = self._jump(1 / q if self.plan.weighted else 1.0)
        growth = self._right + hit * jumps
        height = np.vstack([self._evidence, np.zeros_like(self._right)])
        share = _weights(len(height))[:, None] / len(self._stakes)
        ahead = -self._places % self._every
        wait = np.array([0.0] * len(self._evidence) + [float(ahead)])[:, None]
        rest = np.maximum(0.0, -math.log(self.plan.delta) - np.log(share) - height)
        places = np.where(growth > 0, wait + rest / np.where(growth > 0, growth, 1.0), np.inf)
        return float(places.min()) / (1.0 if self.plan.weighted else q)

    def state(self) -> MonitorState:
        """For keeping; `Monitor.restore` takes it back."""
        return MonitorState(
            plan=self.plan,
            places=self._places,
            audits=self._audits,
            wrong=self._wrong,
            watched=self._watched,
            evidence=tuple(tuple(row) for row in self._evidence.tolist()),
            pending=dict(self._pending),
            alarmed=self._alarmed,
        )

    @classmethod
    def restore(cls, state: MonitorState) -> Monitor:
        """The monitor as it was."""
        monitor = cls(state.plan)
        monitor._evidence = np.array(state.evidence, np.float64).reshape(-1, len(monitor._stakes))
        monitor._pending = dict(state.pending)
        monitor._places, monitor._audits, monitor._wrong = state.places, state.audits, state.wrong
        monitor._watched, monitor._alarmed = state.watched, state.alarmed
        return monitor

    def _next_place(self) -> int:
        place = self._places
        self._places += 1
        if place % self._every == 0:
            self._evidence = np.vstack([self._evidence, np.zeros((1, len(self._stakes)))])
        return place

    def _starts(self, place: int) -> int:
        """How many starts had been made when this place was taken: those it counts for."""
        return place // self._every + 1

    def _jump(self, weight: float) -> Floats:
        """What a wrong answer adds to log E over a right one."""
        jump: Floats = np.log1p(self._stakes * (weight - self.plan.epsilon)) - self._right
        return jump

    def _value(self, evidence: Floats) -> float:
        """The mixture over starts and stakes, with the mass of starts not yet made as cash."""
        weights = _weights(len(evidence))
        made = float(weights @ np.exp(np.minimum(evidence, 700.0)).mean(axis=1)) if len(evidence) else 0.0
        return made + 1 / (len(evidence) + 1)


def stakes(plan: MonitorPlan) -> Floats:
    """One lambda for each target rate: the one that grows log E fastest there, always below 1 / epsilon."""
    targets = np.minimum(np.array(TARGETS) * plan.epsilon, (1 + plan.epsilon) / 2)
    win = (1 / plan.rate if plan.weighted else 1.0) - plan.epsilon
    best: Floats = (targets - plan.epsilon) / (plan.epsilon * win)
    return best


def _weights(starts: int) -> Floats:
    """1 / ((j + 1) (j + 2)): sums to 1 over all starts ever made."""
    j = np.arange(starts, dtype=np.float64)
    weights: Floats = 1 / ((j + 1) * (j + 2))
    return weights


def _check(plan: MonitorPlan) -> None:
    for name, value, high in (
        ("epsilon", plan.epsilon, False),
        ("delta", plan.delta, False),
        ("rate", plan.rate, True),
    ):
        if not (0 < value < 1 or (high and value == 1)):
            raise ConfigError(f"The monitor's {name} = {value} must lie between 0 and 1.")
