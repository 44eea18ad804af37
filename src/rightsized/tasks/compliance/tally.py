"""Adds decisions up, one at a time, so that a log of any length is read in bounded memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from msgspec import structs

from rightsized.core.types import Attempt, Decision
from rightsized.tasks.compliance.records import Departure, Outcomes, RuleFacts, RungFacts, TaskFacts
from rightsized.tasks.seen_by import was_asked

UNDECLARED = "not declared"
MOST_KINDS = 1_000  # distinct rules, failures and models kept apart; the rest are counted together
OTHER = "other"


class Tally:
    """Counts of one period. `places`: tier name -> (on the premises?, host), as the settings say now."""

    def __init__(self, places: Mapping[str, tuple[bool, str]]) -> None:
        self._places = places
        self.outcomes = Outcomes()
        self.dry_runs = 0
        self.answers: Counter[str] = Counter()  # by certificate
        self.policies: Counter[str] = Counter()
        self.detected: Counter[str] = Counter()
        self.classes: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._rules: Counter[tuple[str, str, str]] = Counter()
        self._tasks: dict[str, tuple[Outcomes, set[str]]] = {}
        self._rungs: dict[tuple[str, int], _Rung] = defaultdict(_Rung)
        self._departures: dict[str, _Left] = defaultdict(_Left)

    def add(self, one: Decision) -> None:
        """Count a decision. Of a dry run nothing counts but what left this machine, and that there was one."""
        if one.dry_run:
            self.dry_runs += 1
            for attempt in one.tried or ():
                self._left(one, attempt)
            return
        self.outcomes = _counted(self.outcomes, one)
        outcomes, versions = self._tasks.get(one.task, (Outcomes(), set()))
        if one.version:
            versions.add(one.version)
        self._tasks[one.task] = (_counted(outcomes, one), versions)
        self.classes[one.data_class or UNDECLARED] += 1
        if one.reply is not None and one.reply.certified:
            self.answers[one.reply.certificate] += 1
        if one.phase == "failed":
            _bounded(self.failures, one.error.partition(". ")[0][:200])
        if one.policy:
            self.policies[one.policy] += 1
        for verdict in one.verdicts:
            subject = verdict.subject
            _bounded(self._rules, (verdict.rule, verdict.effect, subject), (OTHER, verdict.effect, subject))
        if one.detected is not None:
            self.detected.update(one.detected.counts.keys())
        for attempt in one.tried or ():
            self._attempt(one, attempt)

    def _attempt(self, one: Decision, attempt: Attempt) -> None:
        if not (was_asked(attempt) or attempt.accepted):
            return
        held = one.data_class or UNDECLARED
        rung = self._rungs[attempt.rung, attempt.tier]
        rung.asked += 1
        rung.answered += attempt.accepted
        rung.classes[held] += 1
        rung.replaced += sum(attempt.completion.replaced.values()) if attempt.completion else 0
        if attempt.model and len(rung.models) < MOST_KINDS:
            rung.models.add(attempt.model)
        if attempt.destination:
            rung.destination = attempt.destination
        self._left(one, attempt)

    def _left(self, one: Decision, attempt: Attempt) -> None:
        if attempt.destination and (was_asked(attempt) or attempt.accepted):
            left = self._departures[attempt.destination]
            left.times += 1 + attempt.samples
            left.classes[one.data_class or UNDECLARED] += 1
            left.last = max(left.last or 0.0, one.started)

    def tasks(self) -> tuple[TaskFacts, ...]:
        """By name."""
        found = sorted(self._tasks.items())
        return tuple(TaskFacts(name, outcomes, tuple(sorted(versions))) for name, (outcomes, versions) in found)

    def rungs(self) -> tuple[RungFacts, ...]:
        """Smallest tiers first; within a tier by name."""
        return tuple(self._rung(*at) for at in sorted(self._rungs, key=lambda at: (-at[1], at[0])))

    def _rung(self, name: str, tier: int) -> RungFacts:
        rung = self._rungs[name, tier]
        here = not rung.destination
        if name not in self._places and here and tier != 3:  # before destinations were kept, or no tier any more
            known: bool | None = None
        else:
            known = here and self._places.get(name, (True, ""))[0]
        host = rung.destination or self._places.get(name, (True, ""))[1]
        models = tuple(sorted(rung.models))
        return RungFacts(
            name,
            tier,
            rung.asked,
            rung.answered,
            models,
            known,
            host,
            dict(sorted(rung.classes.items())),
            rung.replaced,
        )

    def rules(self) -> tuple[RuleFacts, ...]:
        """The most frequent first."""
        return tuple(RuleFacts(*about, times) for about, times in self._rules.most_common())

    def departures(self) -> tuple[Departure, ...]:
        """Requests that were sent to other machines, by host."""
        return tuple(
            Departure(host, left.times, dict(sorted(left.classes.items())), left.last)
            for host, left in sorted(self._departures.items())
        )


class _Rung:
    def __init__(self) -> None:
        self.asked = self.answered = self.replaced = 0
        self.models: set[str] = set()
        self.classes: Counter[str] = Counter()
        self.destination = ""


class _Left:
    def __init__(self) -> None:
        self.times = 0
        self.classes: Counter[str] = Counter()
        self.last: float | None = None


def _counted(before: Outcomes, one: Decision) -> Outcomes:
    reply = one.reply
    return structs.replace(
        before,
        requests=before.requests + 1,
        answered=before.answered + (reply is not None and reply.status == "answered"),
        certified=before.certified + (reply is not None and reply.certified),
        to_person=before.to_person + (reply is not None and reply.status == "abstained"),
        failed=before.failed + (one.phase == "failed"),
        interrupted=before.interrupted + (one.phase == "interrupted"),
        audited=before.audited + one.audit,
    )


def _bounded(counter: Counter[Any], key: Any, instead: Any = OTHER) -> None:
    """Count a key, or `instead` once there are too many different ones."""
    counter[key if key in counter or len(counter) < MOST_KINDS else instead] += 1
