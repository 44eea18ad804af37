"""The cascade: asks rungs in order of cost, and the first that is sure enough answers; after the last stands a person.

The hot path. It knows thresholds and the state of the promise; it does not calibrate, record or audit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from rightsized.cascade.failures import reason_of
from rightsized.cascade.promise import NEVER_EXPIRES, Promise
from rightsized.core.errors import BusyError, ConfigError, InputError, RightsizedError
from rightsized.core.protocols import Answerer, Rung, Scored
from rightsized.core.types import TIER_PERSON, Attempt, Reply, Request, State

PERSON = "person"
NEVER, ALWAYS = float("inf"), -float("inf")
_FAILURES = (RightsizedError, OSError, RuntimeError, ValueError, ArithmeticError)  # of a rung; the next one is asked


@dataclass(frozen=True)
class CascadeSetup:
    """What a cascade serves, as calibration left it.

    Args:
        rungs: in order of cost. With as many thresholds as rungs a person stands last; with one fewer the last rung
            answers whatever reaches it.
        thresholds: None where a rung never answers.
        state: the state of the promise; only `certified` makes replies certified.
        certificate: its id, or empty.
        expires: seconds since the epoch; infinity where nothing expires.
        expires_requests: requests the certificate covers; infinity where nothing expires.
        requests: requests answered under this certificate before this cascade was built.
        stop_when_void: an expired or suspended promise stops local answers; else they go on, uncertified.
        clock: seconds since the epoch.
    """

    task: str
    version: str
    rungs: tuple[Rung, ...]
    thresholds: tuple[float | None, ...]
    state: State
    certificate: str = ""
    expires: float = NEVER_EXPIRES
    expires_requests: float = NEVER_EXPIRES
    requests: int = 0
    stop_when_void: bool = True
    clock: Callable[[], float] = time.time


class Cascade(Answerer):
    """Rungs behind thresholds. Replies are `certified` only by the path that was tested, while the promise stands."""

    def __init__(self, setup: CascadeSetup) -> None:
        if len(setup.rungs) - len(setup.thresholds) not in (0, 1) or not setup.rungs:
            raise ConfigError(
                f"{len(setup.thresholds)} thresholds do not fit {len(setup.rungs)} rungs: one a rung, or one fewer."
            )
        self._tested = setup
        self._promise = Promise(
            setup.state,
            setup.certificate,
            expires=setup.expires,
            expires_requests=setup.expires_requests,
            requests=setup.requests,
            clock=setup.clock,
        )
        self._arrange(setup)

    def _arrange(self, setup: CascadeSetup) -> None:
        self.setup = setup
        self._bars = tuple(NEVER if t is None else t for t in setup.thresholds)
        if len(self._bars) < len(setup.rungs):
            self._bars = (*self._bars, ALWAYS)
        # A rung that never answers is not asked, but for the last: a person starts from its suggestion.
        last = len(setup.rungs) - 1
        self._asked = tuple((k, rung) for k, rung in enumerate(setup.rungs) if self._bars[k] != NEVER or k == last)

    @property
    def requests(self) -> int:
        """Requests answered under this certificate so far."""
        return self._promise.requests

    @property
    def state(self) -> State:
        """The state under which replies are given now."""
        return self._promise.state

    @property
    def void(self) -> str:
        """Why the promise is not in force any more, in words; empty where it is, or never was."""
        return self._promise.void

    @property
    def fallen_back(self) -> bool:
        """Whether other thresholds than those tested answer (see `fall_back`)."""
        return self.setup is not self._tested

    def suspend(self, reason: str) -> None:
        """Withdraw the promise at once, as on an alarm of the monitor. Only a new certificate brings it back."""
        self._promise.suspend(reason)

    def fall_back(self, thresholds: tuple[float | None, ...] | None) -> None:
        """Once suspended: let these thresholds answer, uncertified; None stops local answers again.

        Raises ConfigError while the promise stands, which was made of the tested thresholds only.
        """
        if self.state != "suspended":
            raise ConfigError("Other thresholds may answer only once the promise is suspended.")
        if thresholds is None:
            self._arrange(self._tested)
        else:
            self._arrange(replace(self._tested, thresholds=thresholds, stop_when_void=False))

    async def answer(self, request: Request) -> Reply:
        """Ask the rungs in order. Raises BusyError and InputError as they come; other failures go up the ladder."""
        begun = time.perf_counter()
        certified = self._promise.count(dry_run=request.dry_run) == "certified"
        attempts = [] if request.trace is None else request.trace
        truncated = False
        for number, rung in self._asked:
            started = time.perf_counter()
            try:
                scored = await rung.score(request.text)
            except BaseException as error:
                attempts.append(self._failed(number, rung, error, started))
                if not isinstance(error, _FAILURES) or isinstance(error, BusyError | InputError):
                    raise
                certified = False  # whoever answers now was not the one tested on this request
                continue
            truncated = truncated or scored.truncated
            attempts.append(self._tried(number, rung, scored, started))
            if attempts[-1].accepted:
                local = number < len(self.setup.thresholds)
                certified = certified and self.state == "certified"  # it may have been suspended meanwhile
                return self._answered(request, attempts, truncated, certified and local, begun)
        return self._abstained(request, attempts, truncated, begun)

    def _tried(self, number: int, rung: Rung, scored: Scored, started: float) -> Attempt:
        score, bar = scored.score, self._bars[number]
        stopped = self.void and self.setup.stop_when_void and bar != ALWAYS
        accepted = not stopped and (bar <= score <= 1.0 or bar == ALWAYS)  # NaN is below every threshold
        return Attempt(
            rung=rung.name,
            tier=rung.tier,
            model=rung.model,
            score=score if 0.0 <= score <= 1.0 else 0.0,
            threshold=bar if 0.0 <= bar <= 1.0 else None,
            accepted=accepted,
            prediction=scored.prediction,
            reason="" if accepted else self._reason(score, bar),
            latency_ms=(time.perf_counter() - started) * 1000,
            cost=rung.cost,
        )

    def _reason(self, score: float, bar: float) -> str:
        if not 0.0 <= score <= 1.0:
            return f"the score {score} is no probability"
        if self.void and self.setup.stop_when_void:
            return f"local answers are stopped: {self.void}"
        if bar == NEVER:
            return "this rung never answers under the promise"
        return f"not sure enough: {score:.4f} is below {bar:.4f}"

    def _failed(self, number: int, rung: Rung, error: BaseException, started: float) -> Attempt:
        bar = self._bars[number]
        return Attempt(
            rung=rung.name,
            tier=rung.tier,
            model=rung.model,
            score=0.0,
            threshold=bar if 0.0 <= bar <= 1.0 else None,
            accepted=False,
            reason=reason_of(error, named=True),
            latency_ms=(time.perf_counter() - started) * 1000,
            cost=rung.cost,
        )

    def _answered(
        self, request: Request, attempts: list[Attempt], truncated: bool, certified: bool, begun: float
    ) -> Reply:
        last = attempts[-1]
        return Reply(
            id=request.id,
            task=request.task,
            status="answered",
            output=last.prediction,
            rung=last.rung,
            tier=last.tier,
            model=last.model,
            confidence=last.score,
            state=self.state,
            certificate=self.setup.certificate,
            certified=certified,
            cost=_cost(attempts),
            latency_ms=(time.perf_counter() - begun) * 1000,
            truncated=truncated,
            attempts=tuple(attempts),
        )

    def _abstained(self, request: Request, attempts: list[Attempt], truncated: bool, begun: float) -> Reply:
        return Reply(
            id=request.id,
            task=request.task,
            status="abstained",
            output=None,
            rung=PERSON,
            tier=TIER_PERSON,
            model="",
            confidence=next((a.score for a in reversed(attempts) if a.prediction), 0.0),
            state=self.state,
            certificate=self.setup.certificate,
            cost=_cost(attempts),
            latency_ms=(time.perf_counter() - begun) * 1000,
            truncated=truncated,
            attempts=tuple(attempts),
        )


def _cost(attempts: list[Attempt]) -> float:
    return sum(attempt.cost for attempt in attempts)
