"""A policy and the destinations there are, compiled: what a request may be asked of, in microseconds.

The order of rules does not matter; the most restrictive one binds:

1. Whole request: a [[requests]] rule with effect deny that fits denies it. Else one with allow that fits allows it.
   Else `[defaults] requests` holds.
2. Each destination: a [[residency]] rule that fits and whose regions it is not in, or a [[flows]] rule with deny that
   fits, vetoes it. Else one with allow that fits lets it be asked. Else models on this machine follow
   `[defaults] on_premises`, and everything else is vetoed.

Where several rules fit, the verdict names the first in the file. A policy only takes away: what the settings of a tier
forbid stays forbidden.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rightsized.core.generation import DATA_CLASSES, DataClass
from rightsized.core.types import Request
from rightsized.core.verdicts import Effect, Verdict
from rightsized.guard.policy.file import BUILT_IN, FlowRule, PolicyFile, RequestRule, ResidencyRule

REMEMBERED = 8192  # rulings kept; all are forgotten at once beyond that, since callers can make up facts without end
CLASSIFY = "classify"


class Facts(NamedTuple):
    """What of a request the rules may look at. Nothing else decides, so equal facts get equal rulings."""

    task: str
    operation: str
    model: str = ""
    data_class: DataClass = DATA_CLASSES[-1]
    tenant: str = ""
    key: str = ""
    roles: tuple[str, ...] = ()


def facts_of(request: Request, undeclared: DataClass = DATA_CLASSES[-1]) -> Facts:
    """The facts of a request. `undeclared` is the class of one that says nothing."""
    generation = request.generation
    if generation is None:
        held = request.data_class or undeclared
        return Facts(request.task, CLASSIFY, "", held, request.tenant, request.key, request.roles)
    return Facts(
        request.task,
        generation.operation,
        generation.model,
        generation.data_class,
        request.tenant,
        request.key,
        request.roles,
    )


class Destination(NamedTuple):
    """Somewhere that data may go: a tier by name, and where it is. `host` is empty on this machine.

    `pseudonymised`: it is sent placeholders in place of personal data.
    """

    name: str
    on_premises: bool
    host: str = ""
    region: str = ""
    model: str = ""
    pseudonymised: bool = False


HERE = Destination("task", True)  # where tasks are answered: by models inside this process


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the policy says of a request.

    Args:
        verdicts: of the whole request, then of each destination in turn.
        denied: the verdict that forbids the whole request, where one does.
        vetoes: destinations it must not be sent to, each with the reason in words.
        policy: digest of the file.
    """

    verdicts: tuple[Verdict, ...]
    denied: Verdict | None
    vetoes: dict[str, str] = field(default_factory=dict)
    policy: str = ""


Test = Callable[[Facts], bool]


class _Compiled(NamedTuple):
    """A rule that may still fit, once what is fixed about it has been looked at."""

    id: str
    effect: Effect
    fits: Test
    reason: str


class Rulebook:
    """Rules on requests for these destinations. Immutable but for what it remembers."""

    def __init__(self, policy: PolicyFile, destinations: Sequence[Destination]) -> None:
        self.policy, self.destinations = policy, tuple(destinations)
        self._requests = [_compiled(rule, rule.effect) for rule in policy.requests]
        self._flows = {place: _for_destination(policy, place) for place in self.destinations}
        self._known: dict[Facts, Ruling] = {}

    def rule(self, facts: Facts) -> Ruling:
        """The ruling; from memory where the same facts came before."""
        found = self._known.get(facts)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[facts] = self.decide(facts)
        return found

    def decide(self, facts: Facts) -> Ruling:
        """The ruling, worked out anew."""
        whole = self._whole(facts)
        each = [(place, self._of(place, facts)) for place in self.destinations]
        vetoes = {place.name: _said(verdict) for place, verdict in each if verdict.effect == "deny"}
        verdicts = (whole, *(verdict for _, verdict in each))
        return Ruling(verdicts, whole if whole.effect == "deny" else None, vetoes, self.policy.digest)

    def fitting(self, facts: Facts) -> list[Verdict]:
        """Every rule that fits, those that do not decide included, for people who ask why."""
        found = [_verdict(rule, "request") for rule in self._requests if rule.fits(facts)]
        for place in self.destinations:
            found += [_verdict(rule, _tier(place)) for rule in self._flows[place] if rule.fits(facts)]
        return found

    def _whole(self, facts: Facts) -> Verdict:
        decided = _deciding(self._requests, facts)
        if decided is not None:
            return _verdict(decided, "request")
        default = self.policy.defaults.requests
        return Verdict(f"{BUILT_IN}requests", default, "request", f"no rule names it; [defaults] requests = {default}")

    def _of(self, place: Destination, facts: Facts) -> Verdict:
        decided = _deciding(self._flows[place], facts)
        if decided is not None:
            return _verdict(decided, _tier(place))
        if place.on_premises:
            default = self.policy.defaults.on_premises
            why = f"on this machine; [defaults] on_premises = {default}"
            return Verdict(f"{BUILT_IN}on-premises", default, _tier(place), why)
        why = f"no rule allows {facts.data_class} data to leave for it"
        return Verdict(f"{BUILT_IN}off-premises", "deny", _tier(place), why)


