"""The checks that hold for a request: the policy's rules about outputs, opened once a policy, and one default."""

from __future__ import annotations

import re
from typing import Any

from rightsized.core.types import Request
from rightsized.guard.policy.file import PolicyFile
from rightsized.guard.policy.outputs import OutputRule, UntrustedToolsRule
from rightsized.guard.policy.store import PolicyStore
from rightsized.guard.safety.check import Check
from rightsized.guard.safety.kinds import open_check
from rightsized.guard.safety.means import Means
from rightsized.guard.safety.provenance import marked
from rightsized.guard.safety.untrusted import NO_TOOLS, UntrustedTools


class Rules:
    """Finds the checks of a request."""

    def __init__(self, store: PolicyStore, means: Means) -> None:
        self._store, self._means = store, means
        self._policy: PolicyFile | None = None
        self._checks: list[Check[Any]] = []
        self._default = UntrustedTools(NO_TOOLS, means)
        self._default.quiet = True  # it is always there

    def of(self, request: Request) -> list[Check[Any]]:
        """The checks in the order of the file; none for most requests where there is no policy."""
        policy = self._store.current
        if policy is not self._policy:
            self._checks = [open_check(rule, self._means) for rule in policy.outputs] if policy else []
            self._policy = policy
        found = [check for check in self._checks if fits(check.rule, request)]
        generation = request.generation
        bound = any(isinstance(check.rule, UntrustedToolsRule) for check in found)
        if generation is not None and not bound and (generation.untrusted or marked(generation)):
            found.append(self._default)
        return found


def fits(rule: OutputRule, request: Request) -> bool:
    """Whether a rule is for a request."""
    return (
        (not rule.tasks or any(_matches(pattern, request.task) for pattern in rule.tasks))
        and (not rule.roles or not set(rule.roles).isdisjoint(request.roles))
        and (not rule.data_classes or request.held in rule.data_classes)
    )


def _matches(pattern: str, name: str) -> bool:
    if "*" not in pattern:
        return pattern == name
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name, re.DOTALL) is not None
