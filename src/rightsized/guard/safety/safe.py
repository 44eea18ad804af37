"""`Safe(inner)`: what models write under the safety rules in force. Between the policy and the ladder.

A rule acts three times. The model is told of it and, where an engine can, held to it; what was written is checked; and
what breaks a rule is never given out unless the rule itself says `flag`. `escalate` asks the tiers above the one that
broke it, and after the last a person. A check that fails by itself has found a fault. An answer that has to be checked
is held back whole. Each rule's verdict goes on record.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from rightsized.core.errors import ContextLengthError, ForbiddenError, RightsizedError, UnsupportedError
from rightsized.core.generation import Completion, Delta, Generation, Operation, Piece
from rightsized.core.protocols import Answerer
from rightsized.core.streams import closing
from rightsized.core.types import TIER_PERSON, Attempt, Begun, Reply, Request
from rightsized.core.verdicts import Verdict
from rightsized.guard.instructions import instructed
from rightsized.guard.policy.store import PolicyStore
from rightsized.guard.safety.check import Check
from rightsized.guard.safety.judging import Judged, judge, judge_request, passed, refusal
from rightsized.guard.safety.means import Means
from rightsized.guard.safety.provenance import marked, without_marks
from rightsized.guard.safety.rules import Rules

WRITES: frozenset[Operation] = frozenset(("chat", "completions"))
ASKED_BEFORE = "asked before; a rule withheld what was written"
TOLD = "These rules hold for your answer:"
NOBODY_LEFT = (ForbiddenError, UnsupportedError, ContextLengthError)

Replay = Callable[[Completion, Operation], Iterator[Delta]]


@dataclass
class _Plan:
    """One request under its checks.

    Args:
        generation: as it goes to the models.
        altered: whether that differs from what the client sent.
        vetoes: tiers not to be asked, with the reason.
        withheld: attempts whose answers broke a rule, and what led to them.
        trace: the attempts of the way up that is being asked now.
        waited_ms: what earlier ways took.
    """

    request: Request
    generation: Generation
    checks: list[Check[Any]]
    verdicts: tuple[Verdict, ...]
    altered: bool
    vetoes: dict[str, str]
    withheld: list[Attempt] = field(default_factory=list)
    trace: list[Attempt] = field(default_factory=list)
    waited_ms: float = 0.0

    @property
    def sent(self) -> Generation:
        """The request as the client sent it."""
        assert self.request.generation is not None
        return self.request.generation

    @property
    def holds_back(self) -> bool:
        return any(check.needs_output(self.sent) for check in self.checks)

    def asked(self) -> Request:
        """The request to hand on, with the tiers that must not be asked and a trace of its own."""
        vetoes, self.trace = {**self.vetoes, **self.generation.vetoes}, []
        generation = structs.replace(self.generation, vetoes=vetoes)
        return structs.replace(self.request, generation=generation, trace=self.trace)

    def keep(self) -> None:
        """Put all attempts into the request's own trace, for the record of one that gets no reply."""
        if self.request.trace is not None:
            self.request.trace.extend([*self.withheld, *_new(self.trace)])

    def failed(self, error: RightsizedError) -> RightsizedError:
        """The error with the verdicts so far, for the record."""
        error.verdicts = (*self.verdicts, *error.verdicts)
        return error


