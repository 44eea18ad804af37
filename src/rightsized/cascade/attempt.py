"""What happened to one request on its way up the ladder: the attempts, and the Reply made of them."""

from __future__ import annotations

import logging
import time

from msgspec import structs

from rightsized.cascade.failures import begun_text, failure_fields, reason_of
from rightsized.cascade.samples import Drawn
from rightsized.cascade.tier import Tier
from rightsized.core.errors import BusyError, RightsizedError
from rightsized.core.generation import Completion, Generation
from rightsized.core.types import TIER_PERSON, Attempt, Begun, Reply, Request, State

log = logging.getLogger("rightsized.tiers")
PERSON = "person"
LEAST_SHOWN = 0.0001


class Run:
    """Gathers the attempts of one request.

    Args:
        state: the state of the promise under which it is answered.
        certificate: its id, or empty.
    """

    def __init__(self, request: Request, generation: Generation, state: State, certificate: str) -> None:
        self.request, self.generation = request, generation
        self.state, self.certificate = state, certificate
        self.attempts = [] if request.trace is None else request.trace
        self.as_tested = True  # whether the path so far is the one calibration tested
        self.untested = ""  # what of the request itself the test did not cover, in words
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
        """Note that this request leaves the path that was tested; the answer says why. Nothing where it is empty."""
        if reason:
            self.as_tested = False
            self.untested = self.untested or reason

    def passed_over(self, tier: Tier, reason: str) -> None:
        """A tier that may not be asked, or is not to be."""
        self.attempts.append(_attempt(tier, reason=reason))

    def skipped(self, tier: Tier, score: float, skip: float) -> None:
        """A tier that the prompt alone speaks against; that is part of the path tested."""
        shown = score if 0.0 <= score <= 1.0 else 0.0
        reason = f"not likely to be right: {told(shown)} by the prompt is below {told(skip)}"
        self.attempts.append(_attempt(tier, score=shown, threshold=skip, reason=reason))

    def kept_back(self, tier: Tier, reason: str) -> None:
        """A tier that is not asked by a rule about the prompt that calibration applied too: part of the path tested."""
        self.attempts.append(_attempt(tier, reason=reason))

    def failed(self, tier: Tier, error: BaseException, started: float) -> None:
        """A tier that did not answer, or was given up on."""
        self.as_tested = False
        ours = error if isinstance(error, RightsizedError) else None
        if ours and self.blame is None and 400 <= ours.status < 500 and not isinstance(ours, BusyError):
            self.blame = ours
        one = _attempt(tier, reason=self._reason(error), latency_ms=_since(started))
        sent = ours is None or ours.sent
        self.attempts.append(structs.replace(one, destination=tier.destination if sent else ""))
        self._note(tier, error)

    def broke_off(self, tier: Tier, said: list[str], error: BaseException, started: float) -> None:
        """A tier whose stream ended half-way. What it said was passed on, so it is kept; tokens go by the length."""
        completion = begun_text(self.generation, "".join(said))
        one = _attempt(tier, reason=self._reason(error), latency_ms=_since(started), completion=completion)
        cost, destination = tier.cost(completion.usage), tier.destination
        self.attempts.append(structs.replace(one, cost=cost, destination=destination))
        self._note(tier, error)

    def unchecked(self, error: BaseException) -> None:
        """The draft just noted could not be checked."""
        self.attempts[-1] = structs.replace(self.attempts[-1], reason=f"not checked: {self._reason(error)}")

    def _reason(self, error: BaseException) -> str:
        return reason_of(error, late=time.monotonic() >= self.generation.deadline)

    def _note(self, tier: Tier, error: BaseException) -> None:
        """Count and log a failure of the tier; that nobody waited any longer is none."""
        if isinstance(error, RightsizedError):
            tier.failures[error.code] += 1
            level = logging.INFO if error.status < 500 or isinstance(error, BusyError) else logging.WARNING
            about = {"decision": self.request.id, "tier": tier.name, **failure_fields(error)}
            log.log(level, "A tier failed", extra=about)
        elif isinstance(error, Exception):  # the boundary logs what nobody foresaw
            tier.failures["internal"] += 1

    def tried(self, tier: Tier, drawn: Drawn, started: float, *, score: float, bar: float, accepted: bool) -> None:
        """A tier that wrote something. What its further samples cost is part of it."""
        shown = score if 0.0 <= score <= 1.0 else 0.0
        reason = "" if accepted else drawn.refused or f"not sure enough: {told(shown)} is below {told(bar)}"
        if drawn.missing is not None:
            self.as_tested = False
            reason = f"not checked, since a further sample failed: {drawn.missing.own_words.rstrip('.')}"
        one = _attempt(
            tier,
            score=shown,
            threshold=bar if 0.0 <= bar <= 1.0 else None,
            accepted=accepted,
            reason=reason,
            latency_ms=_since(started),
            cost=tier.cost(drawn.completion.usage) + tier.cost(drawn.usage),
            completion=drawn.completion,
        )
        samples, destination = len(drawn.samples), tier.destination
        self.attempts.append(structs.replace(one, samples=samples, sampled=drawn.usage, destination=destination))

    def begun(self, tier: Tier, *, certified: bool) -> Begun:
        """The start of a stream written by this tier."""
        return Begun(self.request.id, tier.name, tier.config.tier, tier.model, self.state, certified)

    def answered(self, *, certified: bool) -> Reply:
        """The reply of the last attempt."""
        last, written = self.attempts[-1], self.attempts[-1].completion
        if written is not None and self.untested and self.state == "certified":
            written = structs.replace(written, warnings=(*written.warnings, f"Not certified: {self.untested}."))
        return self._reply(last.rung, last.tier, last.model, last.score, certified, written)

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


def told(score: float) -> str:
    """A score or a threshold for people, with as many digits as it needs not to read as nothing.

    >>> told(0.79), told(0.00003), told(0.0)
    ('0.7900', '3e-05', '0.0000')
    """
    return f"{score:.4f}" if score >= LEAST_SHOWN or score <= 0 else f"{score:.0e}"


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
