"""What a policy says: the most restrictive rule binds, in any order, and nothing leaves without one that allows it."""

from __future__ import annotations

import random
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_samples import CLINIC, CLOUD, EU, PLACES, SMALL, policy, ruled

from rightsized.core.generation import DATA_CLASSES
from rightsized.core.roles import ROLES
from rightsized.guard.policy.file import (
    Defaults,
    FlowRule,
    PolicyFile,
    PolicyOperation,
    RequestRule,
    ResidencyRule,
)
from rightsized.guard.policy.rulebook import REMEMBERED, Destination, Facts, Rulebook

OPERATIONS = get_args(PolicyOperation)
ALLOW, DENY = "allow", "deny"


def asked(**more: Any) -> Facts:
    return Facts(**{"task": "chat", "operation": "chat", "model": "auto", "data_class": "public", **more})


def test_off_the_premises_nothing_is_allowed_by_default() -> None:
    assert ruled("version = 1", asked()) == {
        "request": (ALLOW, "default:requests"),
        "tier:small": (ALLOW, "default:on-premises"),
        "tier:cloud": (DENY, "default:off-premises"),
        "tier:eu": (DENY, "default:off-premises"),
    }


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (asked(), {"cloud": (ALLOW, "public-anywhere"), "eu": (ALLOW, "public-anywhere")}),
        (asked(data_class="personal"), {"cloud": (DENY, "default:off-premises"), "eu": (ALLOW, "internal-in-eu")}),
        (asked(data_class="health"), {"cloud": (DENY, "default:off-premises"), "eu": (DENY, "default:off-premises")}),
        (asked(tenant="ward-3"), {"cloud": (DENY, "patients-stay"), "eu": (ALLOW, "public-anywhere")}),
        (asked(task="triage"), {"cloud": (DENY, "not-this-model"), "eu": (ALLOW, "public-anywhere")}),
        (asked(task="payroll-2", roles=("client",)), {"request": (DENY, "no-payroll")}),
        (asked(task="payroll-2", roles=("auditor",)), {"request": (ALLOW, "default:requests")}),
    ],
)
def test_the_clinic(facts: Facts, expected: dict[str, tuple[str, str]]) -> None:
    found = ruled(CLINIC, facts)
    assert {name: found.get(f"tier:{name}", found["request"]) for name in expected} == expected


def test_defaults_can_close_what_is_open() -> None:
    text = 'version = 1\n[defaults]\nrequests = "deny"\non_premises = "deny"'
    found = ruled(text, asked())
    assert found["request"] == (DENY, "default:requests")
    assert found["tier:small"] == (DENY, "default:on-premises")
    text += '\n[[requests]]\nid = "r"\neffect = "allow"\nmodels = ["au*"]\n'
    text += '[[flows]]\nid = "f"\neffect = "allow"\non_premises = true\n'
    found = ruled(text, asked())
    assert (found["request"], found["tier:small"], found["tier:cloud"][0]) == ((ALLOW, "r"), (ALLOW, "f"), DENY)


def test_residency_lets_a_model_here_be_where_it_is() -> None:
    text = 'version = 1\n[[residency]]\nid = "r"\nregions = ["eu"]\n'
    here, away = Destination("here", True), Destination("away", True, region="us")
    found = ruled(text, asked(), here, away)
    assert (found["tier:here"][0], found["tier:away"]) == (ALLOW, (DENY, "r"))


def test_a_reason_is_passed_on() -> None:
    ruling = Rulebook(policy(), PLACES).rule(asked(tenant="ward-3"))
    assert ruling.vetoes == {"cloud": "the policy's rule patients-stay denies it: the data must stay in eu"}
    assert ruling.policy.startswith("sha256:")


def test_what_is_remembered_is_bounded() -> None:
    book = Rulebook(policy(), PLACES)
    for number in range(REMEMBERED + 10):
        book.rule(asked(model=str(number)))
    assert len(book._known) <= REMEMBERED


# Random policies against a plain reading of the rules, written here a second time.


def few(*words: str) -> st.SearchStrategy[tuple[str, ...]]:
    """None, one or two of the words, as a rule's condition."""
    return st.sampled_from([(), *((word,) for word in words), words[:2], words[-2:]])


