"""The ladder of tiers that write: the smallest whose answer passes its check; after the last stands a person.

The hot path of the gateway. Two stages. Before writing, vetoes and a prediction from the prompt pass tiers over; after
writing, a check of the answer accepts it or escalates. It knows thresholds and the state of the promise; it does not
calibrate, record or count tokens for anybody's bill.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from rightsized.cascade.answer_tests import AnswerTests, why_not_covered
from rightsized.cascade.attempt import Run
from rightsized.cascade.calibrated import Calibrated as Calibrated  # also from here
from rightsized.cascade.logprobs import with_logprobs, without_logprobs
from rightsized.cascade.parameters import why_untested
from rightsized.cascade.promise import Promise
from rightsized.cascade.refusals import none_left
from rightsized.cascade.replay import pieces_of
from rightsized.cascade.samples import Drawn, draw
from rightsized.cascade.tier import Tier
from rightsized.core.errors import (
    BusyError,
    ConfigError,
    ContextLengthError,
    EgressDeniedError,
    InputError,
    NotFoundError,
    UnsupportedError,
    UpstreamError,
)
from rightsized.core.generation import AUTO, Completion, Delta, Generation, Piece, Usage
from rightsized.core.protocols import Answerer
from rightsized.core.streams import closing
from rightsized.core.types import Begun, Reply, Request

ALWAYS = -float("inf")
NEVER = float("inf")
CONVERSATIONS = 50_000  # remembered at most; the longest silent is forgotten first
# What sends a request on to the next tier. A refusal for being busy does so only where a fallback was named:
# an escalation under load would leave the path that was tested, and perhaps the premises.
_PASSED_ON = (UpstreamError, UnsupportedError, ContextLengthError, EgressDeniedError, BusyError)


@dataclass(frozen=True)
class LadderSetup:
    """What a ladder serves.

    Args:
        tiers: in order of cost.
        calibrated: None where nothing was calibrated for these tiers.
        uncertified_tier: who answers `auto` where no promise holds; empty: the last tier that may.
        stream: whether a cascaded stream waits for its check (`buffer`) or is routed by the prompt alone (`route`).
        sticky: whether a conversation stays on its tier unless it must move up.
        go_on: whether a promise that is void leaves the calibrated steps in service, uncertified.
        tests: runs the tests that came with a request; None: none are run.
    """

    tiers: tuple[Tier, ...]
    promise: Promise
    calibrated: Calibrated | None = None
    uncertified_tier: str = ""
    stream: Literal["buffer", "route"] = "buffer"
    sticky: bool = True
    go_on: bool = False
    tests: AnswerTests | None = None


class _Step(NamedTuple):
    """One tier to ask: `bar` on its check (ALWAYS: no check), `skip` on the prediction, `local` under the promise."""

    tier: Tier
    bar: float = ALWAYS
    skip: float = ALWAYS
    local: bool = False


class Ladder(Answerer):
    """Tiers behind vetoes, predictions and checks. Replies are `certified` only by the path that was tested."""

    def __init__(self, setup: LadderSetup) -> None:
        self.setup = setup
        self._by_name = {tier.name: tier for tier in setup.tiers}
        self._homes: OrderedDict[tuple[str, str], str] = OrderedDict()
        self.fallen_back: tuple[float | None, ...] | None = None  # thresholds that answer after an alarm, if any may

    async def answer(self, request: Request) -> Reply:
        """The whole answer. Raises NotFoundError, ForbiddenError, InputError, BusyError, UpstreamError."""
        run, steps = self._begin(request)
        for step in steps:
            completion = await self._try(run, step, last=step is steps[-1])
            if completion is not None:
                return self._answered(run, step)
        return run.abstained()

    async def stream(self, request: Request) -> AsyncGenerator[Begun | Piece | Reply, None]:
        """`Begun`, pieces, the Reply. An answer that must pass a check is held back until it has."""
        run, steps = self._begin(request)
        if self.setup.stream == "route" and any(step.bar != ALWAYS for step in steps):
            steps = await self._routed(run, steps)
        for step in steps:
            if step.bar != ALWAYS or run.generation.tests is not None:
                completion = await self._try(run, step, last=step is steps[-1])
                if completion is not None:
                    yield run.begun(step.tier, certified=self._certified(run, step))
                    for delta in pieces_of(completion, run.generation.operation):
                        yield delta
                    yield self._answered(run, step)
                    return
                continue
            async with closing(self._streamed(run, step, last=step is steps[-1])) as pieces:
                async for piece in pieces:
                    yield piece
            if run.finished:
                yield self._answered(run, step)
                return
        yield run.abstained()

    def fall_back(self, thresholds: tuple[float | None, ...] | None) -> None:
        """Once suspended: let these thresholds answer, uncertified; None stops answers below the last tier again.

        Raises ConfigError while the promise stands, which was made of the tested thresholds only.
        """
        if self.setup.promise.state != "suspended":
            raise ConfigError("Other thresholds may answer only once the promise is suspended.")
        self.fallen_back = thresholds

    def may_ask(self, generation: Generation) -> list[Tier]:
        """Every tier that a request could reach, fallbacks included."""
        tiers = [t for t in self.setup.tiers if generation.model in (AUTO, t.name, t.config.model)]
        names = {name for tier in tiers for name in (tier.name, *tier.config.fallback)}
        return [tier for tier in self.setup.tiers if tier.name in names and not tier.veto(generation)]

    def most_cost(self, generation: Generation, usage: Usage) -> float:
        """US dollars, were every tier that may be asked to write so much, further samples included."""
        calibrated = self.setup.calibrated
        drawn = calibrated.samples if calibrated is not None and generation.model == AUTO else {}
        calls = {name: 1 + plan.count for name, plan in drawn.items()}
        return sum(tier.cost(usage) * calls.get(tier.name, 1) for tier in self.may_ask(generation))

    def _begin(self, request: Request) -> tuple[Run, list[_Step]]:
        generation = request.generation
        if generation is None:
            raise InputError("This request asks for no text to be written.")
        state = self.setup.promise.count(dry_run=request.dry_run)
        if generation.model == AUTO:
            cascaded = self._cascade()
            run = Run(request, generation, state if cascaded else "none", self.setup.promise.certificate)
            if (generation.body.get("n") or 1) != 1:
                run.uncertified("only the first of several answers is checked")
            if self.setup.calibrated is not None:
                run.uncertified(why_untested(generation, self.setup.calibrated.parameters))
            steps = self._allowed(run, cascaded) if cascaded else self._default(run)
        else:
            run = Run(request, generation, "none", "")
            steps = self._named(run, generation.model)
        return run, self._stay(run, steps)

    def _cascade(self) -> list[_Step]:
        """The calibrated steps while their promise, or its estimate, stands, or what goes on after it; else none."""
        calibrated, promise = self.setup.calibrated, self.setup.promise
        if calibrated is None:
            return []
        thresholds, steps = calibrated.thresholds, []
        if promise.void or promise.state not in ("certified", "estimated"):
            if self.fallen_back is not None:
                thresholds = self.fallen_back
            elif not self.setup.go_on:
                return []
        for k, name in enumerate(calibrated.names):
            local = k < len(thresholds)
            threshold = thresholds[k] if local else ALWAYS
            skip = calibrated.skips[k] if local and k < len(calibrated.skips) else ALWAYS
            steps.append(_Step(self._by_name[name], NEVER if threshold is None else threshold, skip, local))
        return steps if any(step.bar != NEVER for step in steps) else []

    def _allowed(self, run: Run, steps: Sequence[_Step]) -> list[_Step]:
        """Steps that no rule vetoes, then the last one's fallbacks; what was vetoed is noted. Raises ForbiddenError.

        A tier that stands after a vetoed one answers by another path than was tested; one before it does not. That goes
        for a tier that never answers too: calibration gave its rows nothing from the first vetoed tier on.
        """
        last = steps[-1]
        if last.bar == ALWAYS:
            steps = [*steps, *self._fallbacks(last.tier, run.generation)]
        kept: list[_Step] = []
        tested = True
        for step in steps:
            why = step.tier.veto(run.generation)
            tested = tested and not why
            if step.bar == NEVER:
                continue
            if why:
                run.passed_over(step.tier, why)
            else:
                kept.append(step if tested else step._replace(local=False))
        if not kept:
            raise none_left(run.generation, [step.tier for step in steps if step.bar != NEVER])
        return kept

    def _default(self, run: Run) -> list[_Step]:
        """Who answers `auto` while nothing is promised: the tier the settings name, or the last that may."""
        if not self.setup.tiers:
            raise NotFoundError("There is no tier that writes.", fix="Name one under [[tiers]] in rightsized.toml.")
        if self.setup.uncertified_tier:
            return self._named(run, self.setup.uncertified_tier)
        able = [tier for tier in self.setup.tiers if not tier.veto(run.generation)]
        if not able:
            raise none_left(run.generation, list(self.setup.tiers))
        return self._named(run, able[-1].name)

    def _named(self, run: Run, model: str) -> list[_Step]:
        """The tier of this name, or those that serve this model, and their fallbacks."""
        tiers = [tier for tier in self.setup.tiers if model == tier.name]
        tiers = tiers or [tier for tier in self.setup.tiers if model == tier.config.model]
        if not tiers:
            known = ", ".join([AUTO, *self._by_name])
            raise NotFoundError(f"There is no model {model!r} here.", fix=f"Models here: {known}.")
        return self._allowed(run, [_Step(tier) for tier in tiers])

    def _fallbacks(self, tier: Tier, generation: Generation) -> list[_Step]:
        """Tiers asked in its place. Not another model for vectors: those of two models cannot be compared."""
        others = [self._by_name[name] for name in tier.config.fallback]
        if generation.operation == "embeddings":
            others = [other for other in others if other.config.model and other.config.model == tier.config.model]
        return [_Step(other) for other in others]

    def _stay(self, run: Run, steps: list[_Step]) -> list[_Step]:
        """Begin with the tier on which this conversation already is, where it is among the steps."""
        calibrated = self.setup.calibrated
        if not self.setup.sticky or not run.request.conversation:
            return steps
        if calibrated is not None and calibrated.afresh and run.state == "certified":
            return steps
        home = self._homes.get((run.request.tenant, run.request.conversation))
        at = next((k for k, step in enumerate(steps) if step.tier.name == home), 0)
        for step in steps[:at]:
            run.passed_over(step.tier, "the conversation has moved up")
        return [step._replace(local=False) for step in steps[at:]] if at else steps

    def _move(self, run: Run, tier: Tier) -> None:
        if self.setup.sticky and run.request.conversation:
            key = (run.request.tenant, run.request.conversation)
            self._homes[key] = tier.name
            self._homes.move_to_end(key)
            while len(self._homes) > CONVERSATIONS:
                self._homes.popitem(last=False)

    async def _routed(self, run: Run, steps: list[_Step]) -> list[_Step]:
        """Steps for a stream that may not wait: the prompt alone chooses, and nothing is promised."""
        run.uncertified("a stream routed by the prompt alone is not covered")
        for k, step in enumerate(steps):
            if step.bar == ALWAYS or await self._likely(run, step):
                return [other._replace(bar=ALWAYS, skip=ALWAYS, local=False) for other in steps[k:]]
        return [step._replace(bar=ALWAYS, skip=ALWAYS, local=False) for step in steps[-1:]]

    async def _likely(self, run: Run, step: _Step) -> bool:
        """Whether the prompt is like those learned from, and lets hope for a right answer of this tier; else noted."""
        calibrated = self.setup.calibrated
        if step.bar == ALWAYS or calibrated is None:
            return True
        if why := await calibrated.verifier.outside(run.generation):
            run.kept_back(step.tier, why)
            return False
        if step.skip == ALWAYS:
            return True
        score = await calibrated.verifier.before(step.tier.name, run.generation)
        if step.skip <= score <= 1.0:  # NaN is below every threshold
            return True
        run.skipped(step.tier, score, step.skip)
        return False

    async def _try(self, run: Run, step: _Step, *, last: bool) -> Completion | None:
        """Ask one tier and check what it wrote. None sends the request on; the last tier's failure is raised."""
        if not await self._likely(run, step):
            return None
        started = time.perf_counter()
        try:
            drawn = await self._written(run, step)
        except BaseException as error:  # noqa: BLE001 - noted; raised unless the next tier may be asked
            self._failed(run, step, error, started, last=last)
            return None
        try:
            drawn = await self._tested(run, drawn)
            score = await self._check(run, step, drawn)
        except BaseException as error:
            run.tried(step.tier, drawn, started, score=0.0, bar=step.bar, accepted=False)
            run.unchecked(error)
            raise
        accepted = (step.bar == ALWAYS or step.bar <= score <= 1.0) and not drawn.refused
        if step.bar != ALWAYS and not run.generation.body.get("logprobs"):
            drawn = replace(drawn, completion=without_logprobs(drawn.completion))  # they were for the check
        run.tried(step.tier, drawn, started, score=score, bar=step.bar, accepted=accepted)
        if accepted:
            run.uncertified(why_not_covered(run.generation, drawn.completion))
        if isinstance(drawn.missing, BusyError):  # as for an answer: load must not move requests up
            raise drawn.missing
        return drawn.completion if accepted else None

    async def _written(self, run: Run, step: _Step) -> Drawn:
        """What the tier writes, with the log probabilities and the further samples its check needs."""
        generation, calibrated, name = run.generation, self.setup.calibrated, step.tier.name
        if step.bar == ALWAYS or calibrated is None:
            return Drawn(await step.tier.generator.generate(generation))
        asked = with_logprobs(generation) if name in calibrated.logprobs else generation
        return await draw(step.tier.generator, asked, calibrated.samples.get(name))

    async def _tested(self, run: Run, drawn: Drawn) -> Drawn:
        """What was written, with what the request's tests came to. Raises BusyError."""
        given, tests = run.generation.tests, self.setup.tests
        return drawn if tests is None or given is None else await tests.of(given, drawn)

    async def _check(self, run: Run, step: _Step, drawn: Drawn) -> float:
        if step.bar == ALWAYS or self.setup.calibrated is None:
            return 0.0
        if drawn.missing is not None:
            return math.nan
        verifier = self.setup.calibrated.verifier
        return await verifier.after(step.tier.name, run.generation, drawn.completion, drawn.samples)

    async def _streamed(self, run: Run, step: _Step, *, last: bool) -> AsyncGenerator[Begun | Piece, None]:
        """A tier's own stream, passed on as it comes. A failure before the first piece sends the request on."""
        started, begun, said = time.perf_counter(), False, list[str]()
        try:
            async with closing(step.tier.generator.stream(run.generation)) as pieces:
                async for piece in pieces:
                    if not begun:
                        begun = True
                        yield run.begun(step.tier, certified=False)
                    if isinstance(piece, Completion):
                        run.tried(step.tier, Drawn(piece), started, score=0.0, bar=ALWAYS, accepted=True)
                    else:
                        said.extend([piece.text] if isinstance(piece, Delta) else [one.text for one in piece])
                        yield piece
            if not run.finished:
                raise UpstreamError(f"The stream of tier {step.tier.name!r} ended without an end.")
        except BaseException as error:
            if begun and not run.finished:
                run.broke_off(step.tier, said, error, started)
            if begun:
                raise
            self._failed(run, step, error, started, last=last)

    def _failed(self, run: Run, step: _Step, error: BaseException, started: float, *, last: bool) -> None:
        """Note the failure. Raises it where nobody is left to ask, where being busy must not move the request, and
        where it is none of the tier's."""
        run.failed(step.tier, error, started)
        if not isinstance(error, _PASSED_ON):
            raise error
        if last and (step.bar == ALWAYS or not run.has_draft):  # a person stands behind a last tier that is checked
            raise run.blame or error
        if isinstance(error, BusyError) and step.bar != ALWAYS:
            raise error

    def _certified(self, run: Run, step: _Step) -> bool:
        stands = self.setup.promise.state == "certified"  # it may have been suspended meanwhile
        return stands and run.as_tested and step.local and run.state == "certified"

    def _answered(self, run: Run, step: _Step) -> Reply:
        self._move(run, step.tier)
        return run.answered(certified=self._certified(run, step))
