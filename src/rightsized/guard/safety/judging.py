"""From what checks find to what follows: verdicts for the record, and whether to go on, refuse, or ask higher up."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Literal, NamedTuple

from rightsized.core.errors import BusyError, ForbiddenError
from rightsized.core.generation import Completion, Generation
from rightsized.core.verdicts import Verdict
from rightsized.guard.policy.outputs import OutputRule
from rightsized.guard.safety.check import Check

Outcome = Literal["pass", "escalate", "refuse"]


class Judged(NamedTuple):
    """What the checks say together.

    Args:
        completion: the answer, put right where a check could; None for a request.
        broken: the rule that decides, where one was broken, and how.
    """

    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    completion: Completion | None = None
    broken: tuple[OutputRule, str] | None = None

    @property
    def said(self) -> str:
        """Which rule was broken, in words."""
        if self.broken is None:
            return ""
        rule, fault = self.broken
        return f"rule {rule.id}: {rule.reason or fault}"


async def judge_request(checks: Sequence[Check[Any]], generation: Generation) -> Judged:
    """What the checks say of a request."""
    judged = Judged("pass", ())
    for check in checks:
        if fault := await _found(check.request(generation)):
            judged = _worse(judged, check.rule, fault, "request")
    return judged


async def judge(checks: Sequence[Check[Any]], generation: Generation, completion: Completion, rung: str) -> Judged:
    """What the checks say of an answer; checks that mend come last, on an answer that all others let pass."""
    judged = Judged("pass", (), completion)
    mending: list[tuple[Check[Any], str]] = []
    for check in checks:
        if not (fault := await _found(check.output(generation, completion))):
            continue
        if check.rule.on_fail == "change":
            mending.append((check, fault))
        else:
            judged = _worse(judged, check.rule, fault, f"output of {rung}")
    if judged.outcome != "pass":
        return judged
    for check, fault in mending:
        mended = check.mended(generation, judged.completion or completion)
        if mended is None:
            return _worse(judged, check.rule, f"{fault}, and it cannot be mended", f"output of {rung}")
        verdict = Verdict(check.rule.id, "change", f"output of {rung}", f"{fault}; mended")
        judged = judged._replace(completion=mended, verdicts=(*judged.verdicts, verdict))
    return judged


def passed(checks: Sequence[Check[Any]], generation: Generation, said: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Verdicts of the rules that found nothing."""
    spoken = {verdict.rule for verdict in said}
    silent = [check for check in checks if check.rule.id not in spoken and not check.quiet]
    return tuple(
        Verdict(check.rule.id, "allow", "output" if check.needs_output(generation) else "request", check.rule.reason)
        for check in silent
    )


def refusal(judged: Judged) -> ForbiddenError:
    """The error for a request or an answer that a rule refuses."""
    return ForbiddenError(
        f"The policy does not allow this; {judged.said.rstrip('.')}.",
        fix="Whoever keeps policy.toml can say more; the decision holds what was found.",
    )


def _worse(judged: Judged, rule: OutputRule, fault: str, subject: str) -> Judged:
    """With one more broken rule; what refuses weighs more than what escalates."""
    flagged = rule.on_fail == "flag"
    verdicts = (*judged.verdicts, Verdict(rule.id, "flag" if flagged else "deny", subject, fault))
    outcome: Outcome = "pass" if flagged else "escalate" if rule.on_fail == "escalate" else "refuse"
    if flagged or judged.outcome == "refuse" or (judged.outcome == "escalate" and outcome == "escalate"):
        return judged._replace(verdicts=verdicts)
    return Judged(outcome, verdicts, judged.completion, (rule, fault))


async def _found(work: Awaitable[str]) -> str:
    """What a check finds. One that fails has found a fault: nothing passes unchecked. Raises BusyError."""
    try:
        return await work
    except BusyError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the text was not checked
        return f"the check failed ({type(error).__name__})"
