"""policy.toml: the tables a policy is written in, read and checked. Errors name the key, the rule and the file.

What a rule means is in `rulebook`; here is only its form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from rightsized.core.errors import ConfigError
from rightsized.core.generation import DataClass
from rightsized.core.roles import Role
from rightsized.core.tables import called, meant, read_table, read_tables, read_toml
from rightsized.guard.policy.outputs import KINDS, OutputRule

FILE_NAME = "policy.toml"
VERSION = 1
BUILT_IN = "default:"  # begins the ids of verdicts that no rule gave
Does = Literal["allow", "deny"]
PolicyOperation = Literal["classify", "chat", "completions", "embeddings", "rerank"]


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Defaults(_Table, frozen=True, kw_only=True):
    """What holds where no rule speaks. Off the premises it is always deny, and nothing here changes that."""

    requests: Does = "allow"  # whether a request that no [[requests]] rule names may be asked
    on_premises: Does = "allow"  # whether a model on this machine may be sent what no [[flows]] rule names


class RequestRule(_Table, frozen=True, kw_only=True):
    """Who may ask for what. A condition that is left out fits every request."""

    id: str  # names the rule in verdicts
    effect: Does  # what follows where all its conditions fit
    roles: tuple[Role, ...] = ()  # roles of whoever asks
    tenants: tuple[str, ...] = ()  # tenants of the key; * stands for any characters
    keys: tuple[str, ...] = ()  # ids of API keys
    tasks: tuple[str, ...] = ()  # tasks, and the cascade's name for text; * stands for any characters
    models: tuple[str, ...] = ()  # what the request names as its model: auto, a tier, a model; * as above
    operations: tuple[PolicyOperation, ...] = ()  # what is asked for
    data_classes: tuple[DataClass, ...] = ()  # classes of the request's data
    reason: str = ""  # why, as people will read it


class FlowRule(_Table, frozen=True, kw_only=True):
    """Which data may go where. Conditions on the request as above; the others are on the destination."""

    id: str  # names the rule in verdicts
    effect: Does  # what follows where all its conditions fit
    data_classes: tuple[DataClass, ...] = ()  # classes of the request's data
    tasks: tuple[str, ...] = ()  # tasks, and the cascade's name for text; * stands for any characters
    operations: tuple[PolicyOperation, ...] = ()  # what is asked for
    roles: tuple[Role, ...] = ()  # roles of whoever asks
    tenants: tuple[str, ...] = ()  # tenants of the key; * as above
    keys: tuple[str, ...] = ()  # ids of API keys
    tiers: tuple[str, ...] = ()  # tiers by name; * as above; tasks run in `task`
    hosts: tuple[str, ...] = ()  # hosts of tiers, such as *.example.eu; a model on this machine has none
    regions: tuple[str, ...] = ()  # regions that tiers say they run in
    models: tuple[str, ...] = ()  # models that tiers serve; * as above
    on_premises: bool | None = None  # true: models on this machine; false: all others
    pseudonymised: bool | None = None  # true: tiers that are sent placeholders for personal data; false: all others
    reason: str = ""  # why, as people will read it


class ResidencyRule(_Table, frozen=True, kw_only=True):
    """Where data must stay: a tier elsewhere, or that does not say where it runs, is not asked."""

    id: str  # names the rule in verdicts
    regions: tuple[str, ...]  # it may be in one of these; a model on this machine that names no region is where you are
    tenants: tuple[str, ...] = ()  # tenants of the key; * stands for any characters
    tasks: tuple[str, ...] = ()  # tasks, and the cascade's name for text; * as above
    data_classes: tuple[DataClass, ...] = ()  # classes of the request's data
    reason: str = ""  # why, as people will read it


class PolicyFile(Struct, frozen=True):
    """A policy as read. `digest` is the SHA-256 of the file's bytes; decisions keep it beside each verdict."""

    digest: str
    origin: str
    defaults: Defaults = Defaults()
    requests: tuple[RequestRule, ...] = ()
    flows: tuple[FlowRule, ...] = ()
    residency: tuple[ResidencyRule, ...] = ()
    outputs: tuple[OutputRule, ...] = ()

    @property
    def ids(self) -> list[str]:
        """Ids of all rules, in order."""
        named = [rule.id for rule in self.requests] + [rule.id for rule in self.flows]
        return named + [rule.id for rule in self.residency] + [rule.id for rule in self.outputs]


