"""The policy on trial: what it would say of a request, of cases with expected verdicts, and of decisions on record.

Nothing here sends or answers anything; engines are opened to know where they run, and not started.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from rightsized.core.config import Config
from rightsized.core.errors import ConfigError, DataError, NotFoundError
from rightsized.core.frozen import Frozen
from rightsized.core.generation import AUTO, DATA_CLASSES, DataClass
from rightsized.core.roles import Role
from rightsized.core.tables import nearest, read_tables, read_toml
from rightsized.core.types import Decision, Task
from rightsized.core.verdicts import Verdict
from rightsized.guard.policy.file import FlowRule, PolicyFile, PolicyOperation
from rightsized.guard.policy.outputs import OutputRule, TopicRule
from rightsized.guard.policy.rulebook import CLASSIFY, HERE, Destination, Facts, Rulebook
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.leaving import decisions, seen_by
from rightsized.tasks.policies import destinations, open_policy, policy_path
from rightsized.tasks.versions import TaskStore

Outcome = Literal["allow", "deny"]


class Trial:
    """A policy and the destinations of these settings. Raises ConfigError, NotFoundError (there is no policy)."""

    def __init__(self, config: Config) -> None:
        policy = open_policy(config).current
        if policy is None:
            raise NotFoundError(
                f"There is no policy at {policy_path(config)}.",
                fix="Write one (docs/how-to/write-a-policy.md), or name another: [guard] policy.",
            )
        self.policy: PolicyFile = policy
        self.places = destinations(config)
        self._config = config
        self._tiers, self._here = Rulebook(policy, self.places), Rulebook(policy, [HERE])

    def book(self, operation: str, task: str) -> Rulebook:
        """The rules on this request's destinations: the tiers, or this process for tasks."""
        return self._here if operation == CLASSIFY and task != self._config.gateway.cascade else self._tiers

    def facts(self, **given: Any) -> Facts:
        """Facts of a request as the settings would complete them."""
        known = {name: value for name, value in given.items() if value not in (None, (), "")}
        task = known.setdefault("task", self._config.gateway.cascade)
        known.setdefault("operation", "chat" if task == self._config.gateway.cascade else CLASSIFY)
        known.setdefault("data_class", self._config.gateway.data_class)
        if known["operation"] != CLASSIFY:
            known.setdefault("model", AUTO)
        return Facts(**known)


class Told(Frozen, frozen=True):
    """What the policy says of one request.

    Args:
        outcome: `deny` where nothing may have it.
        verdicts: those that decide, as decisions keep them.
        fitting: every rule that fits, those that do not decide included.
    """

    facts: dict[str, Any]
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    fitting: tuple[Verdict, ...]
    policy: str


def explain(trial: Trial, facts: Facts) -> Told:
    """What would happen to a request, and by which rules."""
    book = trial.book(facts.operation, facts.task)
    ruling = book.decide(facts)
    anywhere = any(verdict.effect == "allow" for verdict in ruling.verdicts[1:]) or not book.destinations
    outcome: Outcome = "deny" if ruling.denied or not anywhere else "allow"
    fitting = tuple(book.fitting(facts))
    return Told(facts._asdict(), outcome, ruling.verdicts, fitting, ruling.policy)


class Note(Frozen, frozen=True):
    """Something about a policy that its writer should know: the rule it is about, and a sentence."""

    rule: str
    message: str


def check(trial: Trial, config: Config) -> list[Note]:
    """What is well-formed and yet looks like a slip: names that nothing here has, allows that open nothing."""
    tasks = [*TaskStore(Home(config.home)).names(), config.gateway.cascade]
    tiers = [place.name for place in trial.places]
    hosts = [place.host for place in trial.places if place.host]
    notes = []
    for rule in trial.policy.flows:
        notes += list(_unknown(rule.id, "tier", rule.tiers, [*tiers, HERE.name]))
        notes += list(_unknown(rule.id, "host", rule.hosts, hosts))
        if rule.effect == "allow":
            notes += list(_opens_nothing(rule, trial.places, config))
    policy = trial.policy
    named = [(one.id, one.tasks) for one in policy.requests] + [(one.id, one.tasks) for one in policy.flows]
    named += [(one.id, one.tasks) for one in policy.residency] + [(one.id, one.tasks) for one in policy.outputs]
    for rule_id, words in named:
        notes += list(_unknown(rule_id, "task", words, tasks))
    for output in policy.outputs:
        notes += list(_about_output(output, TaskStore(Home(config.home)), config.gateway.cascade))
    return notes


def _about_output(rule: OutputRule, store: TaskStore, cascade: str) -> Iterator[Note]:
    """Rules about outputs that nothing keeps: tasks answer with labels, and topics need a task that knows them."""
    labelling = [name for name in rule.tasks if name in store.names() and name != cascade]
    if labelling:
        yield Note(
            rule.id,
            f"Task {labelling[0]!r} answers with labels. Rules about outputs hold for text that tiers write, so this "
            "one does not bind it.",
        )
    if not isinstance(rule, TopicRule):
        return
    if rule.task not in store.names():
        near = nearest(rule.task, store.names())
        yield Note(rule.id, f"There is no task {rule.task!r} here to tell topics: every request fails. {near}".strip())
        return
    labels = store.read(rule.task, "task.json", Task).labels
    for topic in rule.topics:
        if topic not in labels:
            yield Note(rule.id, f"Task {rule.task!r} knows no topic {topic!r}. {nearest(topic, labels)}".strip())


