"""Which check performs which kind of rule."""

from __future__ import annotations

from typing import Any

from rightsized.guard.policy.outputs import KINDS, OutputRule
from rightsized.guard.safety.adapter import Adapter
from rightsized.guard.safety.check import Check
from rightsized.guard.safety.form import Citation, Disclaimer, Language, Length, Schema
from rightsized.guard.safety.means import Means
from rightsized.guard.safety.substance import ForbiddenClaims, Topic
from rightsized.guard.safety.untrusted import Injection, UntrustedTools

CHECKS: dict[str, type[Check[Any]]] = {
    "schema": Schema,
    "citation": Citation,
    "forbidden-claims": ForbiddenClaims,
    "topic": Topic,
    "disclaimer": Disclaimer,
    "length": Length,
    "language": Language,
    "adapter": Adapter,
    "untrusted-tools": UntrustedTools,
    "injection": Injection,
}
ENFORCED = frozenset(CHECKS) & frozenset(KINDS)


def open_check(rule: OutputRule, means: Means) -> Check[Any]:
    """The check of a rule, which was looked at when its file was read."""
    return CHECKS[str(rule.__struct_config__.tag)](rule, means)