class Safe(Answerer):
    """An answerer under safety rules.

    Args:
        store: where the policy in force is.
        means: what the checks need.
        tiers: names of the tiers of `inner` in order of cost.
        replay: an answer as the pieces of a stream.
    """

    def __init__(
        self, inner: Answerer, store: PolicyStore, means: Means, *, tiers: Sequence[str], replay: Replay
    ) -> None:
        self._inner, self._tiers, self._replay = inner, tuple(tiers), replay
        self._rules = Rules(store, means)

    async def answer(self, request: Request) -> Reply:
        """Check the request, ask, check the answer. Raises ForbiddenError, and what the answerer raises."""
        plan = await self._plan(request)
        if plan is None:
            return await self._inner.answer(request)
        return plan if isinstance(plan, Reply) else await self._answered(plan)

    async def stream(self, request: Request) -> AsyncGenerator[Begun | Piece | Reply, None]:
        """As `answer`, in pieces; as they come only where no rule is about the answer."""
        plan = await self._plan(request)
        if isinstance(plan, Reply):
            yield plan
        elif plan is None or not plan.holds_back:
            async with closing(self._passed_on(plan, request)) as pieces:
                async for piece in pieces:
                    yield piece
        else:
            reply = await self._answered(plan)
            if reply.completion is not None:
                yield Begun(reply.id, reply.rung, reply.tier, reply.model, reply.state, reply.certified)
                for delta in self._replay(reply.completion, plan.sent.operation):
                    yield delta
            yield reply

    async def _plan(self, request: Request) -> _Plan | Reply | None:
        """What is to be done; a Reply where a rule sends the request to a person, None where no rule is for it.

        Raises ForbiddenError.
        """
        generation, checks = request.generation, self._rules.of(request)
        if generation is None or not (checks or marked(generation)):
            return None
        judged = await judge_request(checks, generation)
        prepared = without_marks(generation)
        writing = generation.operation in WRITES
        body = _prepared(prepared, checks, generation) if writing else prepared.body
        vetoes = {tier: why for tier in self._tiers if (why := _veto(tier, checks))} if writing else {}
        altered = body is not prepared.body
        prepared = structs.replace(prepared, body=body) if altered else prepared
        plan = _Plan(request, prepared, checks if writing else [], judged.verdicts, altered, vetoes)
        if judged.outcome == "refuse":
            raise plan.failed(refusal(judged))
        return self._to_person(plan, None) if judged.outcome == "escalate" else plan

    async def _answered(self, plan: _Plan) -> Reply:
        """Ask until an answer keeps the rules, or nobody is left."""
        try:
            return await self._asked(plan)
        except BaseException:
            plan.keep()
            raise

    async def _asked(self, plan: _Plan) -> Reply:
        last: Reply | None = None
        while True:
            try:
                reply = await self._inner.answer(plan.asked())
            except NOBODY_LEFT as error:
                if last is None:
                    raise plan.failed(error) from None
                return self._to_person(plan, last)
            except RightsizedError as error:
                raise plan.failed(error) from None
            if reply.completion is None:
                return self._given(plan, reply)
            judged = await judge(plan.checks, plan.sent, reply.completion, reply.rung)
            plan.verdicts = (*plan.verdicts, *judged.verdicts)
            if judged.outcome == "pass":
                return self._given(plan, structs.replace(reply, completion=judged.completion))
            self._withhold(plan, reply, judged)
            if judged.outcome == "refuse":
                raise plan.failed(refusal(judged))
            last = reply

    def _withhold(self, plan: _Plan, reply: Reply, judged: Judged) -> None:
        """Keep what was tried, and veto the tier that wrote it and all below."""
        *before, wrote = reply.attempts
        plan.trace, plan.waited_ms = [], plan.waited_ms + reply.latency_ms
        plan.withheld += _new(before)
        plan.withheld.append(structs.replace(wrote, accepted=False, reason=f"withheld by {judged.said}"))
        upto = self._tiers.index(reply.rung) + 1 if reply.rung in self._tiers else len(self._tiers)
        plan.vetoes.update(dict.fromkeys((reply.rung, *self._tiers[:upto]), ASKED_BEFORE))

    def _given(self, plan: _Plan, reply: Reply) -> Reply:
        """The reply to give out, with all that led to it; never certified where models saw another request."""
        attempts = _new(reply.attempts)
        if reply.completion is not None and attempts:  # what was mended is what the last attempt is on record with
            attempts[-1] = structs.replace(attempts[-1], completion=reply.completion)
        return structs.replace(
            reply,
            attempts=(*plan.withheld, *attempts),
            cost=reply.cost + sum(one.cost for one in plan.withheld),
            latency_ms=reply.latency_ms + plan.waited_ms,
            certified=reply.certified and not plan.altered and not plan.withheld,
            verdicts=(*plan.verdicts, *passed(plan.checks, plan.sent, plan.verdicts), *reply.verdicts),
        )

    def _to_person(self, plan: _Plan, last: Reply | None) -> Reply:
        """The reply that leaves it to a person."""
        request = plan.request
        return Reply(
            id=request.id,
            task=request.task,
            status="abstained",
            output=None,
            rung="person",
            tier=TIER_PERSON,
            model="",
            confidence=0.0,
            state=last.state if last else "none",
            cost=sum(one.cost for one in plan.withheld),
            latency_ms=plan.waited_ms,
            attempts=tuple(plan.withheld),
            verdicts=plan.verdicts,
        )

    async def _passed_on(self, plan: _Plan | None, request: Request) -> AsyncGenerator[Begun | Piece | Reply, None]:
        """The stream as it comes."""
        if plan is None:
            async with closing(self._inner.stream(request)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        try:
            async with closing(self._inner.stream(plan.asked())) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Reply):
                        piece = self._given(plan, piece)
                    elif isinstance(piece, Begun) and plan.altered:
                        piece = structs.replace(piece, certified=False)
                    yield piece
        except BaseException as error:
            plan.keep()
            if isinstance(error, RightsizedError):
                plan.failed(error)
            raise


def _new(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Without the tiers that were passed over because their answer was withheld before."""
    return [one for one in attempts if one.reason != ASKED_BEFORE]


def _prepared(bare: Generation, checks: Sequence[Check[Any]], generation: Generation) -> dict[str, Any]:
    """The body that goes to the models: constrained, and with the rules told. The same object where nothing changes."""
    body = bare.body
    for check in checks:
        body = check.prepared(body, generation)
    words = [words for check in checks if check.rule.instruct and (words := check.instruction(generation))]
    if generation.operation == "chat" and words:
        said = "\n".join((TOLD, *(f"- {one}" for one in words)))
        body = {**body, "messages": instructed(body["messages"], said)}
    return body


def _veto(tier: str, checks: Sequence[Check[Any]]) -> str:
    """Why a rule keeps the request from a tier; empty where none does."""
    for check in checks:
        if why := check.vetoes(tier):
            return f"rule {check.rule.id}: {why}"
    return ""
