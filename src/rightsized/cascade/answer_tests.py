"""Tests that came with a request, between an answer and its check: run, put down with the answer, held as a rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Protocol

from msgspec import structs

from rightsized.cascade.parameters import why_cut
from rightsized.cascade.samples import Drawn
from rightsized.cascade.tier import text_of
from rightsized.core.generation import Completion, Generation, GivenTests, RunResult

Rule = Literal["weigh", "reject-failed", "require-pass"]
FAILED = ("failed", "timeout")


class RunTests(Protocol):
    """Runs tests against the code of an answer, shut in."""

    async def __call__(self, tests: GivenTests, answer: str) -> RunResult:
        """What they came to. Raises BusyError."""
        ...


class AnswerTests:
    """Runs the tests of requests. `rule`: what holds beside the check, which only weighs their outcome."""

    def __init__(self, run: RunTests, rule: Rule) -> None:
        self._run, self._rule = run, rule

    async def of(self, tests: GivenTests, drawn: Drawn) -> Drawn:
        """The answer with what its tests came to, and whether that alone refuses it."""
        found = await self._run(tests, text_of(drawn.completion))
        completion = structs.replace(drawn.completion, tested=found)
        return replace(drawn, completion=completion, refused=why_refused(self._rule, found))


def why_refused(rule: Rule, found: RunResult) -> str:
    """Why an answer is not accepted whatever its check says, in words; empty where the rule lets it be."""
    wrong = found.outcome in FAILED or (rule == "require-pass" and found.outcome != "passed")
    if rule == "weigh" or not wrong:
        return ""
    return f"its tests: {found.outcome}, {found.reason}" if found.reason else f"its tests: {found.outcome}"


def why_not_covered(generation: Generation, completion: Completion) -> str:
    """Why an answer is not one of those that were tested, in words; empty where it is one."""
    found = completion.tested
    if found is not None and found.outcome == "not-run":
        return f"its tests were not run: {found.reason}"
    return why_cut(generation, completion)