def _unknown(rule: str, what: str, words: Iterable[str], known: list[str]) -> Iterator[Note]:
    for word in words:
        if "*" not in word and word not in known:
            yield Note(rule, f"There is no {what} {word!r} here. {nearest(word, known)}".strip())


def _opens_nothing(rule: FlowRule, places: list[Destination], config: Config) -> Iterator[Note]:
    """A policy only takes away: an allow for what the tier's own settings forbid has no effect."""
    for tier, place in zip(config.tiers, places, strict=True):
        if place.on_premises or place.name not in rule.tiers:
            continue
        for data_class in rule.data_classes or DATA_CLASSES:
            if not tier.allows(data_class, on_premises=False):
                yield Note(
                    rule.id, f"Tier {tier.name!r} does not take {data_class} data: data_classes of its settings."
                )


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A case of `policy test`: a request, and what the policy must say of it."""

    name: str  # what it shows
    expect: Outcome | None = None  # of the whole request; deny also where no destination may have it
    rule: str | None = None  # the rule that decides on the whole request
    tiers: dict[str, Outcome | str] = {}  # by tier: allow, deny, or the id of the rule that decides
    task: str = ""
    operation: PolicyOperation | None = None
    model: str = ""
    data_class: DataClass | None = None
    tenant: str = ""
    key: str = ""
    roles: tuple[Role, ...] = ()


class Tried(Frozen, frozen=True):
    """How a case went; `wrong` says in words what differs from what was expected, and is empty where nothing does."""

    name: str
    wrong: tuple[str, ...]
    told: Told


_FACTS = ("task", "operation", "model", "data_class", "tenant", "key", "roles")


def cases(path: Path) -> tuple[Case, ...]:
    """The cases of a file. Raises ConfigError (a case is wrong), DataError (there is none)."""
    document, _ = read_toml(path, "cases")
    for key in document:
        if key != "cases":
            raise ConfigError(f"Unknown key {key!r} in {path}.", fix="Begin each case with a line [[cases]].")
    found = read_tables(Case, document.get("cases", []), "cases", str(path))
    if not found:
        raise DataError(f"{path} holds no case.", fix="Begin each case with a line [[cases]].")
    for case in found:
        if case.expect is None and case.rule is None and not case.tiers:
            raise ConfigError(
                f"The case {case.name!r} in {path} expects nothing.", fix="Give it expect, rule or tiers."
            )
    return found


def run(trial: Trial, case: Case) -> Tried:
    """Ask the policy about a case."""
    told = explain(trial, trial.facts(**{name: getattr(case, name) for name in _FACTS}))
    found = {verdict.subject: verdict for verdict in told.verdicts}
    wrong = []
    if case.expect is not None and case.expect != told.outcome:
        wrong.append(f"expected {case.expect}, found {told.outcome}")
    if case.rule is not None and case.rule != told.verdicts[0].rule:
        wrong.append(f"expected rule {case.rule}, found {told.verdicts[0].rule}")
    for tier, expected in case.tiers.items():
        verdict = found.get(f"tier:{tier}")
        if verdict is None:
            wrong.append(f"there is no tier {tier!r} for this request")
        elif expected not in (verdict.effect, verdict.rule):
            wrong.append(f"tier {tier}: expected {expected}, found {verdict.effect} by {verdict.rule}")
    return Tried(case.name, tuple(wrong), told)


class Changed(Frozen, frozen=True):
    """A decision on record that this policy would treat otherwise: what was, and what would be."""

    decision: str
    task: str
    data_class: str
    was: str
    now: str
    rule: str


class Replayed(Frozen, frozen=True):
    """Decisions on record under this policy. `same`: nothing would differ; `unclear`: too little is on record."""

    decisions: int
    same: int
    unclear: int
    changed: tuple[Changed, ...]
    policy: str


def replay(trial: Trial, config: Config, since: float = 0.0) -> Replayed:
    """What this policy would have said of the decisions on record from a time on."""
    total = same = unclear = 0
    changed: list[Changed] = []
    with LedgerReader(Home(config.home).decisions) as reader:
        for one in decisions(reader, since):
            total += 1
            if not one.operation:
                unclear += 1  # recorded before that was kept
                continue
            found = _otherwise(trial, one)
            same += found is None
            changed += [found] if found else []
    return Replayed(total, same, unclear, tuple(changed), trial.policy.digest)


def _otherwise(trial: Trial, one: Decision) -> Changed | None:
    facts = trial.facts(
        task=one.task,
        operation=one.operation,
        model=one.asked_model,
        data_class=one.data_class,
        tenant=one.tenant,
        key=one.key,
        roles=one.roles,
    )
    ruling = trial.book(one.operation, one.task).rule(facts)
    about = (one.id, one.task, one.data_class or "")
    refused = one.reply is None and any(v.effect == "deny" and v.subject == "request" for v in one.verdicts)
    if ruling.denied is not None:
        return None if refused else Changed(*about, "let in", "refused", ruling.denied.rule)
    if refused:
        return Changed(*about, "refused", "let in", ruling.verdicts[0].rule)
    kept = sorted(seen_by(one) & set(ruling.vetoes))
    if not kept and one.operation == CLASSIFY and HERE.name in ruling.vetoes and one.reply is not None:
        kept = [HERE.name]
    if not kept:
        return None
    rule = next(v.rule for v in ruling.verdicts if v.subject == f"tier:{kept[0]}")
    return Changed(*about, f"seen by {', '.join(kept)}", f"kept from {', '.join(kept)}", rule)