some, classes, regions = few("a", "b", "a*", "*"), few(*DATA_CLASSES), few("eu", "us")
about_request = {
    "effect": st.sampled_from([ALLOW, DENY]),
    "roles": few(*ROLES),
    "tenants": some,
    "keys": few("k1", "k2"),
    "tasks": some,
    "operations": few(*OPERATIONS),
    "data_classes": classes,
}
request_rules = st.builds(RequestRule, id=st.uuids().map(str), models=some, **about_request)
flow_rules = st.builds(
    FlowRule,
    id=st.uuids().map(str),
    tiers=some,
    hosts=some,
    regions=regions,
    models=some,
    on_premises=st.sampled_from([None, True, False]),
    **about_request,
)
residency_rules = st.builds(
    ResidencyRule, id=st.uuids().map(str), regions=regions.filter(bool), tenants=some, tasks=some, data_classes=classes
)
policies = st.builds(
    PolicyFile,
    digest=st.just("sha256:0"),
    origin=st.just("policy.toml"),
    defaults=st.builds(Defaults, requests=st.sampled_from([ALLOW, DENY]), on_premises=st.sampled_from([ALLOW, DENY])),
    requests=st.lists(request_rules, max_size=4).map(tuple),
    flows=st.lists(flow_rules, max_size=6).map(tuple),
    residency=st.lists(residency_rules, max_size=2).map(tuple),
)
text = st.sampled_from(["a", "ab", "b", ""])
places = st.builds(
    Destination,
    name=text,
    on_premises=st.booleans(),
    host=text,
    region=st.sampled_from(["", "eu", "us"]),
    model=text,
)
facts = st.builds(
    Facts,
    task=text,
    operation=st.sampled_from(OPERATIONS),
    model=text,
    data_class=st.sampled_from(DATA_CLASSES),
    tenant=text,
    key=st.sampled_from(["", "k1", "k2"]),
    roles=few(*ROLES),
)


def like(word: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(p == "*" or p == word or (p == "a*" and word[:1] == "a") for p in patterns)


def fits(rule: Any, of: Facts) -> bool:
    """Whether the conditions on the request fit."""
    return (
        like(of.task, rule.tasks)
        and like(of.tenant, rule.tenants)
        and (not rule.data_classes or of.data_class in rule.data_classes)
        and (not getattr(rule, "operations", ()) or of.operation in rule.operations)
        and (not getattr(rule, "keys", ()) or of.key in rule.keys)
        and (not getattr(rule, "roles", ()) or bool(set(of.roles) & set(rule.roles)))
    )


def reaches(rule: FlowRule, place: Destination) -> bool:
    return (
        like(place.name, rule.tiers)
        and like(place.host, rule.hosts)
        and like(place.model, rule.models)
        and (not rule.regions or place.region in rule.regions)
        and rule.on_premises in (None, place.on_premises)
    )


def may_go(policy: PolicyFile, of: Facts, place: Destination) -> bool:
    for rule in policy.residency:
        at_home = place.region in rule.regions or (place.on_premises and place.region == "")
        if fits(rule, of) and not at_home:
            return False
    effects = {rule.effect for rule in policy.flows if fits(rule, of) and reaches(rule, place)}
    if DENY in effects:
        return False
    return ALLOW in effects or (place.on_premises and policy.defaults.on_premises == ALLOW)


def may_ask(policy: PolicyFile, of: Facts) -> bool:
    effects = {rule.effect for rule in policy.requests if fits(rule, of) and like(of.model, rule.models)}
    return DENY not in effects and (ALLOW in effects or policy.defaults.requests == ALLOW)


@settings(deadline=None)
@given(policies, st.lists(places, min_size=1, max_size=3, unique_by=lambda p: p.name), facts)
def test_rulings_are_those_of_a_plain_reading(policy: PolicyFile, at: list[Destination], of: Facts) -> None:
    book = Rulebook(policy, at)
    ruling = book.rule(of)
    assert (ruling.denied is None) == may_ask(policy, of)
    assert set(ruling.vetoes) == {place.name for place in at if not may_go(policy, of, place)}
    assert book.rule(of) is ruling  # remembered
    ids = {*(r.id for r in (*policy.requests, *policy.flows, *policy.residency))}
    assert all(v.rule in ids or v.rule.startswith("default:") for v in ruling.verdicts)
    assert {v.rule for v in ruling.verdicts} - {v.rule for v in book.fitting(of)} <= {
        v.rule for v in ruling.verdicts if v.rule.startswith("default:")
    }


@settings(deadline=None)
@given(policies, places, facts, st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter(
    policy: PolicyFile, place: Destination, of: Facts, dice: random.Random
) -> None:
    before = Rulebook(policy, [place]).rule(of)

    def mixed(name: str) -> tuple[Any, ...]:
        rules = list(getattr(policy, name))
        dice.shuffle(rules)
        return tuple(rules)

    shuffled = {name: mixed(name) for name in ("requests", "flows", "residency")}
    after = Rulebook(msgspec.structs.replace(policy, **shuffled), [place]).rule(of)
    assert [v.effect for v in before.verdicts] == [v.effect for v in after.verdicts]


@settings(deadline=None)
@given(policies, flow_rules, places, facts)
def test_one_more_deny_never_opens_anything(policy: PolicyFile, rule: FlowRule, place: Destination, of: Facts) -> None:

    more = msgspec.structs.replace(policy, flows=(*policy.flows, msgspec.structs.replace(rule, effect=DENY)))
    before, after = (Rulebook(one, [place]).rule(of) for one in (policy, more))
    assert set(before.vetoes) <= set(after.vetoes)


def test_the_plain_reading_can_disagree() -> None:
    """The reading above is not the code: a rulebook without its rules fails it."""
    full = policy()
    assert may_go(full, asked(), CLOUD)
    assert not may_go(policy("version = 1"), asked(), CLOUD)
    assert may_go(full, asked(tenant="ward-3"), EU)
    assert may_go(full, asked(), SMALL)