def _deciding(rules: Iterable[_Compiled], facts: Facts) -> _Compiled | None:
    """The first that fits and denies, else the first that fits."""
    allowed = None
    for rule in rules:
        if rule.fits(facts):
            if rule.effect == "deny":
                return rule
            allowed = allowed or rule
    return allowed


def _for_destination(policy: PolicyFile, place: Destination) -> list[_Compiled]:
    """The rules whose conditions on the destination fit it: only those on the request are left to look at."""
    found = [_compiled(rule, "deny", _stays(rule)) for rule in policy.residency if not _in_region(rule, place)]
    return found + [_compiled(rule, rule.effect) for rule in policy.flows if _reaches(rule, place)]


def _in_region(rule: ResidencyRule, place: Destination) -> bool:
    return place.region in rule.regions or (place.on_premises and not place.region)


def _stays(rule: ResidencyRule) -> str:
    return rule.reason or f"the data must stay in {' or '.join(rule.regions)}"


def _reaches(rule: FlowRule, place: Destination) -> bool:
    return (
        (rule.on_premises is None or rule.on_premises == place.on_premises)
        and (rule.pseudonymised is None or rule.pseudonymised == place.pseudonymised)
        and (not rule.tiers or _any(rule.tiers)(place.name))
        and (not rule.hosts or _any(rule.hosts)(place.host))
        and (not rule.regions or place.region in rule.regions)
        and (not rule.models or _any(rule.models)(place.model))
    )


def _compiled(rule: RequestRule | FlowRule | ResidencyRule, effect: Effect, reason: str = "") -> _Compiled:
    """A rule with its conditions on the request as one function; those left out are not looked at."""
    tests: list[Test] = []
    for at, (fact, condition) in enumerate(_CONDITIONS):
        wanted: tuple[str, ...] = getattr(rule, condition, ())
        if not wanted or (condition == "models" and isinstance(rule, FlowRule)):
            continue
        tests.append(_roles(wanted) if fact == "roles" else _field(_PLACES[at], _any(wanted)))
    return _Compiled(rule.id, effect, _all(tests), reason or rule.reason)


_CONDITIONS = (
    ("data_class", "data_classes"),
    ("task", "tasks"),
    ("tenant", "tenants"),
    ("roles", "roles"),
    ("key", "keys"),
    ("operation", "operations"),
    ("model", "models"),
)
_PLACES = tuple(Facts._fields.index(fact) for fact, _ in _CONDITIONS)


def _all(tests: Sequence[Test]) -> Test:
    def fits(facts: Facts) -> bool:
        return all(test(facts) for test in tests)

    return fits


def _roles(wanted: tuple[str, ...]) -> Test:
    held = frozenset(wanted)
    return lambda facts: not held.isdisjoint(facts.roles)


def _field(place: int, fits: Callable[[str], bool]) -> Test:
    return lambda facts: fits(facts[place])  # type: ignore[arg-type]  # every other field than roles is text


def _any(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a word is one of these, where * stands for any characters. Case counts."""
    exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
    wild = [re.escape(pattern).replace(r"\*", ".*") for pattern in patterns if "*" in pattern]
    if not wild:
        return exact.__contains__
    matches = re.compile("|".join(wild), re.DOTALL).fullmatch
    return lambda word: word in exact or matches(word) is not None


def _verdict(rule: _Compiled, subject: str) -> Verdict:
    return Verdict(rule.id, rule.effect, subject, rule.reason)


def _tier(place: Destination) -> str:
    return f"tier:{place.name}"


def _said(verdict: Verdict) -> str:
    """A veto in words, for attempts and errors."""
    return f"the policy's rule {verdict.rule} denies it" + (f": {verdict.reason}" if verdict.reason else "")
