"""A policy to test with, and short ways to read one from text."""

from __future__ import annotations

import tomllib
from collections.abc import Collection

from rightsized.guard.policy.file import PolicyFile, build
from rightsized.guard.policy.rulebook import Destination, Facts, Rulebook

SMALL = Destination("small", True, model="tiny")
CLOUD = Destination("cloud", False, "api.example.com", "us", "big-1")
EU = Destination("eu", False, "api.example.eu", "eu", "big-2")
PLACES = (SMALL, CLOUD, EU)

CLINIC = """
version = 1

[[requests]]
id = "no-payroll"
effect = "deny"
tasks = ["payroll*"]
roles = ["client", "viewer"]
reason = "payroll is for its own people"

[[flows]]
id = "public-anywhere"
effect = "allow"
data_classes = ["public"]
tiers = ["cloud", "eu"]

[[flows]]
id = "internal-in-eu"
effect = "allow"
data_classes = ["internal", "personal"]
hosts = ["*.example.eu"]

[[flows]]
id = "not-this-model"
effect = "deny"
models = ["big-1"]
tasks = ["triage"]

[[residency]]
id = "patients-stay"
tenants = ["ward-*"]
regions = ["eu"]
"""


def policy(text: str = CLINIC, *, enforced: Collection[str] = ()) -> PolicyFile:
    """A policy out of a text, called policy.toml in errors."""
    return build(tomllib.loads(text), text.encode(), "policy.toml", enforced=enforced)


def ruled(text: str, facts: Facts, *places: Destination) -> dict[str, tuple[str, str]]:
    """Subject -> (effect, rule)."""
    ruling = Rulebook(policy(text), places or PLACES).rule(facts)
    return {verdict.subject: (verdict.effect, verdict.rule) for verdict in ruling.verdicts}