TABLES = ("requests", "flows", "residency", "outputs")
_KNOWN = ("version", "defaults", *TABLES)


def read(path: Path, *, enforced: Collection[str] = ()) -> PolicyFile:
    """Read and check a policy.

    Args:
        enforced: checks of outputs that something here performs; a rule that asks for another is refused.
    Raises:
        ConfigError: says what is wrong, in which rule of which file, and what was meant.
    """
    document, raw = read_toml(path, "policy")
    return build(document, raw, str(path), enforced=enforced)


def build(document: dict[str, Any], raw: bytes, origin: str, *, enforced: Collection[str] = ()) -> PolicyFile:
    """A policy from a document. Raises ConfigError."""
    for key in document:
        if key not in _KNOWN:
            raise ConfigError(f"Unknown key {key!r} in {origin}.", fix=meant(key, _KNOWN))
    if document.get("version") != VERSION:
        given = document.get("version")
        said = f"version = {given!r}" if given is not None else "no version"
        raise ConfigError(
            f"{origin} has {said}; this program reads version {VERSION}.", fix=f"Write version = {VERSION}."
        )
    policy = PolicyFile(
        digest="sha256:" + hashlib.sha256(raw).hexdigest(),
        origin=origin,
        defaults=read_table(Defaults, document.get("defaults", {}), f"[defaults] in {origin}"),
        requests=read_tables(RequestRule, document.get("requests", []), "requests", origin),
        flows=read_tables(FlowRule, document.get("flows", []), "flows", origin),
        residency=read_tables(ResidencyRule, document.get("residency", []), "residency", origin),
        outputs=_outputs(document.get("outputs", []), origin, enforced),
    )
    _check(policy, document)
    return policy


def _outputs(value: Any, origin: str, enforced: Collection[str]) -> tuple[OutputRule, ...]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigError(f"outputs in {origin} is not a list of tables.", fix="Begin each with a line [[outputs]].")
    return tuple(_output(dict(one), called("outputs", n, one, origin), enforced) for n, one in enumerate(value, 1))


def _output(value: dict[str, Any], where: str, enforced: Collection[str]) -> OutputRule:
    check = value.pop("check", None)
    if check not in KINDS:
        said = "names no check" if check is None else f"has check = {check!r}, which does not exist"
        raise ConfigError(f"{where} {said}.", fix=meant(str(check), tuple(KINDS)))
    if check not in enforced:
        raise ConfigError(
            f"{where} asks for the check {check!r}, which nothing here performs.",
            fix="A rule that is not enforced would be a false promise: take it out, or update Rightsized.",
        )
    return read_table(KINDS[check], value, where)


def _check(policy: PolicyFile, document: dict[str, Any]) -> None:
    for table in TABLES:
        for place, one in enumerate(document.get(table, []), 1):
            _check_form(one, called(table, place, one, policy.origin))
    for rule_id in (ids := policy.ids):
        if ids.count(rule_id) > 1:
            raise ConfigError(f"Two rules in {policy.origin} are called {rule_id!r}.", fix="Give each its own id.")
    for rule in policy.flows:
        _check_allow(rule, f"[[flows]] {rule.id!r} in {policy.origin}")


def _check_form(rule: dict[str, Any], where: str) -> None:
    rule_id = rule["id"]
    if not rule_id or not all(c.isalnum() or c in "-_." for c in rule_id):
        raise ConfigError(f"{where}: {rule_id!r} is no id.", fix="Use letters, digits, - _ and dots.")
    for key, value in rule.items():
        if value == []:
            raise ConfigError(
                f"{key} of {where} is empty: it would fit nothing.", fix="Leave it out to fit everything."
            )


def _check_allow(rule: FlowRule, where: str) -> None:
    """What is let out of the building is named: which classes, and where to."""
    if rule.effect == "deny" or rule.on_premises is True:
        return
    if not rule.data_classes:
        raise ConfigError(
            f"{where} allows data off the premises and does not say which.",
            fix='Name the classes, such as data_classes = ["public"]; or write on_premises = true.',
        )
    if not (rule.tiers or rule.hosts or rule.regions):
        raise ConfigError(
            f"{where} allows data off the premises and does not say where to.",
            fix="Name tiers, hosts or regions; or write on_premises = true.",
        )
