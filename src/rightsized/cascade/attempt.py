"""What happened to one request on its way up the ladder: the attempts, and the Reply made of them."""

from __future__ import annotations

import time

from rightsized.cascade.tier import Tier
from rightsized.core.errors import BusyError, RightsizedError
from rightsized.core.generation import Completion, Generation
from rightsized.core.types import TIER_PERSON, Attempt, Begun, Reply, Request, State

PERSON = "person"


class Run:
    """Gathers the attempts of one request.

    Args:
        state: the state of the promise under which it is answered.
        certificate: its id, or empty.
    """

    def __init__(self, request: Request, generation: Generation, state: State, certificate: str) -> None:
        self.request, self.generation = request, generation
        self.state, self.certificate = state, certificate
        self.attempts: list[Attempt] = []
        self.as_tested = True  # whether the path so far is the one calibration tested
        self.blame: RightsizedError | None = None  # the first failure that the request itself is to blame for
        self._began = time.perf_counter()

    @property
    def finished(self) -> bool:
        """Whether the last attempt was accepted."""
        return bool(self.attempts) and self.attempts[-1].accepted

    @property
    def has_draft(self) -> bool:
        """Whether any tier wrote something."""
        return any(attempt.completion is not None for attempt in self.attempts)

    def uncertified(self, reason: str) -> None:
        """Note that this request leaves the path that was tested."""
        self.as_tested = False

    def passed_over(self, tier: Tier, reason: str) -> None:
        """A tier that may not be asked, or is not to be."""
        self.as_tested = False
        self.attempts.append(_attempt(tier, reason=reason))

    def skipped(self, tier: Tier, score: float, skip: float) -> None:
        """A tier that the prompt alone speaks against; that is part of the path tested."""
        told = score if 0.0 <= score <= 1.0 else 0.0
        reason = f"not likely to be right: {told:.4f} by the prompt is below {skip:.4f}"
        self.attempts.append(_attempt(tier, score=told, threshold=skip, reason=reason))

    def failed(self, tier: Tier, error: RightsizedError, started: float) -> None:
        """A tier that did not answer."""
        self.as_tested = False
        if self.blame is None and 400 <= error.status < 500 and not isinstance(error, BusyError):
            self.blame = error
        reason = f"failed: {error.message.rstrip('.')}"
        self.attempts.append(_attempt(tier, reason=reason, latency_ms=_since(started)))

    def tried(
        self, tier: Tier, completion: Completion, started: float, *, score: float, bar: float, accepted: bool
    ) -> None:
        """A tier that wrote something."""
        told = score if 0.0 <= score <= 1.0 else 0.0
        self.attempts.append(
            _attempt(
                tier,
                score=told,
                threshold=bar if 0.0 <= bar <= 1.0 else None,
                accepted=accepted,
                reason="" if accepted else f"not sure enough: {told:.4f} is below {bar:.4f}",
                latency_ms=_since(started),
                cost=tier.cost(completion.usage),
                completion=completion,
            )
        )

    def begun(self, tier: Tier, *, certified: bool) -> Begun:
        """The start of a stream written by this tier."""
        return Begun(self.request.id, tier.name, tier.config.tier, tier.model, self.state, certified)

    def answered(self, *, certified: bool) -> Reply:
        """The reply of the last attempt."""
        last = self.attempts[-1]
        return self._reply(last.rung, last.tier, last.model, last.score, certified, last.completion)

    def abstained(self) -> Reply:
        """Every tier was passed over: a person must answer."""
        score = next((a.score for a in reversed(self.attempts) if a.completion is not None), 0.0)
        return self._reply(PERSON, TIER_PERSON, "", score, False, None)

    def _reply(
        self, rung: str, tier: int, model: str, score: float, certified: bool, completion: Completion | None
    ) -> Reply:
        return Reply(
            id=self.request.id,
            task=self.request.task,
            status="abstained" if completion is None else "answered",
            output=None,
            rung=rung,
            tier=tier,
            model=model,
            confidence=score,
            state=self.state,
            certificate=self.certificate,
            certified=certified,
            cost=sum(attempt.cost for attempt in self.attempts),
            latency_ms=_since(self._began),
            attempts=tuple(self.attempts),
            completion=completion,
        )


def _attempt(
    tier: Tier,
    *,
    score: float = 0.0,
    threshold: float | None = None,
    accepted: bool = False,
    reason: str = "",
    latency_ms: float = 0.0,
    cost: float = 0.0,
    completion: Completion | None = None,
) -> Attempt:
    return Attempt(
        rung=tier.name,
        tier=tier.config.tier,
        model=tier.model,
        score=score,
        threshold=threshold,
        accepted=accepted,
        reason=reason,
        latency_ms=latency_ms,
        cost=cost,
        completion=completion,
    )


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
